//! `/v1/projects`: reading.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_core::ids::ProjectId;
use keystore_store::projects::{self as rows, Project as Row};
use keystore_wire::Page;
use keystore_wire::page::PageQuery;
use keystore_wire::projects::Project;

use super::extract::{Id, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::caller::{Require, SeeOrg};

/// The projects that the caller reaches, oldest first.
#[utoipa::path(get, path = "/v1/projects", tag = "projects", params(PageQuery),
    responses((status = 200, body = Page<Project>)))]
pub(super) async fn list_projects(
    State(app): State<Arc<App>>,
    caller: Require<SeeOrg>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Project>>> {
    let slice = Slice::<ProjectId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let found = match caller.project {
        Some(_) if slice.after.is_some() => Vec::new(),
        Some(_) => vec![caller.select_project(&mut conn, None).await?],
        None => rows::list(&mut conn, caller.org, slice.after, slice.read()).await?,
    };
    Ok(Json(slice.page(found, |row| row.id.to_string(), wire)))
}

/// The project.
#[utoipa::path(get, path = "/v1/projects/{project}", tag = "projects",
    params(("project" = String, Path, description = "Id or slug")), responses((status = 200, body = Project)))]
pub(super) async fn get_project(
    State(app): State<Arc<App>>,
    caller: Require<SeeOrg>,
    Id(project): Id<String>,
) -> ApiResult<Json<Project>> {
    let row = caller
        .select_project(&mut app.store.read().await?, Some(&project))
        .await?;
    Ok(Json(wire(row)))
}

fn wire(row: Row) -> Project {
    Project {
        id: row.id,
        slug: row.slug,
        name: row.name,
        labels: row.labels,
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
    }
}
