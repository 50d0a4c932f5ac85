//! `/v1/usage`: what was used and what it cost.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::tz::TimeZone;
use keystore_core::time::date;
use keystore_core::window::Window;
use keystore_core::{Micros, NanoUsd};
use keystore_store::usage::{self as rows, Filter, Key, UsageRow as Row};
use keystore_store::{Conn, agents as agent_rows};
use keystore_wire::usage::{By, Totals, UsageQuery, UsageReport, UsageRow};

use super::extract::Query;
use super::problem::{ApiError, ApiResult};
use crate::agents;
use crate::app::App;
use crate::auth::caller::Caller;
use crate::auth::require::{Require, SeeMoney};

/// The most groups of an answer.
const MOST_GROUPS: u32 = 10_000;

/// Usage and cost, grouped.
#[utoipa::path(get, path = "/v1/usage", tag = "usage", params(UsageQuery),
    responses((status = 200, body = UsageReport)))]
pub(super) async fn get_usage(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Query(query): Query<UsageQuery>,
) -> ApiResult<Json<UsageReport>> {
    let by = groups(query.by.as_deref())?;
    let now = app.clock.now();
    let since = query.since.map_or_else(|| month_start(now), Micros::from);
    let until = query.until.map_or(now, Micros::from);
    if since > until {
        return Err(ApiError::field("?since", "must be before `until`"));
    }
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let filter = Filter {
        project: caller.narrow(&mut conn, query.project.as_deref()).await?,
        agent: match &query.agent {
            Some(agent) => Some(agents::find(&app, &mut conn, &caller, agent).await?.row.id),
            None => None,
        },
        provider: query.provider,
        model: query.model,
        since: Some(since),
        until: Some(until),
    };
    let stored: Vec<_> = by.iter().map(|by| stored(*by)).collect();
    let mut found = rows::grouped(&mut conn, caller.org, &stored, &filter, MOST_GROUPS).await?;
    let held = rows::held(&mut conn, caller.org, &stored, &filter).await?;
    // What has not ended a call yet stands among them, too.
    let known: HashSet<_> = found.iter().map(Row::key).collect();
    let unknown = held.keys().filter(|key| !known.contains(key));
    found.extend(unknown.cloned().map(Row::empty));
    if by.contains(&By::Day) {
        found.sort_by(|a, b| a.day.cmp(&b.day).then(b.cost.cmp(&a.cost)));
    } else {
        found.sort_by_key(|row| std::cmp::Reverse(row.cost));
    }
    let total = found
        .iter()
        .fold(Totals::default(), |sum, row| add(&sum, &totals(row, &held)));
    let names = agent_names(&mut conn, &caller, &found).await?;
    Ok(Json(UsageReport {
        since: since.into(),
        until: until.into(),
        data: found.into_iter().map(|row| wire(row, &names, &held)).collect(),
        total,
    }))
}

fn groups(by: Option<&str>) -> ApiResult<Vec<By>> {
    let mut groups = Vec::new();
    for name in by.unwrap_or("provider").split(',').map(str::trim) {
        let group = By::of(name).ok_or_else(|| {
            let known = By::ALL.map(By::as_str).join(", ");
            ApiError::field("?by", format!("must be one of, or several with commas: {known}"))
        })?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    Ok(groups)
}

const fn stored(by: By) -> rows::By {
    match by {
        By::Project => rows::By::Project,
        By::Agent => rows::By::Agent,
        By::Provider => rows::By::Provider,
        By::Model => rows::By::Model,
        By::Source => rows::By::Source,
        By::Day => rows::By::Day,
    }
}

fn month_start(now: Micros) -> Micros {
    Window::Month.bounds(now, &TimeZone::UTC).start
}

async fn agent_names(
    conn: &mut Conn,
    caller: &Caller,
    rows: &[Row],
) -> ApiResult<BTreeMap<keystore_core::ids::AgentId, String>> {
    let mut names = BTreeMap::new();
    for id in rows.iter().filter_map(|row| row.agent) {
        if !names.contains_key(&id)
            && let Some(agent) = agent_rows::get(conn, caller.org, id).await?
        {
            names.insert(id, agent.name);
        }
    }
    Ok(names)
}

fn wire(
    row: Row,
    names: &BTreeMap<keystore_core::ids::AgentId, String>,
    held: &HashMap<Key, NanoUsd>,
) -> UsageRow {
    UsageRow {
        totals: totals(&row, held),
        project_id: row.project,
        agent_id: row.agent,
        agent_name: row.agent.and_then(|id| names.get(&id).cloned()),
        provider: row.provider,
        model: row.model.filter(|model| !model.is_empty()),
        source: row.source,
        day: row.day.and_then(date),
    }
}

fn totals(row: &Row, held: &HashMap<Key, NanoUsd>) -> Totals {
    Totals {
        calls: row.calls,
        errors: row.errors,
        refused: row.refused,
        input_tokens: row.input_tokens,
        cache_read_tokens: row.cache_read_tokens,
        cache_write_tokens: row.cache_write_tokens,
        output_tokens: row.output_tokens,
        reasoning_tokens: row.reasoning_tokens,
        cost: row.cost,
        held: held.get(&row.key()).copied().unwrap_or_default(),
    }
}

fn add(sum: &Totals, row: &Totals) -> Totals {
    Totals {
        calls: sum.calls.saturating_add(row.calls),
        errors: sum.errors.saturating_add(row.errors),
        refused: sum.refused.saturating_add(row.refused),
        input_tokens: sum.input_tokens.saturating_add(row.input_tokens),
        cache_read_tokens: sum.cache_read_tokens.saturating_add(row.cache_read_tokens),
        cache_write_tokens: sum.cache_write_tokens.saturating_add(row.cache_write_tokens),
        output_tokens: sum.output_tokens.saturating_add(row.output_tokens),
        reasoning_tokens: sum.reasoning_tokens.saturating_add(row.reasoning_tokens),
        cost: sum.cost.checked_add(row.cost).unwrap_or(NanoUsd::MAX),
        held: sum.held.checked_add(row.held).unwrap_or(NanoUsd::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_begins_on_its_first_day_in_utc() {
        let now: Micros = "2026-11-23T22:00:00Z".parse().unwrap();
        assert_eq!(month_start(now).to_string(), "2026-11-01T00:00:00.000Z");
        assert_eq!(date(0).as_deref(), Some("1970-01-01"));
        assert_eq!(date(20_780).as_deref(), Some("2026-11-23"));
    }

    #[test]
    fn groups_are_named_once_and_must_be_known() {
        assert_eq!(groups(None).unwrap(), [By::Provider]);
        assert_eq!(groups(Some("agent, day,agent")).unwrap(), [By::Agent, By::Day]);
        assert!(groups(Some("")).is_err() && groups(Some("agent,colour")).is_err());
    }
}
