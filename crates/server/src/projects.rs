//! What makes, changes and ends a project of an organization.

use keystore_core::ids::ProjectId;
use keystore_core::policy::ScopePolicy;
use keystore_store::Tx;
use keystore_store::projects::{self, Contents, Project};
use keystore_wire::problem::Code;
use keystore_wire::projects::{CreateProject, UpdateProject};

use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::api::projects::wire;
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::{Caller, DEFAULT_PROJECT};
use crate::names::{check_labels, check_slug, check_title, slug_of};
use crate::scopes;

/// Makes a project.
///
/// # Errors
/// `invalid_request`, `forbidden` for a key that is bound to another project, `already_exists`.
pub(crate) async fn create(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    new: CreateProject,
) -> ApiResult<Project> {
    let org = caller.whole_org()?;
    let now = app.clock.now();
    let project = Project {
        id: ProjectId::new(app.ids.next()),
        org,
        slug: new.slug.unwrap_or_else(|| slug_of(&new.name, "project")),
        name: new.name.trim().to_owned(),
        labels: new.labels,
        created_at: now,
        updated_at: now,
    };
    check(&project)?;
    projects::insert(tx, &project).await?;
    let scope = ScopePolicy {
        labels: project.labels.clone(),
        ..ScopePolicy::open(org, Some(project.id))
    };
    scopes::put(app, tx, &scope).await?;
    Event::new("create_project", &project.id)
        .within(project.id)
        .after(&wire(project.clone()))?
        .by(tx, caller)?;
    Ok(project)
}

/// Changes what the request names.
///
/// # Errors
/// `invalid_request`, `already_exists`; `conflict` for another slug of `default`.
pub(crate) async fn update(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    project: Project,
    change: UpdateProject,
) -> ApiResult<Project> {
    caller.whole_org()?;
    let changed = Project {
        name: change
            .name
            .map_or(project.name.clone(), |name| name.trim().to_owned()),
        slug: change.slug.unwrap_or_else(|| project.slug.clone()),
        labels: change.labels.unwrap_or_else(|| project.labels.clone()),
        updated_at: app.clock.now(),
        ..project.clone()
    };
    check(&changed)?;
    if project.slug == DEFAULT_PROJECT && changed.slug != DEFAULT_PROJECT {
        return Err(is_default("another slug"));
    }
    projects::update(tx, &changed).await?;
    if changed.labels != project.labels {
        let mut scope = scopes::get(app, tx, project.org, Some(project.id)).await?;
        scope.labels.clone_from(&changed.labels);
        scopes::put(app, tx, &scope).await?;
    }
    Event::new("update_project", &project.id)
        .within(project.id)
        .before(&wire(project))?
        .after(&wire(changed.clone()))?
        .by(tx, caller)?;
    Ok(changed)
}

/// Deletes a project; with what it holds only when `force` says so. Its agents' tokens are refused when this is committed.
///
/// # Errors
/// `conflict`, with what it holds; also for `default`.
pub(crate) async fn delete(
    tx: &mut Tx,
    caller: &Caller,
    project: Project,
    force: bool,
) -> ApiResult<Contents> {
    caller.whole_org()?;
    if project.slug == DEFAULT_PROJECT {
        return Err(is_default("no end"));
    }
    let contents = projects::contents(tx, project.org, project.id).await?;
    let holds = words(&contents);
    if !holds.is_empty() && !force {
        return Err(ApiError::new(
            Code::Conflict,
            format!("the project {} is not empty: it holds {holds}", project.slug),
        )
        .remedy(format!(
            "move what is still needed, then `ks project delete {} --force`, which deletes all of that",
            project.slug
        )));
    }
    projects::delete(tx, project.org, project.id).await?;
    Event::new("delete_project", &project.id)
        .within(project.id)
        .before(&wire(project))?
        .by(tx, caller)?;
    Ok(contents)
}

fn check(project: &Project) -> ApiResult<()> {
    let mut fields = Fields::default();
    check_title(&mut fields, "/name", &project.name);
    check_slug(&mut fields, &project.slug);
    check_labels(&mut fields, &project.labels);
    fields.check()
}

fn is_default(what: &str) -> ApiError {
    ApiError::new(
        Code::Conflict,
        format!("`{DEFAULT_PROJECT}` is where everything goes that names no project; it has {what}"),
    )
}

fn words(contents: &Contents) -> String {
    let counted = [
        (contents.agents, "agents"),
        (contents.tokens, "tokens"),
        (contents.credentials, "credentials"),
        (contents.budgets, "budgets"),
        (contents.api_keys, "management keys"),
    ];
    let held: Vec<_> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| format!("{count} {noun}"))
        .collect();
    held.join(", ")
}
