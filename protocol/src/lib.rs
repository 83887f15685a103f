//! The words both sides share: ids, nouns, states, permissions, error codes, routes, the one client.
//!
//! Nothing here decides anything. A type is on the wire only if it lives in this crate.
//! Go next to [`path`] for the URL space and to [`error`] for what can go wrong.

pub mod error;
pub mod id;
pub mod permission;
pub mod runner;
pub mod state;
