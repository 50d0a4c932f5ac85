//! The limits of the product under faults: disks that fail, processes that are killed, steps that fail or panic, clients that leave.
//! The server runs in a process of its own where it must be able to die; the fake provider stays in the test's, and its log is the
//! truth that everything is compared with.

mod chaos;
mod disk;
mod first;
mod load;
mod node;
mod points;
mod revoked;
mod rotations;
mod sigkill;
mod tenants;
mod top_ups;
mod truth;
mod webhooks;
