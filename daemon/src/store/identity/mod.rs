//! Principals, credentials and sessions: the same three tables in control.db (for the host) and in every
//! tenant's file (for the tenant), so the same functions serve both; the transaction says which file is meant.
//!
//! What a role may do is decided in `auth`, never here.

pub mod credentials;
pub mod principals;
pub mod sessions;
