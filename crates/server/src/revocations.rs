//! The kill switch. An agent or a token is revoked, for good; the organization, a project or a provider is suspended, until that is
//! lifted. What is suspended stands in the policy of the organization or the project, which is written whole, with its MAC, in one
//! transaction with the audit entry. The commit tells the data plane before it returns.

use keystore_core::ids::{OrgId, ProjectId, RevocationId, TokenId};
use keystore_core::policy::{AgentStatus, ScopePolicy, SuspendedProvider, Suspension};
use keystore_store::{Conn, Tx};
use keystore_wire::problem::Code;
use keystore_wire::revocations::{CreateRevocation, Revocation, RevocationScope};
use serde_json::json;

use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::auth::rights::{Right, holds};
use crate::{agents, providers, scopes, tokens};

/// The most providers that an organization may have suspended at a time: every agent that is loaded reads all of them.
const MAX_PROVIDERS: usize = 1_000;

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// What was stopped.
pub(crate) struct Stopped {
    /// What it is lifted by, where it can be.
    pub(crate) id: Option<RevocationId>,
    /// Its id, or a provider's slug.
    pub(crate) subject: String,
}

/// What can be suspended.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// The whole organization.
    Org(OrgId),
    /// A project.
    Project(ProjectId),
    /// A provider, by its slug.
    Provider(String),
}

/// Something that is suspended.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// What.
    pub(crate) what: What,
    /// Since when, and why.
    pub(crate) suspension: Suspension,
}

impl What {
    /// The project whose policy it stands in; `None` for the organization's.
    fn project(&self) -> Option<ProjectId> {
        match self {
            Self::Project(project) => Some(*project),
            Self::Org(_) | Self::Provider(_) => None,
        }
    }

    /// The id of its suspension. An organization and a project have one at a time, which has their own number.
    fn revocation(&self, app: &App) -> RevocationId {
        RevocationId::new(match self {
            Self::Org(org) => org.uuid(),
            Self::Project(project) => project.uuid(),
            Self::Provider(_) => app.ids.next(),
        })
    }

    fn subject(&self) -> String {
        match self {
            Self::Org(org) => org.to_string(),
            Self::Project(project) => project.to_string(),
            Self::Provider(slug) => slug.clone(),
        }
    }

    /// Its suspension in the policy, if it is suspended.
    fn standing(&self, policy: &ScopePolicy) -> Option<Suspension> {
        let Self::Provider(slug) = self else {
            return policy.suspended.clone();
        };
        let mut providers = policy.suspended_providers.iter();
        let found = providers.find(|one| one.provider == *slug)?;
        Some(found.suspension.clone())
    }

    /// Writes its suspension into the policy, or takes it out.
    fn set(&self, policy: &mut ScopePolicy, suspension: Option<Suspension>) {
        let Self::Provider(slug) = self else {
            policy.suspended = suspension;
            return;
        };
        policy.suspended_providers.retain(|one| one.provider != *slug);
        let suspended = suspension.map(|suspension| SuspendedProvider {
            provider: slug.clone(),
            suspension,
        });
        policy.suspended_providers.extend(suspended);
    }
}

/// Stops what the request names. What is stopped already stays so; only the reason may become another one.
///
/// # Errors
/// `invalid_request`, `not_found`, `unknown_provider`, `forbidden`; `conflict` when too much is stopped already.
pub(crate) async fn create(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    new: &CreateRevocation,
) -> ApiResult<Stopped> {
    check(new)?;
    let named = new.id.as_deref().unwrap_or_default();
    let what = match new.scope {
        RevocationScope::Agent => return agent(app, tx, caller, new, named).await,
        RevocationScope::Token => return token(app, tx, caller, new, named).await,
        RevocationScope::Org => What::Org(caller.whole_org()?),
        RevocationScope::Project => What::Project(caller.select_project(tx, Some(named)).await?.id),
        RevocationScope::Provider => {
            let org = caller.whole_org()?;
            What::Provider(providers::find(app, tx, org, named).await?.slug.to_string())
        }
    };
    if !holds(caller.role, Right::Administer) {
        return Err(ApiError::new(
            Code::Forbidden,
            format!(
                "the role {} stops agents and tokens; the rest of the kill switch is for owners and admins",
                caller.role.as_str()
            ),
        ));
    }
    let mut policy = scopes::get(app, tx, caller.org, what.project()).await?;
    let before = what.standing(&policy);
    let suspension = Suspension {
        id: before.as_ref().map_or_else(|| what.revocation(app), |one| one.id),
        at: before.as_ref().map_or_else(|| app.clock.now(), |one| one.at),
        reason: new.reason.clone(),
    };
    what.set(&mut policy, Some(suspension.clone()));
    if policy.suspended_providers.len() > MAX_PROVIDERS {
        return Err(ApiError::new(
            Code::Conflict,
            format!("at most {MAX_PROVIDERS} providers can be stopped at a time"),
        )
        .remedy("stop the whole organization, or lift what need not be stopped"));
    }
    scopes::put(app, tx, &policy).await?;
    let stopped = Stopped {
        id: Some(suspension.id),
        subject: what.subject(),
    };
    let mut event = Event::new("create_revocation", &suspension.id).within(what.project());
    if let Some(suspension) = before {
        let what = what.clone();
        event = event.before(&shown(Standing { what, suspension }))?;
    }
    event
        .after(&shown(Standing { what, suspension }))?
        .by(tx, caller)?;
    Ok(stopped)
}

/// Lets what was suspended go on.
///
/// # Errors
/// `forbidden` for a key that is bound to a project, where that is not what was suspended.
pub(crate) async fn lift(app: &App, tx: &mut Tx, caller: &Caller, standing: Standing) -> ApiResult<()> {
    let project = standing.what.project();
    if project.is_none() {
        caller.whole_org()?;
    }
    let mut policy = scopes::get(app, tx, caller.org, project).await?;
    standing.what.set(&mut policy, None);
    scopes::put(app, tx, &policy).await?;
    Event::new("delete_revocation", &standing.suspension.id)
        .within(project)
        .before(&shown(standing))?
        .by(tx, caller)
}

/// What is suspended, oldest first, as far as the caller sees it: of other projects nothing, of what concerns every project, all.
///
/// # Errors
/// `internal` for a policy that is not ours.
pub(crate) async fn standing(app: &App, conn: &mut Conn, caller: &Caller) -> ApiResult<Vec<Standing>> {
    let policies = scopes::of_org(app, conn, caller.org).await?;
    let mut all: Vec<_> = policies.into_iter().flat_map(standing_in).collect();
    all.retain(|one| one.what.project().is_none_or(|project| caller.reaches(project)));
    all.sort_by_key(|one| (one.suspension.at, one.suspension.id));
    Ok(all)
}

fn standing_in(policy: ScopePolicy) -> impl Iterator<Item = Standing> {
    let what = policy.project.map_or(What::Org(policy.org), What::Project);
    let whole = policy.suspended.map(|suspension| Standing { what, suspension });
    let providers = policy.suspended_providers.into_iter().map(|one| Standing {
        what: What::Provider(one.provider),
        suspension: one.suspension,
    });
    whole.into_iter().chain(providers)
}

impl Resource for Standing {
    type Key = RevocationId;
    const NOUN: &'static str = "revocation";

    async fn find(app: &App, conn: &mut Conn, caller: &Caller, key: &RevocationId) -> ApiResult<Self> {
        let mut all = standing(app, conn, caller).await?.into_iter();
        all.find(|one| one.suspension.id == *key)
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// The suspension as an answer and the audit log show it.
pub(crate) fn shown(standing: Standing) -> Revocation {
    let Standing { what, suspension } = standing;
    Revocation {
        id: suspension.id,
        scope: match what {
            What::Org(_) => RevocationScope::Org,
            What::Project(_) => RevocationScope::Project,
            What::Provider(_) => RevocationScope::Provider,
        },
        subject: what.subject(),
        reason: suspension.reason,
        created_at: suspension.at.into(),
    }
}

async fn agent(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    new: &CreateRevocation,
    named: &str,
) -> ApiResult<Stopped> {
    let agent = agents::find(app, tx, caller, named).await?;
    let agent = agents::set_status(app, tx, caller, agent, AgentStatus::Revoked).await?;
    for_good(tx, caller, new, agent.row.id.to_string(), agent.row.project)
}

async fn token(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    new: &CreateRevocation,
    named: &str,
) -> ApiResult<Stopped> {
    let id: TokenId = named.parse().map_err(|_| ApiError::not_found("token"))?;
    let token = tokens::find(app, tx, caller, id).await?;
    let token = tokens::revoke(app, tx, caller, token).await?;
    for_good(tx, caller, new, id.to_string(), token.agent.row.project)
}

/// The entry beside that of the revocation itself: that the kill switch was used, and why.
fn for_good(
    tx: &mut Tx,
    caller: &Caller,
    new: &CreateRevocation,
    subject: String,
    project: ProjectId,
) -> ApiResult<Stopped> {
    let said = json!({"scope": new.scope, "subject": subject, "reason": new.reason});
    Event::new("create_revocation", &subject)
        .within(project)
        .after(&said)?
        .by(tx, caller)?;
    Ok(Stopped { id: None, subject })
}

fn check(new: &CreateRevocation) -> ApiResult<()> {
    let mut fields = Fields::default();
    match (new.scope, &new.id) {
        (RevocationScope::Org, Some(_)) => {
            fields.wrong(
                "/id",
                "the organization is that of your session or key: leave it out",
            );
        }
        (RevocationScope::Org, None) | (_, Some(_)) => {}
        (scope, None) => fields.wrong("/id", format!("must say which {} is stopped", scope.as_str())),
    }
    let is_long = |reason: &String| reason.chars().count() > MAX_REASON;
    if new.reason.as_ref().is_some_and(is_long) {
        fields.wrong("/reason", format!("may have at most {MAX_REASON} characters"));
    }
    fields.check()
}
