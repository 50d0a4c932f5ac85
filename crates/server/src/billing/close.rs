//! Months close, and invoices are made: a job that may be broken off anywhere and run any number of times.
//!
//! A month closes some hours after its end, with everything that the journal has then. What comes later is billed in the next month.
//! Each invoice is made in one transaction with its number and its posting; the database takes one for each organization and month.

use std::collections::HashMap;
use std::time::Duration;

use keystore_core::ids::{OrgId, ProjectId};
use keystore_core::invoice::{BilledBy, Draft, Exact, InvoiceError, Number, Party};
use keystore_core::ledger::{Account, Balances, LedgerError, Transaction};
use keystore_core::policy::Source;
use keystore_core::{Micros, Month, NanoUsd};
use keystore_store::usage::{self, By, Filter};
use keystore_store::{Conn, Tx, billing, ledger, projects};
use keystore_wire::events::Kind;
use serde_json::json;

use super::terms;
use super::{about, open, post};
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::events::{self, New};
use crate::operator;

/// How long after its end a month closes: calls that ended in it may be on their way into the journal.
const WAIT: Duration = Duration::from_secs(6 * 3_600);

/// How many of the newest closed months are looked through for invoices that could not be made.
const LOOK_BACK: usize = 3;

/// Organizations that are billed between two looks at what is left.
const AT_A_TIME: u32 = 100;

/// Groups of usage of an organization in a month.
const MOST_GROUPS: u32 = 100_000;

/// Closes the months whose time has come, and makes the invoices that are missing. An organization that cannot be billed does not hold
/// the others up.
///
/// # Errors
/// The store's.
pub(crate) async fn run(app: &App) -> ApiResult<()> {
    let due = app.clock.now().minus(WAIT);
    // The first month is that of the first charge, which may be recorded and not be counted yet.
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let closed: Vec<Month> = billing::closed_months(&mut conn)
        .await?
        .into_iter()
        .map(|(month, _)| month)
        .collect();
    let next = match closed.last() {
        Some(last) => Some(last.next()),
        None => billing::first_month(&mut conn).await?,
    };
    drop(conn);
    for month in closed.iter().rev().take(LOOK_BACK).rev() {
        bill(app, *month).await?;
    }
    let Some(mut month) = next else { return Ok(()) };
    while month.end() <= due {
        app.store.close_month(month).await?;
        tracing::info!(%month, "the month is closed");
        bill(app, month).await?;
        month = month.next();
    }
    Ok(())
}

async fn bill(app: &App, month: Month) -> ApiResult<()> {
    let mut after = None;
    loop {
        let orgs = billing::unbilled(&mut app.store.read().await?, month, after, AT_A_TIME).await?;
        let Some(last) = orgs.last() else { return Ok(()) };
        after = Some(*last);
        for org in orgs {
            if let Err(error) = invoice(app, org, month).await {
                tracing::error!(%error, %org, %month, "no invoice could be made; it is tried again");
            }
        }
    }
}

async fn invoice(app: &App, org: OrgId, month: Month) -> ApiResult<()> {
    let (mut tx, lives) = open(app, org).await?;
    let seller = match operator::org(&mut tx).await? {
        Some(operator) => terms::on_invoices(&mut tx, operator).await?.0,
        None => Party::default(),
    };
    let (buyer, taxes) = terms::on_invoices(&mut tx, org).await?;
    let until = ledger::balances_until(&mut tx, org, month).await?;
    let draft = Draft {
        org,
        month,
        seller,
        buyer,
        lines: lines(&mut tx, org, month).await?,
        taxes,
        net: net(&ledger::balances_in(&mut tx, org, month).await?)?,
        owed: until
            .of(Account::CustomerCredit)
            .checked_add(until.of(Account::Suspense))
            .ok_or(LedgerError::Overflow)?,
    };
    let issued = month.next().year();
    let place = billing::next_number(&mut tx, i64::from(issued)).await?;
    let number = Number {
        year: issued,
        place: u32::try_from(place).map_err(ApiError::internal)?,
    };
    let (invoice, close) = draft.invoice(number)?;
    let mut about = about(app, org, &invoice.number, &format!("invoice for {month}"));
    about.at = Micros(month.end().0 - 1);
    match Transaction::invoice(about, close) {
        Ok(transaction) => post(app, &mut tx, &transaction, lives).await?,
        // Whole cents that credit has paid.
        Err(LedgerError::Empty) => {}
        Err(error) => return Err(error.into()),
    }
    let row = billing::InvoiceRow {
        number: invoice.number.clone(),
        org,
        month,
        total: invoice.total,
        due: invoice.due,
        created_at: app.clock.now(),
        body: invoice.to_json().map_err(ApiError::internal)?,
    };
    billing::insert(&mut tx, &row).await?;
    if lives {
        tell(app, &mut tx, &row).await?;
    }
    Ok(tx.commit().await?)
}

async fn tell(app: &App, tx: &mut Tx, row: &billing::InvoiceRow) -> ApiResult<()> {
    let facts = json!({"month": row.month, "total": row.total, "due": row.due});
    Event::new("create_invoice", &row.number)
        .after(&facts)?
        .by_system(tx, row.org)?;
    let new = New {
        org: row.org,
        project: None,
        kind: Kind::InvoiceCreated,
        subject: row.number.clone(),
        data: facts,
        once: Some(row.number.clone()),
        mailed: false,
    };
    events::raise(app, tx, new).await
}

/// Revenue less what was given back.
fn net(balances: &Balances) -> ApiResult<NanoUsd> {
    let taken = balances
        .of(Account::Revenue)
        .checked_add(balances.of(Account::Refund));
    let net = taken.and_then(|taken| NanoUsd::ZERO.checked_sub(taken));
    Ok(net.ok_or(LedgerError::Overflow)?)
}

/// What an organization is billed for a month, and what providers bill it by themselves.
async fn lines(conn: &mut Conn, org: OrgId, month: Month) -> ApiResult<Vec<Exact>> {
    let mut names = Names {
        org,
        known: HashMap::new(),
    };
    let mut lines = Vec::new();
    for line in billing::lines(conn, org, month).await? {
        lines.push(Exact {
            billed_by: BilledBy::Operator,
            project: names.of(conn, line.project).await?,
            project_id: Some(line.project),
            provider: line.provider,
            model: line.model,
            item: line.bucket,
            units: line.units,
            calls: line.calls,
            amount: line.amount,
        });
    }
    for transaction in ledger::corrections(conn, org, month).await? {
        let mut balances = Balances::default();
        balances.add(&transaction)?;
        let amount = net(&balances)?;
        if amount != NanoUsd::ZERO {
            lines.push(Exact {
                billed_by: BilledBy::Operator,
                project: String::new(),
                project_id: None,
                provider: String::new(),
                model: String::new(),
                item: transaction.kind().as_str().to_owned(),
                units: 1,
                calls: 0,
                amount,
            });
        }
    }
    lines.extend(own_keys(conn, &mut names, month).await?);
    Ok(lines)
}

/// What was used with the organization's own keys, by the sums that usage keeps.
async fn own_keys(conn: &mut Conn, names: &mut Names, month: Month) -> ApiResult<Vec<Exact>> {
    let by = [By::Project, By::Provider, By::Model, By::Source];
    let filter = Filter {
        since: Some(month.start()),
        until: Some(month.end()),
        ..Filter::default()
    };
    let mut lines = Vec::new();
    for row in usage::grouped(conn, names.org, &by, &filter, MOST_GROUPS).await? {
        let (Some(Source::Byok), Some(project)) = (row.source, row.project) else {
            continue;
        };
        let tokens = [
            ("input_tokens", row.input_tokens),
            ("cache_read_tokens", row.cache_read_tokens),
            ("cache_write_tokens", row.cache_write_tokens),
            ("output_tokens", row.output_tokens),
            ("reasoning_tokens", row.reasoning_tokens),
        ];
        let counted = tokens.into_iter().filter(|(_, units)| *units > 0);
        let items = std::iter::once(("calls", row.calls)).chain(counted);
        let name = names.of(conn, project).await?;
        lines.extend(items.map(|(item, units)| Exact {
            billed_by: BilledBy::Provider,
            project: name.clone(),
            project_id: Some(project),
            provider: row.provider.clone().unwrap_or_default(),
            model: row.model.clone().unwrap_or_default(),
            item: item.to_owned(),
            units,
            calls: row.calls,
            amount: NanoUsd::ZERO,
        }));
    }
    Ok(lines)
}

/// The names of projects, each looked up once. One that has ended goes by its id.
struct Names {
    org: OrgId,
    known: HashMap<ProjectId, String>,
}

impl Names {
    async fn of(&mut self, conn: &mut Conn, project: ProjectId) -> ApiResult<String> {
        if let Some(name) = self.known.get(&project) {
            return Ok(name.clone());
        }
        let found = projects::get(conn, self.org, project).await?;
        let name = found.map_or(project.to_string(), |found| found.name);
        self.known.insert(project, name.clone());
        Ok(name)
    }
}

impl From<InvoiceError> for ApiError {
    fn from(error: InvoiceError) -> Self {
        Self::internal(error)
    }
}
