//! `/v1/org/abuse-rules`, `/v1/projects/{project}/abuse-rules`, `/v1/agents/{agent}/abuse-rules`: rules that watch agents.
//!
//! They are set by owners and admins alone, in the policies of the organization, its projects and its agents. What watches an agent is
//! not for whoever manages it to lift.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_core::abuse::{Kind, Rule, Rules, WINDOW_SECONDS};
use keystore_core::ids::{OrgId, ProjectId};
use keystore_store::Conn;
use keystore_store::projects::Project;
use keystore_wire::Patch;
use keystore_wire::abuse::{AbuseRule, AbuseRules, SetAbuseRule, SetBy, UpdateAbuseRules};

use super::extract::Body;
use super::problem::{ApiResult, Fields};
use crate::agents::{self, Loaded};
use crate::app::App;
use crate::audit::Event;
use crate::auth::require::{Administer, Require, SeeAgents, SeeOrg, Target};
use crate::scopes;

/// The rules that watch every agent of the organization for which no other is set.
#[utoipa::path(get, path = "/v1/org/abuse-rules", tag = "orgs", responses((status = 200, body = AbuseRules)))]
pub(super) async fn get_org_abuse_rules(
    State(app): State<Arc<App>>,
    caller: Require<SeeOrg>,
) -> ApiResult<Json<AbuseRules>> {
    let above = above(&app, &mut app.store.read().await?, (caller.org, None)).await?;
    Ok(Json(shown(&above)))
}

/// Changes what is named: what is absent stays, `null` takes a rule away. In force on the next request.
#[utoipa::path(patch, path = "/v1/org/abuse-rules", tag = "orgs", request_body = UpdateAbuseRules,
    responses((status = 200, body = AbuseRules)))]
pub(super) async fn update_org_abuse_rules(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Body(body): Body<UpdateAbuseRules>,
) -> ApiResult<Json<AbuseRules>> {
    let org = caller.whole_org()?;
    let mut tx = app.store.begin().await?;
    let mut scope = scopes::get(&app, &mut tx, org, None).await?;
    let before = shown(&[(SetBy::Org, scope.abuse)]);
    scope.abuse = changed(scope.abuse, &body)?;
    scopes::put(&app, &mut tx, &scope).await?;
    let after = shown(&[(SetBy::Org, scope.abuse)]);
    Event::new("update_org_abuse_rules", &org)
        .before(&before)?
        .after(&after)?
        .by(&mut tx, &caller)?;
    tx.commit().await?;
    Ok(Json(after))
}

/// The rules that watch every agent of the project for which no other is set.
#[utoipa::path(get, path = "/v1/projects/{project}/abuse-rules", tag = "projects",
    params(("project" = String, Path, description = "Id or slug")), responses((status = 200, body = AbuseRules)))]
pub(super) async fn get_project_abuse_rules(
    State(app): State<Arc<App>>,
    target: Target<SeeOrg, Project>,
) -> ApiResult<Json<AbuseRules>> {
    let (mut conn, project) = target.read(&app).await?;
    let set = above(&app, &mut conn, (project.org, Some(project.id))).await?;
    Ok(Json(shown(&set)))
}

/// Changes what is named: what is absent stays, `null` goes back to the organization's rule. In force on the next request.
#[utoipa::path(patch, path = "/v1/projects/{project}/abuse-rules", tag = "projects", request_body = UpdateAbuseRules,
    params(("project" = String, Path, description = "Id or slug")), responses((status = 200, body = AbuseRules)))]
pub(super) async fn update_project_abuse_rules(
    State(app): State<Arc<App>>,
    target: Target<Administer, Project>,
    Body(body): Body<UpdateAbuseRules>,
) -> ApiResult<Json<AbuseRules>> {
    let (mut tx, project) = target.change(&app).await?;
    target.whole_org()?;
    let place = (project.org, Some(project.id));
    let before = shown(&above(&app, &mut tx, place).await?);
    let mut scope = scopes::get(&app, &mut tx, place.0, place.1).await?;
    scope.abuse = changed(scope.abuse, &body)?;
    scopes::put(&app, &mut tx, &scope).await?;
    let after = shown(&above(&app, &mut tx, place).await?);
    Event::new("update_project_abuse_rules", &project.id)
        .within(project.id)
        .before(&before)?
        .after(&after)?
        .by(&mut tx, &target)?;
    tx.commit().await?;
    Ok(Json(after))
}

/// The rules that watch the agent.
#[utoipa::path(get, path = "/v1/agents/{agent}/abuse-rules", tag = "agents",
    params(("agent" = String, Path, description = "Id or name")), responses((status = 200, body = AbuseRules)))]
pub(super) async fn get_agent_abuse_rules(
    State(app): State<Arc<App>>,
    target: Target<SeeAgents, Loaded>,
) -> ApiResult<Json<AbuseRules>> {
    let (mut conn, agent) = target.read(&app).await?;
    Ok(Json(watching(&app, &mut conn, &agent).await?))
}

/// Changes what is named: what is absent stays, `null` goes back to the rule of the project or the organization. In force on the next
/// request.
#[utoipa::path(patch, path = "/v1/agents/{agent}/abuse-rules", tag = "agents", request_body = UpdateAbuseRules,
    params(("agent" = String, Path, description = "Id or name")), responses((status = 200, body = AbuseRules)))]
pub(super) async fn update_agent_abuse_rules(
    State(app): State<Arc<App>>,
    target: Target<Administer, Loaded>,
    Body(body): Body<UpdateAbuseRules>,
) -> ApiResult<Json<AbuseRules>> {
    let (mut tx, agent) = target.change(&app).await?;
    target.whole_org()?;
    let before = watching(&app, &mut tx, &agent).await?;
    let Loaded { row, mut policy } = agent;
    policy.abuse = changed(policy.abuse, &body)?;
    let written = agents::write(&app, &mut tx, &row.name, &policy, app.clock.now()).await?;
    let after = watching(&app, &mut tx, &written).await?;
    Event::new("update_agent_abuse_rules", &row.id)
        .within(row.project)
        .before(&before)?
        .after(&after)?
        .by(&mut tx, &target)?;
    tx.commit().await?;
    Ok(Json(after))
}

/// What is set in one place, nearest first.
type Set = Vec<(SetBy, Rules)>;

/// What is set for a project and for its organization.
async fn above(app: &App, conn: &mut Conn, (org, project): (OrgId, Option<ProjectId>)) -> ApiResult<Set> {
    let mut set = Set::new();
    if project.is_some() {
        let scope = scopes::get(app, conn, org, project).await?;
        set.push((SetBy::Project, scope.abuse));
    }
    let scope = scopes::get(app, conn, org, None).await?;
    set.push((SetBy::Org, scope.abuse));
    Ok(set)
}

/// What watches an agent.
async fn watching(app: &App, conn: &mut Conn, agent: &Loaded) -> ApiResult<AbuseRules> {
    let policy = &agent.policy;
    let mut set = above(app, conn, (policy.org, Some(policy.project))).await?;
    set.insert(0, (SetBy::Agent, policy.abuse));
    Ok(shown(&set))
}

/// The rules after a change.
fn changed(mut rules: Rules, change: &UpdateAbuseRules) -> ApiResult<Rules> {
    let mut fields = Fields::default();
    for (kind, pointer, change) in [
        (Kind::Refusals, "/refusals", &change.refusals),
        (Kind::SpendRate, "/spendRate", &change.spend_rate),
        (
            Kind::IdenticalRequests,
            "/identicalRequests",
            &change.identical_requests,
        ),
    ] {
        match change {
            Patch::Keep => {}
            Patch::Reset => *rules.slot(kind) = None,
            Patch::Set(set) => *rules.slot(kind) = Some(rule(&mut fields, kind, pointer, set)),
        }
    }
    fields.check()?;
    Ok(rules)
}

fn rule(fields: &mut Fields, kind: Kind, pointer: &str, set: &SetAbuseRule) -> Rule {
    let mut rule = kind.with(set.action);
    if let Some(text) = &set.threshold {
        match kind.read(text) {
            Some(threshold) => rule.threshold = threshold,
            None => fields.wrong(
                format!("{pointer}/threshold"),
                match kind.is_money() {
                    true => "expected dollars above 0, with at most nine decimals, such as \"12.50\"",
                    false => "expected a whole number of requests from 1 to 1000000, such as \"60\"",
                },
            ),
        }
    }
    if let Some(seconds) = set.window_seconds {
        rule.window_seconds = seconds;
        if !WINDOW_SECONDS.contains(&seconds) {
            let (least, most) = (WINDOW_SECONDS.start(), WINDOW_SECONDS.end());
            fields.wrong(
                format!("{pointer}/windowSeconds"),
                format!("must be from {least} to {most}"),
            );
        }
    }
    rule
}

/// Of each kind the nearest rule.
fn shown(set: &[(SetBy, Rules)]) -> AbuseRules {
    let of = |kind: Kind| {
        let mut nearest = set.iter();
        nearest.find_map(|(set_by, rules)| {
            let rule = rules.get(kind)?;
            Some(AbuseRule {
                action: rule.action,
                threshold: kind.show(rule.threshold),
                window_seconds: rule.window_seconds,
                set_by: *set_by,
            })
        })
    };
    AbuseRules {
        refusals: of(Kind::Refusals),
        spend_rate: of(Kind::SpendRate),
        identical_requests: of(Kind::IdenticalRequests),
    }
}
