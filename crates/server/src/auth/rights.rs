//! Who may do what: the table of roles and rights. One right a kind of act; every handler names the one it needs.

use keystore_store::members::Role;

/// What a caller may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Read the organization and its projects: everybody who belongs to it.
    SeeOrg,
    /// Read agents, tokens and credentials (never a value), and requests.
    SeeAgents,
    /// Read usage and budgets.
    SeeMoney,
    /// Create and change agents, tokens and budgets.
    ManageAgents,
    /// Create, rotate, test and delete credentials.
    ManageCredentials,
    /// Read, create and delete management keys.
    ManageApiKeys,
    /// The organization itself: held by owners alone.
    ManageOrg,
    /// Top-ups, invoices, ledger.
    ManageBilling,
}

use Right::{
    ManageAgents, ManageApiKeys, ManageBilling, ManageCredentials, ManageOrg, SeeAgents, SeeMoney, SeeOrg,
};

/// The rights of a role.
const fn rights(role: Role) -> &'static [Right] {
    match role {
        Role::Owner => &[
            SeeOrg,
            SeeAgents,
            SeeMoney,
            ManageAgents,
            ManageCredentials,
            ManageApiKeys,
            ManageOrg,
            ManageBilling,
        ],
        Role::Admin => &[
            SeeOrg,
            SeeAgents,
            SeeMoney,
            ManageAgents,
            ManageCredentials,
            ManageApiKeys,
        ],
        Role::Member => &[SeeOrg, SeeAgents, SeeMoney, ManageAgents],
        Role::Billing => &[SeeOrg, SeeMoney, ManageBilling],
        Role::Viewer => &[SeeOrg, SeeAgents, SeeMoney],
    }
}

/// Whether a role has a right.
pub(crate) fn holds(role: Role, right: Right) -> bool {
    rights(role).contains(&right)
}

/// Whether `grantor` has every right of `granted`: nobody grants more than they hold.
pub(crate) fn covers(grantor: Role, granted: Role) -> bool {
    rights(granted).iter().all(|right| holds(grantor, *right))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(covered(Role::Member), [Role::Member, Role::Viewer]);
        assert_eq!(covered(Role::Billing), [Role::Billing]);
        assert_eq!(covered(Role::Viewer), [Role::Viewer]);
    }
}
