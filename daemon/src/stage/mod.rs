//! The four stages: trigger → action → logging → notification, each with a durable queue in every tenant's file.
//!
//! A stage is one method, [`Stage::handle`]: a payload goes in, an [`Outcome`] comes out. It has no store and no
//! queue; what it may touch stands in its constructor. The shared [`driver`] takes leased jobs, calls the handler
//! with time limit and panic capture, and [`settle`] writes job, states, effects and audit in one transaction.
//! **The stage decides, settle records.** This is also the seam along which a stage can move to another process.
//!
//! **Invariant:** nothing that a handler decided is visible before its settle has committed.
//! **Invariant:** there is no error return: whoever writes a stage must say what a failure means.
//! Go next to [`driver`], then to the folder of a stage.

pub mod action;
pub mod driver;
pub mod feeder;
pub mod lines;
pub mod load;
pub mod logging;
pub mod notification;
pub mod outcome;
pub mod settle;
pub mod trigger;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tenantry_protocol::id::JobId;
use tenantry_protocol::state::StageName;

use crate::clock::Clock;
use crate::service::directory::Tenant;
use crate::service::material::Material;
use crate::supervise::Stop;
pub use lines::LineSink;
pub use outcome::{Effect, Outcome};

/// What a handler knows besides its payload.
pub struct JobContext {
    /// Whose job it is.
    pub tenant: Arc<Tenant>,
    /// The job.
    pub job: JobId,
    /// Counted from 1.
    pub attempt: u32,
    /// The time.
    pub clock: Clock,
    /// Cancelled when the run is cancelled, for a stage whose handlers take long.
    pub cancel: Stop,
    /// Takes log lines while the handler works.
    pub lines: LineSink,
}

/// One of the four rooms.
pub trait Stage: Send + Sync + 'static {
    /// Which one.
    const NAME: StageName;

    /// Whether its handlers write log lines and can be cancelled with their run; see [`Stage::row`].
    const IS_LONG: bool = false;

    /// What a handler is given.
    type Payload: Send + Sync;

    /// The payload out of what was gathered; none if it belongs to another stage.
    fn payload(&self, material: Material) -> Option<Self::Payload>;

    /// The row of its run that a payload is about, for a stage whose handlers can be cancelled with their run.
    fn row(&self, _: &Self::Payload) -> Option<u32> {
        None
    }

    /// How long a handler may take. The handler keeps to it by itself where it has something to say about it;
    /// the driver cuts it off a little later.
    fn time_limit(&self, payload: &Self::Payload) -> Duration;

    /// Does the job.
    fn handle(&self, context: &JobContext, payload: Self::Payload) -> impl Future<Output = Outcome> + Send;
}
