//! What holds for everything in an organization or in a project.

use super::{LabelRule, OwnPrice};
use crate::abuse;
use crate::deny::Deny;
use crate::ids::{BudgetId, OrgId, ProjectId, RevocationId};
use crate::rate::RateLimits;
use crate::time::Micros;

/// Something is stopped until that is lifted: the kill switch. A state, not an event.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Suspension {
    /// What it is lifted by.
    #[n(0)]
    pub id: RevocationId,
    /// Since when.
    #[n(1)]
    pub at: Micros,
    /// Why, in the words of whoever did it.
    #[n(2)]
    pub reason: Option<String>,
}

/// A provider that is stopped.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct SuspendedProvider {
    /// Its slug.
    #[n(0)]
    pub provider: String,
    /// Since when, and why.
    #[n(1)]
    pub suspension: Suspension,
}

/// What decides over every call of an organization, or of one of its projects. Stored and authenticated as `AgentPolicy` is. There
/// is one for each, always: a missing one is as bad as a changed one.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ScopePolicy {
    /// The organization.
    #[n(0)]
    pub org: OrgId,
    /// The project; `None` for the organization itself.
    #[n(1)]
    pub project: Option<ProjectId>,
    /// The budgets that its calls count against, besides those of their agents.
    #[n(2)]
    pub budgets: Vec<BudgetId>,
    /// All of it is stopped.
    #[n(3)]
    pub suspended: Option<Suspension>,
    /// What all of its calls together may not pass, at whatever provider.
    #[n(5)]
    #[cbor(default)]
    pub ceiling: RateLimits,
    /// Providers that are stopped, each once; the organization's policy alone has any.
    #[n(6)]
    #[cbor(default)]
    pub suspended_providers: Vec<SuspendedProvider>,
    /// The rules against abuse that watch its agents, where nothing nearer to them is set.
    #[n(7)]
    #[cbor(default)]
    pub abuse: abuse::Rules,
    /// What it pays with its own keys where that is not by the list, each model once; the organization's policy alone has any.
    #[n(8)]
    #[cbor(default)]
    pub prices: Vec<OwnPrice>,
    /// The providers of the marketplace that it has enabled, each once; the organization's policy alone has any.
    #[n(9)]
    #[cbor(default)]
    pub marketplace: Vec<String>,
    /// What labels allow in it; the organization's policy alone has any.
    #[n(10)]
    #[cbor(default)]
    pub label_rules: Vec<LabelRule>,
    /// The labels of the project.
    #[n(11)]
    #[cbor(default)]
    pub labels: Vec<String>,
    /// The operator acts in this organization; the organization's policy alone says it.
    #[n(12)]
    #[cbor(default)]
    pub operator: bool,
}

impl ScopePolicy {
    /// That limits nothing.
    pub fn open(org: OrgId, project: Option<ProjectId>) -> Self {
        Self {
            org,
            project,
            budgets: Vec::new(),
            suspended: None,
            ceiling: RateLimits::default(),
            suspended_providers: Vec::new(),
            abuse: abuse::Rules::default(),
            prices: Vec::new(),
            marketplace: Vec::new(),
            label_rules: Vec::new(),
            labels: Vec::new(),
            operator: false,
        }
    }

    /// Whether it is not stopped.
    pub fn check(&self) -> Result<(), Deny> {
        match (&self.suspended, self.project) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Deny::OrgSuspended),
            (Some(_), Some(_)) => Err(Deny::ProjectSuspended),
        }
    }

    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn stopped() -> Suspension {
        Suspension {
            id: RevocationId::new(Uuid::from_u128(3)),
            at: Micros(1),
            reason: Some("a leak".to_owned()),
        }
    }

    #[test]
    fn what_is_stopped_says_so() {
        let org = OrgId::new(Uuid::from_u128(1));
        let project = Some(ProjectId::new(Uuid::from_u128(2)));
        for (project, deny) in [(None, Deny::OrgSuspended), (project, Deny::ProjectSuspended)] {
            let mut policy = ScopePolicy::open(org, project);
            assert_eq!(policy.check(), Ok(()));
            policy.suspended = Some(stopped());
            assert_eq!(policy.check(), Err(deny));
        }
    }

    #[test]
    fn the_stored_form_goes_round_and_an_older_one_stops_nothing() {
        let open = ScopePolicy::open(OrgId::new(Uuid::from_u128(1)), None);
        let policy = ScopePolicy {
            suspended: Some(stopped()),
            suspended_providers: vec![SuspendedProvider {
                provider: "openai".to_owned(),
                suspension: stopped(),
            }],
            ..open.clone()
        };
        assert_eq!(
            minicbor::decode::<ScopePolicy>(&policy.canonical()).unwrap(),
            policy
        );
        let older = minicbor::to_vec((open.org, open.project, &open.budgets)).unwrap();
        assert_eq!(minicbor::decode::<ScopePolicy>(&older).unwrap(), open);
    }
}
