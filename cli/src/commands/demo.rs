//! `tenantry demo`

use crate::failure::{Ended, Failure};
use crate::session::Session;
use clap::Args;

/// Demo
#[derive(Args, Debug)]
#[command(after_help = "x")]
pub(crate) struct Demo;
impl Demo {
    pub(crate) async fn run(self, _session: &Session) -> Ended {
        Err(Failure::usage("x"))
    }
}
