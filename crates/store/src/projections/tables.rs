//! How the effects of a chunk get into the tables: multi-row statements, each text put together from a static skeleton and
//! placeholders.

use std::collections::HashSet;

use keystore_core::ids::AttemptId;
use keystore_core::record::Record;
use uuid::Uuid;

use super::charges::{Books, Charges, is_charged};
use super::fold::{Effects, Known};
use super::pages::{self, NewPage};
use crate::column::Bind;
use crate::db::Conn;
use crate::error::StoreError;
use crate::journal::batch::{self, Framed};
use crate::ledger;
use crate::requests;
use crate::rows::{insert_rows, sums, with_ids};

/// What the tables know of the subjects of `records`.
pub(super) async fn known(conn: &mut Conn, records: &[(i64, Framed<'_>)]) -> Result<Known, StoreError> {
    let mut begun = HashSet::with_capacity(records.len());
    let (mut before, mut refused) = (Vec::with_capacity(records.len()), Vec::new());
    let mut charged = false;
    for (_, framed) in records {
        match &framed.record {
            Record::Intent(intent) => {
                begun.insert(intent.attempt);
            }
            Record::Outcome(outcome) => {
                before.push(outcome.attempt);
                charged |= is_charged(outcome);
            }
            Record::Topup(topup) => before.push(topup.attempt),
            Record::Refusal(refusal) => refused.push((refusal.org, refusal.request)),
        }
    }
    before.retain(|attempt| !begun.contains(attempt));
    let open = with_ids!(
        conn,
        (Vec<u8>,),
        "SELECT body FROM open_intents WHERE attempt IN ",
        before
    );
    let mut known = Known {
        open: open.into_iter().map(|(body,)| body).collect(),
        refused: requests::refused_of(conn, &refused).await?,
        books: Books::default(),
    };
    if charged {
        known.books = Books::read(conn).await?;
    }
    Ok(known)
}

/// Writes the effects of a chunk, whose last row is `mark`.
pub(super) async fn write(conn: &mut Conn, effects: &Effects<'_>, mark: i64) -> Result<(), StoreError> {
    insert_rows!(
        conn,
        &effects.opened,
        "INSERT INTO open_intents (attempt, seq, body) ",
        |values, (attempt, (seq, frames))| {
            values
                .push_bind(attempt.raw())
                .push_bind(*seq)
                .push_bind(batch::of(frames));
        },
        " ON CONFLICT (attempt) DO UPDATE SET body = excluded.body"
    );
    delete_ended(conn, &effects.ended).await?;
    insert_pages(conn, &pages::pages(&effects.ended_calls)).await?;
    insert_rows!(
        conn,
        &effects.spend,
        "INSERT INTO budget_spend (budget, window_start, settled) ",
        |values, ((budget, window_start), settled)| {
            values
                .push_bind(budget.raw())
                .push_bind(window_start.0)
                .push_bind(*settled);
        },
        sums!("ON CONFLICT (budget, window_start)", "budget_spend": "settled")
    );
    insert_rows!(
        conn,
        effects.admitted.iter().filter(|(_, admitted)| **admitted != 0),
        "INSERT INTO daily_requests (agent, provider, day, admitted) ",
        |values, ((agent, provider, day), admitted)| {
            values
                .push_bind(agent.raw())
                .push_bind(*provider)
                .push_bind(*day)
                .push_bind(**admitted);
        },
        " ON CONFLICT (day, agent, provider) DO UPDATE SET admitted = daily_requests.admitted + excluded.admitted"
    );
    add_usage(conn, effects).await?;
    write_sales(conn, effects).await?;
    insert_rows!(
        conn,
        &effects.served,
        "INSERT INTO served_versions (credential, version) ",
        |values, (credential, version)| {
            values.push_bind(credential.raw()).push_bind(i64::from(**version));
        },
        " ON CONFLICT (credential) DO UPDATE SET version = excluded.version WHERE excluded.version > served_versions.version"
    );
    write_charges(conn, &effects.charges, mark).await
}

async fn write_sales(conn: &mut Conn, effects: &Effects<'_>) -> Result<(), StoreError> {
    insert_rows!(
        conn,
        &effects.sales,
        "INSERT INTO pool_sales (day, provider, org, credential, calls, failed_over, cost, vendor_cost) ",
        |values, ((day, provider, org, credential), sale)| {
            values
                .push_bind(*day)
                .push_bind(*provider)
                .push_bind(org.raw())
                .push_bind(credential.raw())
                .push_bind(sale.calls)
                .push_bind(sale.failed_over)
                .push_bind(sale.cost)
                .push_bind(sale.vendor_cost);
        },
        sums!("ON CONFLICT (day, provider, org, credential)", "pool_sales": "calls", "failed_over", "cost", "vendor_cost")
    );
    Ok(())
}

async fn write_charges(conn: &mut Conn, charges: &Charges<'_>, mark: i64) -> Result<(), StoreError> {
    insert_rows!(
        conn,
        &charges.lines,
        "INSERT INTO billing_lines (org, month, project, provider, model, bucket, units, amount, calls) ",
        |values, (key, sums)| {
            values
                .push_bind(key.org.raw())
                .push_bind(key.month.raw())
                .push_bind(key.project.raw())
                .push_bind(key.provider)
                .push_bind(key.model)
                .push_bind(key.bucket)
                .push_bind(sums.units)
                .push_bind(sums.amount)
                .push_bind(sums.calls);
        },
        sums!(
            "ON CONFLICT (org, month, project, provider, model, bucket)",
            "billing_lines": "units", "amount", "calls"
        )
    );
    if charges.posted.is_empty() {
        return Ok(());
    }
    ledger::post_charges(conn, &charges.posted, mark).await
}

async fn delete_ended(conn: &mut Conn, ended: &[AttemptId]) -> Result<(), StoreError> {
    let _: Vec<(Uuid,)> = with_ids!(conn, (Uuid,), "DELETE FROM open_intents WHERE attempt IN ", ended);
    Ok(())
}

async fn insert_pages(conn: &mut Conn, pages: &[NewPage]) -> Result<(), StoreError> {
    insert_rows!(
        conn,
        pages,
        "INSERT INTO request_pages (first, last, org, since, until, body) ",
        |values, page| {
            values
                .push_bind(page.first)
                .push_bind(page.last)
                .push_bind(page.org.raw())
                .push_bind(page.since)
                .push_bind(page.until)
                .push_bind(page.body.as_slice());
        },
        ""
    );
    insert_rows!(
        conn,
        pages
            .iter()
            .flat_map(|page| page.agents.iter().map(move |agent| (page, agent))),
        "INSERT INTO request_agents (org, agent, page) ",
        |values, (page, agent)| {
            values
                .push_bind(page.org.raw())
                .push_bind(agent.raw())
                .push_bind(page.first);
        },
        ""
    );
    insert_rows!(
        conn,
        pages
            .iter()
            .flat_map(|page| page.ids.iter().map(move |ids| (page, ids))),
        "INSERT INTO request_ids (org, head, page, least, greatest) ",
        |values, (page, (head, (least, greatest)))| {
            values
                .push_bind(page.org.raw())
                .push_bind(*head)
                .push_bind(page.first)
                .push_bind(least.raw())
                .push_bind(greatest.raw());
        },
        ""
    );
    insert_rows!(
        conn,
        pages::hours(pages),
        "INSERT INTO request_hours (org, hour, least, greatest) ",
        |values, ((org, hour), (least, greatest))| {
            values
                .push_bind(org.raw())
                .push_bind(hour)
                .push_bind(least)
                .push_bind(greatest);
        },
        // Pages are written in their order.
        "ON CONFLICT (org, hour) DO UPDATE SET greatest = excluded.greatest"
    );
    Ok(())
}

async fn add_usage(conn: &mut Conn, effects: &Effects<'_>) -> Result<(), StoreError> {
    insert_rows!(
        conn,
        &effects.usage,
        "INSERT INTO usage_daily (org, project, agent, provider, model, source, day, calls, errors, refused, \
         input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost) ",
        |values, (key, sums)| {
            values
                .push_bind(key.org.raw())
                .push_bind(key.project.raw())
                .push_bind(key.agent.raw())
                .push_bind(key.provider)
                .push_bind(key.model)
                .push_bind(key.source)
                .push_bind(key.day)
                .push_bind(sums.calls)
                .push_bind(sums.errors)
                .push_bind(sums.refused)
                .push_bind(sums.input)
                .push_bind(sums.cache_read)
                .push_bind(sums.cache_write)
                .push_bind(sums.output)
                .push_bind(sums.reasoning)
                .push_bind(sums.cost);
        },
        sums!(
            "ON CONFLICT (org, day, project, agent, provider, model, source)",
            "usage_daily": "calls", "errors", "refused", "input_tokens", "cache_read_tokens", "cache_write_tokens",
            "output_tokens", "reasoning_tokens", "cost"
        )
    );
    Ok(())
}
