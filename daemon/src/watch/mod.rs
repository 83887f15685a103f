//! The doors at which nobody knocks: times and files.
//!
//! Both wait, look when something may have happened, and call the service, where it is decided. What wakes them is
//! only a hint: after a start every tenant is looked at, and what is missed in between is found by the next look.
//! **Invariant:** whatever becomes an event here does so in one transaction with the note that it has.

mod files;
mod times;

use std::sync::Arc;

use crate::service::Service;
use crate::supervise::Supervisor;

/// Starts both under the supervisor. `last_alive` is the daemon's last sign of life before this start.
pub fn start(service: &Arc<Service>, last_alive: Option<i64>, supervisor: &Supervisor) {
    times::start(service, last_alive, supervisor);
    files::start(service, supervisor);
}
