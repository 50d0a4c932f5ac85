//! `/v1/budgets`: reading. An agent's month budget is set with the agent (`budgetCentsMonthly`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_core::ids::BudgetId;
use keystore_core::window::Zone;
use keystore_store::Conn;
use keystore_store::budgets::{self as rows, Budget as Row};
use keystore_wire::Page;
use keystore_wire::budgets::Budget;
use keystore_wire::page::PageQuery;

use super::agents::{state, time_zone};
use super::extract::Query;
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use crate::agents::{BUDGET_MAC, Forged};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::auth::require::{Require, Resource, SeeMoney, Target};

/// The budgets, oldest first, and where each stands.
#[utoipa::path(get, path = "/v1/budgets", tag = "budgets", params(PageQuery),
    responses((status = 200, body = Page<Budget>)))]
pub(super) async fn list_budgets(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Budget>>> {
    let slice = Slice::<BudgetId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let zone = time_zone(&mut conn, caller.org).await?;
    let found = rows::list(&mut conn, caller.org, caller.project, slice.after, slice.read()).await?;
    for row in &found {
        check(&app, row)?;
    }
    Ok(Json(slice.page(
        found,
        |row| row.id.to_string(),
        |row| wire(&app, row, zone.clone()),
    )))
}

/// The budget, and where it stands.
#[utoipa::path(get, path = "/v1/budgets/{budget}", tag = "budgets", params(("budget" = String, Path, description = "Id")),
    responses((status = 200, body = Budget)))]
pub(super) async fn get_budget(
    State(app): State<Arc<App>>,
    target: Target<SeeMoney, Row>,
) -> ApiResult<Json<Budget>> {
    let (mut conn, row) = target.read(&app).await?;
    let zone = time_zone(&mut conn, target.org).await?;
    Ok(Json(wire(&app, row, zone)))
}

impl Resource for Row {
    type Key = BudgetId;
    const NOUN: &'static str = "budget";

    async fn find(app: &App, conn: &mut Conn, caller: &Caller, key: &BudgetId) -> ApiResult<Self> {
        let row = rows::get(conn, caller.org, *key)
            .await?
            .filter(|row| caller.reaches(row.project))
            .ok_or_else(|| ApiError::not_found(Self::NOUN))?;
        check(app, &row)?;
        Ok(row)
    }
}

fn check(app: &App, row: &Row) -> ApiResult<()> {
    match app.policy_mac.verify(BUDGET_MAC, &row.policy, &row.mac) {
        true => Ok(()),
        false => Err(ApiError::internal(Forged("budget"))),
    }
}

fn wire(app: &App, row: Row, zone: Zone) -> Budget {
    let state = state(app, &row, zone);
    Budget {
        id: row.id,
        project_id: row.project,
        agent_id: row.agent,
        provider: row.provider,
        model: row.model,
        limit: row.limit_nanos,
        window: row.window_kind,
        mode: row.mode,
        spent: state.spent,
        held: state.held,
        resets_at: state.resets_at,
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
    }
}
