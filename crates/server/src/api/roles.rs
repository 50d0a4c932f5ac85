//! Roles between the wire and the store.

use keystore_store::members::Role as Stored;
use keystore_wire::Role;

pub(crate) const fn stored(role: Role) -> Stored {
    match role {
        Role::Owner => Stored::Owner,
        Role::Admin => Stored::Admin,
        Role::Member => Stored::Member,
        Role::Billing => Stored::Billing,
        Role::Viewer => Stored::Viewer,
    }
}

pub(crate) const fn wire(role: Stored) -> Role {
    match role {
        Stored::Owner => Role::Owner,
        Stored::Admin => Role::Admin,
        Stored::Member => Role::Member,
        Stored::Billing => Role::Billing,
        Stored::Viewer => Role::Viewer,
    }
}
