//! Credit that is topped up by itself: a loop looks for organizations whose credit runs low, and begins payments; `carry` carries on
//! those from saved cards. One look at a time, one open payment for each organization.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::ids::{OrgId, PaymentId};
use keystore_core::policy::{CardCharge, TopUpPolicy};
use keystore_core::top_up::{MOST_FAILURES, Need, Rule};
use keystore_core::{Month, NanoUsd};
use keystore_store::payments::{self, Payment, Way};
use keystore_store::top_ups::{self, TopUps};
use keystore_store::{Conn, Tx, ledger};
use keystore_wire::events::Kind;
use serde_json::json;

use super::{carry, ending, rule};
use crate::api::payments::wire;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::billing::open;
use crate::credits;
use crate::events::{self, New};
use crate::operator;

/// How often it is looked.
const TURN: Duration = Duration::from_secs(10);

/// Organizations that are read at once.
const AT_A_TIME: u32 = 500;

/// Tops up until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    while app.next_turn(TURN, pending()).await {
        if let Err(error) = turn(&app).await {
            tracing::warn!(%error, "top-ups were not looked after; it is tried again in a moment");
        }
    }
}

impl App {
    /// Does at once for top-ups what the server otherwise does by itself within seconds.
    ///
    /// # Errors
    /// The store's.
    pub async fn top_up(&self) -> Result<(), ApiError> {
        turn(self).await
    }
}

/// Begins the payments that are needed, and carries on those that are open: what an earlier process left first.
///
/// # Errors
/// The store's. What goes wrong with one organization keeps no other from going on.
pub(crate) async fn turn(app: &App) -> ApiResult<()> {
    let _alone = app.topping_up.lock().await;
    carry::all(app).await?;
    app.store.project_now().await?;
    let mut after = None;
    let mut begun = false;
    loop {
        let now = app.clock.now();
        let rows = top_ups::ready(
            &mut app.store.read().await?,
            (MOST_FAILURES, now),
            after,
            AT_A_TIME,
        )
        .await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.org);
        for row in rows {
            match look(app, &row).await {
                Ok(is_new) => begun |= is_new,
                Err(error) => tracing::error!(%error, org = %row.org, "credit was not topped up"),
            }
        }
    }
    match begun {
        true => carry::all(app).await,
        false => Ok(()),
    }
}

/// Begins a payment where one is needed. First without a transaction: most have enough.
async fn look(app: &App, row: &TopUps) -> ApiResult<bool> {
    let policy = rule::authentic(app, row)?;
    let Some(rule) = policy.rule.filter(|_| can_pay(app, &policy)) else {
        return Ok(false);
    };
    if need(app, &mut app.store.read().await?, row.org, rule).await? == Need::Nothing {
        return Ok(false);
    }
    let (mut tx, lives) = open(app, row.org).await?;
    // It may have been changed until now.
    let same = top_ups::get(&mut tx, row.org).await?.as_ref() == Some(row);
    if !lives || !same || payments::open_of(&mut tx, row.org).await?.is_some() {
        return Ok(false);
    }
    match need(app, &mut tx, row.org, rule).await? {
        Need::Nothing => return Ok(false),
        Need::Capped => capped(app, &mut tx, row.org, rule).await?,
        Need::TopUp => begin(app, &mut tx, policy, rule).await?,
    }
    ending::commit(app, tx).await?;
    Ok(true)
}

/// Where there is Stripe, cards are charged.
fn can_pay(app: &App, policy: &TopUpPolicy) -> bool {
    app.payments.is_none() || policy.card.is_some()
}

async fn need(app: &App, conn: &mut Conn, org: OrgId, rule: Rule) -> ApiResult<Need> {
    let credit = credits::get(app, conn, org).await?;
    if credit.limit > NanoUsd::ZERO {
        return Ok(Need::Nothing);
    }
    let charged = ledger::charged(conn, org).await?;
    let left = NanoUsd(credit.granted.0.saturating_sub(charged.0));
    let month = Month::of(app.clock.now()).start();
    let this_month = payments::by_itself(conn, org, month).await?;
    Ok(rule.need(left, this_month))
}

/// Tells, once a month, that credit is low and stays so.
async fn capped(app: &App, tx: &mut Tx, org: OrgId, rule: Rule) -> ApiResult<()> {
    let month = Month::of(app.clock.now());
    let told = New {
        org,
        project: None,
        kind: Kind::TopUpCapped,
        subject: org.to_string(),
        data: json!({"below": rule.below, "monthly": rule.monthly, "month": month.to_string()}),
        once: Some(format!("{org}:{month}")),
        mailed: true,
    };
    events::raise(app, tx, told).await
}

async fn begin(app: &App, tx: &mut Tx, policy: TopUpPolicy, rule: Rule) -> ApiResult<()> {
    let TopUpPolicy { org, card, .. } = policy;
    let id = PaymentId::new(app.ids.next());
    let card = card.filter(|_| app.payments.is_some());
    let charge = card.map(|card| {
        let charge = CardCharge {
            payment: id,
            org,
            amount: rule.amount,
            card,
        };
        charge.canonical()
    });
    let payment = Payment {
        id,
        org,
        amount: rule.amount,
        way: match charge {
            Some(_) => Way::Card,
            None => Way::Operator,
        },
        mac: charge.as_ref().map(|bytes| carry::tag(app, bytes)),
        charge,
        session: None,
        transaction_id: None,
        asks: 0,
        failed_at: None,
        created_at: app.clock.now(),
    };
    payments::insert(tx, &payment).await?;
    Event::new("begin_auto_top_up", &id)
        .after(&wire(payment.clone()))?
        .by_system(tx, org)?;
    match operator::org(tx).await? {
        Some(operator) if payment.way == Way::Operator => {
            let told = New {
                org: operator,
                project: None,
                kind: Kind::TopUpWaits,
                subject: id.to_string(),
                data: json!({"orgId": org, "amount": payment.amount}),
                once: None,
                mailed: true,
            };
            events::raise(app, tx, told).await
        }
        _ => Ok(()),
    }
}
