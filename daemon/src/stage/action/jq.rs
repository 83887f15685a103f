//! `jq`: a filter over JSON, evaluated by the runner, because nothing bounds what a filter costs.

use serde_json::json;
use tenantry_protocol::runner::{CallResult, Limits, RunnerCall};
use tenantry_workflow::JqCall;
use tokio::sync::mpsc;

use super::Action;
use super::attempt::{Attempt, Done, Failure};
use super::run::{lost_runner, unusual};

impl Action {
    pub(super) async fn jq(&self, attempt: &Attempt<'_>, call: JqCall) -> Result<Done, Failure> {
        let limits = &self.limits;
        let limits = Limits {
            wall_ms: u64::try_from(attempt.time_limit.as_millis()).unwrap_or(u64::MAX),
            cpu_s: limits.function_cpu_limit.as_secs().max(1),
            memory_bytes: limits.function_memory_limit.as_usize() as u64,
            output_bytes: limits.output_limit.as_usize() as u64,
            file_bytes: 0,
            processes: 1,
        };
        let call = RunnerCall::Jq { filter: call.filter, input: call.input };
        // A filter writes nothing but its value.
        let (sender, _) = mpsc::channel(1);
        match self.runner.call(call, limits, sender, &attempt.context.cancel).await {
            Ok(CallResult::JqValue(value)) => Ok(Done::with(json!({ "output": value }))),
            Ok(other) => {
                let (class, error) = unusual(other, limits);
                Err(Failure::new(class, error))
            }
            Err(lost) => Err(lost_runner(lost)),
        }
    }
}
