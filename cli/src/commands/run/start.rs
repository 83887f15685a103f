//! Starting a workflow by hand: `tenantry run start` and, the same, `tenantry workflow run`.

use std::time::Duration;

use clap::Args;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{Accepted, RunStart};

use super::follow::{appears, follow_to_end, wait};
use super::view;
use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input;
use crate::session::Session;

/// How long a run that is stayed with may take to begin, unless --timeout says otherwise.
const APPEAR_LIMIT: Duration = Duration::from_mins(1);
/// How long the command waits for the run although nobody stays with it, so that the id it prints is already known.
const APPEAR_BRIEFLY: Duration = Duration::from_secs(1);

/// What is started, with what, and whether to stay with it.
#[derive(Args, Debug)]
#[group(id = "what-starts")]
pub(crate) struct Start {
    /// The workflow
    #[arg(value_name = "WORKFLOW")]
    name: String,
    /// An input as text, or @FILE; the daemon converts it to the input's type; may be repeated
    #[arg(short, long = "input", value_name = "NAME=VALUE", value_parser = input::parse_pair)]
    inputs: Vec<(String, String)>,
    /// All inputs as an object: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON")]
    input_json: Option<String>,
    /// The same key again within a day starts nothing twice
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
    /// Show the log lines as they come, then the run
    #[arg(short, long)]
    follow: bool,
    /// Wait until the run has ended, then show it
    #[arg(short, long, conflicts_with = "follow")]
    wait: bool,
}

impl Start {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        if self.follow {
            output.must_stream()?;
        }
        let inputs = input::inputs(self.input_json.as_deref(), self.inputs)?;
        let body = RunStart { inputs, idempotency_key: self.idempotency_key };
        let tenant = session.tenant().await?;
        let accepted: Accepted = session.send(Operation::WorkflowRun, &[&tenant, &self.name], &body).await?;
        if accepted.duplicate {
            output.note("it had been started before under the same key");
        }
        let Some(run) = accepted.run.map(|run| run.to_string()) else {
            // The trigger stage makes the run; until then only the event has an id.
            let event = accepted.event.to_string();
            output.machine(&accepted, &event, || output.line(&event))?;
            return Ok(Exit::Ok);
        };
        let stays = self.follow || self.wait;
        let limit = if stays { session.timeout().unwrap_or(APPEAR_LIMIT) } else { APPEAR_BRIEFLY };
        let appeared = appears(session, &tenant, &run, limit).await?;
        if !stays {
            output.machine(&accepted, &run, || output.line(&run))?;
            output.note(&format!("follow it: tenantry -t {tenant} run logs {run} --follow"));
            return Ok(Exit::Ok);
        }
        output.note(&run);
        if !appeared {
            let message =
                format!("{} is accepted, but the trigger stage has not begun {run}", accepted.event);
            return Err(Failure::new(ErrorCode::Timeout, message)
                .with_hint(format!("`tenantry -t {tenant} queue list` shows what is before it")));
        }
        let ended = if self.follow {
            follow_to_end(session, &tenant, &run).await?
        } else {
            wait(session, &tenant, &run).await?
        };
        view::show(output, &ended)?;
        Ok(view::exit(ended.state))
    }
}
