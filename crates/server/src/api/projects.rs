//! `/v1/projects`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::ids::ProjectId;
use keystore_store::Conn;
use keystore_store::projects::{self as rows, Project as Row};
use keystore_wire::Page;
use keystore_wire::page::PageQuery;
use keystore_wire::projects::{CreateProject, DeleteProject, DeletedProject, Project, UpdateProject};

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::caller::Caller;
use crate::auth::require::{Administer, Require, Resource, SeeOrg, Target};
use crate::projects;

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
    target: Target<SeeOrg, Row>,
) -> ApiResult<Json<Project>> {
    let (_, row) = target.read(&app).await?;
    Ok(Json(wire(row)))
}

/// Makes a project.
#[utoipa::path(post, path = "/v1/projects", tag = "projects", request_body = CreateProject,
    responses((status = 201, body = Project)))]
pub(super) async fn create_project(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Body(body): Body<CreateProject>,
) -> ApiResult<(StatusCode, Json<Project>)> {
    let mut tx = app.store.begin().await?;
    let made = projects::create(&app, &mut tx, &caller, body).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(wire(made))))
}

/// Changes what is named.
#[utoipa::path(patch, path = "/v1/projects/{project}", tag = "projects", request_body = UpdateProject,
    params(("project" = String, Path, description = "Id or slug")), responses((status = 200, body = Project)))]
pub(super) async fn update_project(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
    Body(body): Body<UpdateProject>,
) -> ApiResult<Json<Project>> {
    let (mut tx, project) = target.change(&app).await?;
    let changed = projects::update(&app, &mut tx, &target, project, body).await?;
    tx.commit().await?;
    Ok(Json(wire(changed)))
}

/// Deletes the project; one that is not empty only with `force`. Says what went with it.
#[utoipa::path(delete, path = "/v1/projects/{project}", tag = "projects",
    params(("project" = String, Path, description = "Id or slug"), DeleteProject),
    responses((status = 200, body = DeletedProject)))]
pub(super) async fn delete_project(
    State(app): State<Arc<App>>,
    target: Target<Administer, Row>,
    Query(query): Query<DeleteProject>,
) -> ApiResult<Json<DeletedProject>> {
    let (mut tx, project) = target.change(&app).await?;
    let gone = projects::delete(&mut tx, &target, project, query.force).await?;
    tx.commit().await?;
    Ok(Json(DeletedProject {
        agents: gone.agents,
        tokens: gone.tokens,
        credentials: gone.credentials,
        budgets: gone.budgets,
        api_keys: gone.api_keys,
    }))
}

impl Resource for Row {
    /// An id, or a slug.
    type Key = String;
    const NOUN: &'static str = "project";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &String) -> ApiResult<Self> {
        caller.select_project(conn, Some(key)).await
    }
}

/// The project as an answer and the audit log show it.
pub(crate) fn wire(row: Row) -> Project {
    Project {
        id: row.id,
        slug: row.slug,
        name: row.name,
        labels: row.labels,
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
    }
}
