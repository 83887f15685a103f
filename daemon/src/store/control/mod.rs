//! The tables of control.db, one file a table: which tenants exist, what is due where, who signs.
//!
//! **Invariant:** nothing of a tenant's content is in here. Host principals, credentials, sessions and the host
//! audit log use the tables of `store::identity` and `store::audit`.

pub mod due;
pub mod signing_keys;
pub mod tenants;
