//! The daemon: everything that is true.
//!
//! The modules form floors, and `use crate::…` points only down:
//!
//! ```text
//! 6  boot                         start and stop order, as prose
//! 5  http  ingress  watch         doors
//!    stage  upkeep                workers, cleaners
//! 4  service                      one verb = one function: permission → one write transaction → audit
//! 3  auth  vault  egress          tokens and policy; tenant secrets; the only way out to the network
//! 2  store                        all SQL, all files
//! 1  supervise context config telemetry clock error
//! ```

pub mod auth;
pub mod boot;
pub mod clock;
pub mod config;
pub mod context;
pub mod egress;
pub mod error;
pub mod http;
pub mod ingress;
pub mod service;
pub mod stage;
pub mod store;
pub mod supervise;
pub mod telemetry;
pub mod upkeep;
pub mod vault;
pub mod watch;
