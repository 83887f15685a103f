//! The tables of a tenant's file, one file a table: `jobs::claim`, `runs::insert`.
//!
//! **Invariant:** every function takes `&ReadTx` or `&WriteTx` and opens no transaction; every list has a limit.
//! Which columns there are, and why, stands in `migrations/tenant/`.

pub mod attempts;
pub mod awaited;
pub mod channels;
pub mod dedupe;
pub mod events;
pub mod files;
pub mod gatherings;
pub mod jobs;
pub mod keys;
pub mod log_lines;
pub mod notifications;
pub mod places;
pub mod revisions;
pub mod rollups;
pub mod runs;
pub mod schedules;
pub mod secrets;
pub mod steps;
pub mod throttles;
pub mod variables;
pub mod waiters;
pub mod workflows;
