//! What the operator may lose with each customer: what was used and is not paid, what running calls may add, and what is overdue.

use std::time::Duration;

use keystore_core::ids::OrgId;
use keystore_core::ledger::Account;
use keystore_core::{Micros, NanoUsd};
use keystore_store::{Conn, billing, credits as credit_rows, holds, ledger, orgs};
use keystore_wire::exposure::{Exposure, Exposures};

use crate::api::problem::ApiResult;
use crate::app::App;
use crate::credits;

/// Organizations that are read at once.
const AT_A_TIME: u32 = 500;

/// The exposures of all customers, the largest first. What an invoice left to pay is overdue after `terms`; who pays, pays the oldest first.
///
/// # Errors
/// `internal` when some credit is not ours; the store's.
pub(crate) async fn of_all(app: &App, terms: Duration) -> ApiResult<Exposures> {
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let held = holds::sold(&mut conn).await?;
    let due_since = app.clock.now().minus(terms);
    let (mut data, mut after) = (Vec::new(), None);
    loop {
        let rows = credit_rows::list(&mut conn, after, AT_A_TIME).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.org);
        for row in rows {
            let held = held.get(&row.org).copied().unwrap_or(NanoUsd::ZERO);
            data.push(one(app, &mut conn, row.org, held, due_since).await?);
        }
    }
    data.sort_by(|one, other| (other.at_risk, one.org_id).cmp(&(one.at_risk, other.org_id)));
    let sum = |of: fn(&Exposure) -> NanoUsd| {
        let amounts = data.iter().map(|one| of(one).0);
        NanoUsd(amounts.fold(0_i64, i64::saturating_add))
    };
    Ok(Exposures {
        used: sum(|one| one.used),
        held: sum(|one| one.held),
        at_risk: sum(|one| one.at_risk),
        billed: sum(|one| one.billed),
        overdue: sum(|one| one.overdue),
        data,
    })
}

async fn one(
    app: &App,
    conn: &mut Conn,
    org: OrgId,
    held: NanoUsd,
    due_since: Micros,
) -> ApiResult<Exposure> {
    let credit = credits::get(app, conn, org).await?;
    let charged = ledger::charged(conn, org).await?;
    let billed = ledger::balances(conn, org).await?.of(Account::Receivable);
    let recent = billing::due_since(conn, org, due_since).await?;
    let (used, at_risk) = beyond(credit.granted, charged, held);
    Ok(Exposure {
        org_id: org,
        name: orgs::get(conn, org).await?.map_or(String::new(), |org| org.name),
        limit: credit.limit,
        used,
        held,
        at_risk,
        billed,
        overdue: overdue(billed, recent),
    })
}

/// What was used beyond what was granted, and what it may be with the calls that run.
fn beyond(granted: NanoUsd, charged: NanoUsd, held: NanoUsd) -> (NanoUsd, NanoUsd) {
    let beyond = |amount: i64| NanoUsd(amount.saturating_sub(granted.0).max(0));
    (beyond(charged.0), beyond(charged.0.saturating_add(held.0)))
}

/// What of the bills is older than the terms, where the oldest are paid first.
fn overdue(billed: NanoUsd, recent: NanoUsd) -> NanoUsd {
    NanoUsd(billed.0.saturating_sub(recent.0.max(0)).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_that_was_paid_before_is_no_risk() {
        let usd = |dollars: i64| NanoUsd(dollars * 1_000_000_000);
        for (granted, charged, held, used, risk) in [
            (100, 40, 10, 0, 0),
            (100, 95, 10, 0, 5),
            (100, 130, 10, 30, 40),
            (0, 0, 7, 0, 7),
            (-20, 0, 0, 20, 20),
        ] {
            let found = beyond(usd(granted), usd(charged), usd(held));
            assert_eq!(found, (usd(used), usd(risk)));
        }
        assert_eq!(overdue(usd(50), usd(20)), usd(30));
        assert_eq!(overdue(usd(10), usd(20)), usd(0));
        assert_eq!(overdue(usd(-5), usd(0)), usd(0));
    }
}
