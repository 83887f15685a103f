//! The store: all SQL, all files. control.db says which tenants exist; each tenant is one file of its own.
//!
//! - One writer a file. A closure that is handed to `write` runs, with whatever else is waiting, inside of one
//!   transaction; it is answered when that is on disk.
//! - Many readers a file, each with a consistent snapshot and a limited time.
//! - Functions on tables are bare verbs called through their module (`jobs::claim`); they take [`ReadTx`] or
//!   [`WriteTx`] and nothing else reaches a connection.
//!
//! **Invariant:** no SQL outside of this folder, no DDL outside of `migrations/`.
//! **Invariant:** nothing here knows what a permission, a stage's handler or an HTTP status is.
//!
//! Go next to `tenant` for the tables of a tenant, to `control` for those of the host.

pub mod audit;
mod connection;
pub mod control;
mod fault;
pub mod identity;
mod migrate;
mod row;
pub mod tenant;
mod transaction;

pub use row::PAGE_LIMIT;
pub use transaction::{ReadTx, WriteTx};
