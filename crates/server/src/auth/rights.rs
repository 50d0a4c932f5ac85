//! Who may do what: the table of roles and rights. One right a kind of act; every handler names the one it needs.

use keystore_core::Micros;
use keystore_core::ids::ProjectId;
use keystore_store::members::Role;
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult};

/// What a caller may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Read the organization and its projects: everybody who belongs to it.
    SeeOrg,
    /// Read agents, tokens and credentials (never a value), and requests.
    SeeAgents,
    /// Read usage and budgets.
    SeeMoney,
    /// Read and check the audit log.
    SeeAudit,
    /// Create and change agents, tokens and budgets.
    ManageAgents,
    /// Create, rotate, test and delete credentials.
    ManageCredentials,
    /// Members, invitations, management keys, projects.
    Administer,
    /// Enable, disable and migrate marketplace listings.
    ManageMarketplace,
    /// Top-ups, invoices, ledger.
    ManageBilling,
    /// The organization itself: its names, its time zone, its end, who owns it.
    ManageOrg,
    /// Pools, price book, credit of all organizations; only in the operator's organization.
    Operate,
}

use Right::{
    Administer, ManageAgents, ManageBilling, ManageCredentials, ManageMarketplace, ManageOrg, Operate,
    SeeAgents, SeeAudit, SeeMoney, SeeOrg,
};

/// The rights of a role.
const fn rights(role: Role) -> &'static [Right] {
    match role {
        Role::Owner => &[
            SeeOrg,
            SeeAgents,
            SeeMoney,
            SeeAudit,
            ManageAgents,
            ManageCredentials,
            Administer,
            ManageMarketplace,
            ManageBilling,
            ManageOrg,
            Operate,
        ],
        Role::Admin => &[
            SeeOrg,
            SeeAgents,
            SeeMoney,
            SeeAudit,
            ManageAgents,
            ManageCredentials,
            Administer,
            ManageMarketplace,
            Operate,
        ],
        Role::Member => &[SeeOrg, SeeAgents, SeeMoney, ManageAgents],
        Role::Billing => &[SeeOrg, SeeMoney, ManageMarketplace, ManageBilling],
        Role::Viewer => &[SeeOrg, SeeAgents, SeeMoney, SeeAudit],
    }
}

/// Whether a role has a right.
pub(crate) fn holds(role: Role, right: Right) -> bool {
    rights(role).contains(&right)
}

/// Whether `grantor` has every right of `granted`.
fn covers(grantor: Role, granted: Role) -> bool {
    rights(granted).iter().all(|right| holds(grantor, *right))
}

/// What somebody may do, where, and until when. Nobody hands out more than they hold, in any of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority {
    /// What.
    pub(crate) role: Role,
    /// In one project alone; `None` is the whole organization.
    pub(crate) project: Option<ProjectId>,
    /// Until then; `None` is for ever.
    pub(crate) until: Option<Micros>,
}

/// In what something is more than its giver holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// It has a right that the giver has not.
    Role,
    /// It reaches further.
    Reach,
    /// It lasts longer.
    Time,
}

impl Authority {
    /// That of a member: in the whole organization, until it is taken away.
    pub(crate) const fn of_member(role: Role) -> Self {
        Self {
            role,
            project: None,
            until: None,
        }
    }

    /// Why who has this cannot hand `granted` out; `None` when they can.
    pub(crate) fn excess(&self, granted: &Self) -> Option<Excess> {
        if !covers(self.role, granted.role) {
            return Some(Excess::Role);
        }
        if self.project.is_some() && self.project != granted.project {
            return Some(Excess::Reach);
        }
        let outlasts = |own| granted.until.is_none_or(|until| until > own);
        self.until.is_some_and(outlasts).then_some(Excess::Time)
    }

    /// As [`Authority::excess`], as a refusal.
    ///
    /// # Errors
    /// `forbidden`, which says why.
    pub(crate) fn may_grant(&self, granted: &Self) -> ApiResult<()> {
        let detail = match self.excess(granted) {
            None => return Ok(()),
            Some(Excess::Role) => format!(
                "the role {} cannot hand out the role {}, nor take it away",
                self.role.as_str(),
                granted.role.as_str()
            ),
            Some(Excess::Reach) => "your key is bound to a project; this reaches further".to_owned(),
            Some(Excess::Time) => "your own key ends sooner than this would".to_owned(),
        };
        Err(ApiError::new(Code::Forbidden, detail).remedy("nobody can grant more than they hold"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const ROLES: [Role; 5] = [
        Role::Owner,
        Role::Admin,
        Role::Member,
        Role::Billing,
        Role::Viewer,
    ];

    #[test]
    fn who_covers_whom() {
        let covered = |grantor| {
            ROLES
                .into_iter()
                .filter(|role| covers(grantor, *role))
                .collect::<Vec<_>>()
        };
        assert_eq!(covered(Role::Owner), ROLES);
        assert_eq!(covered(Role::Admin), [Role::Admin, Role::Member, Role::Viewer]);
        // A member sees no audit log, which a viewer does.
        assert_eq!(covered(Role::Member), [Role::Member]);
        assert_eq!(covered(Role::Billing), [Role::Billing]);
        assert_eq!(covered(Role::Viewer), [Role::Viewer]);
    }

    fn authorities() -> impl Strategy<Value = Authority> {
        let project = proptest::option::of((0_u128..3).prop_map(|id| ProjectId::new(Uuid::from_u128(id))));
        let until = proptest::option::of((0_i64..4).prop_map(Micros));
        (0..ROLES.len(), project, until).prop_map(|(role, project, until)| Authority {
            role: ROLES[role],
            project,
            until,
        })
    }

    /// Everything that one can do with an authority: which right, where, when.
    fn powers(authority: Authority) -> Vec<(Right, u128, i64)> {
        let places =
            (0_u128..3).filter(move |id| authority.project.is_none_or(|own| own.uuid().as_u128() == *id));
        places
            .flat_map(|place| (0_i64..5).map(move |time| (place, time)))
            .filter(|(_, time)| authority.until.is_none_or(|until| *time < until.0))
            .flat_map(|(place, time)| {
                rights(authority.role)
                    .iter()
                    .map(move |right| (*right, place, time))
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Whatever chain of grants begins with an authority, nothing at its end can do what the beginning could not.
        #[test]
        fn no_chain_of_grants_ends_with_more_than_it_began_with(
            first in authorities(),
            wanted in proptest::collection::vec(authorities(), 0..12),
        ) {
            let own = powers(first);
            let mut held = vec![first];
            for (number, granted) in wanted.into_iter().enumerate() {
                let grantor = held[number % held.len()];
                if grantor.may_grant(&granted).is_ok() {
                    prop_assert!(powers(granted).iter().all(|power| own.contains(power)));
                    held.push(granted);
                }
            }
        }

        #[test]
        fn what_one_holds_one_may_hand_on(authority in authorities()) {
            prop_assert_eq!(authority.excess(&authority), None);
        }
    }
}
