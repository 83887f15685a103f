//! The words both sides share: ids, nouns, states, permissions, error codes, routes, the one client.
//!
//! Nothing here decides anything. A type is on the wire only if it lives in this crate.
//! Go next to [`path`] for the URL space and to [`error`] for what can go wrong.

pub mod audit;
pub mod channel;
#[cfg(feature = "client")]
pub mod client;
pub mod error;
pub mod feed;
pub mod health;
pub mod id;
#[cfg(feature = "audit")]
pub mod merkle;
pub mod page;
pub mod path;
pub mod permission;
pub mod principal;
pub mod printable;
pub mod queue;
pub mod run;
pub mod runner;
pub mod state;
pub mod tenant;
pub mod variable;
pub mod workflow;
