//! The logging stage: records outcomes and decides who is told about them.
//!
//! The record itself is an effect; what is decided here is which notification rules match and what they say, and
//! whether the end of a run starts other workflows.
//! **Invariant:** a rule whose message cannot be written is told to the same channel as an error, never dropped.

mod followed;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tenantry_protocol::id::NotificationId;
use tenantry_protocol::state::{RunState, StageName};
use tenantry_workflow::{Context, NotifyRule};

use super::outcome::{Effect, Outcome};
use super::{JobContext, Stage};
use crate::error::Error;
use crate::service::catalog::{Catalog, TenantCatalog};
use crate::service::material::{Material, OutcomeRecord, RunEnd, RunMaterial};
use crate::service::notifications::Notice;

/// How long the decision may take; it is pure, so this is a backstop.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The pause before the tenant's workflows and channels are read again, in milliseconds.
const CATALOG_PAUSE_MS: u64 = 1_000;
/// The longest title of a notification, in bytes; the rest is cut off.
const TITLE_LIMIT: usize = 256;
/// The longest body of a notification, in bytes; the rest is cut off.
const BODY_LIMIT: usize = 16 * 1024;

/// The stage with what it may touch.
pub struct Logging {
    catalog: Catalog,
}

impl Logging {
    /// Looks channels up in the catalog.
    pub const fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }
}

/// An outcome and the run it belongs to.
#[derive(Clone, Debug)]
pub struct LoggingPayload {
    record: Arc<OutcomeRecord>,
    run: Arc<RunMaterial>,
    /// How the workflow's run before this one ended.
    previous: Option<RunState>,
}

impl Stage for Logging {
    const NAME: StageName = StageName::Logging;
    type Payload = LoggingPayload;

    fn payload(&self, material: Material) -> Option<LoggingPayload> {
        match material {
            Material::Record(record, run, previous) => Some(LoggingPayload { record, run, previous }),
            Material::Event(_)
            | Material::Unread(_)
            | Material::Awaited(..)
            | Material::Turn(..)
            | Material::Gathered(_)
            | Material::Step(..)
            | Material::Notification(_) => None,
        }
    }

    fn time_limit(&self, _: &LoggingPayload) -> Duration {
        TIME_LIMIT
    }

    async fn handle(&self, context: &JobContext, payload: LoggingPayload) -> Outcome {
        let LoggingPayload { mut record, run, previous } = payload;
        let mut effects = Vec::with_capacity(2);
        if let Some(end) = record.run_end.clone() {
            let end = &end;
            let catalog = match self.catalog.of(context.tenant.id).await {
                Ok(catalog) => catalog,
                Err(error) => return again(&error),
            };
            if catalog.started_by_end(&run.live.name, end.state).next().is_some() {
                match followed::event(&run, end, context.clock.now_ms()) {
                    Ok(event) => effects.push(Effect::Emit(event)),
                    Err(line) => Arc::make_mut(&mut record).lines.push(line),
                }
            }
            let rules = run.live.workflow.notify.iter().filter(|rule| rule.matches(end.state, previous));
            for rule in rules {
                effects.extend(notify(&catalog, context, &run, end, previous, rule).map(Effect::Notify));
            }
        }
        effects.push(Effect::Record(record, run));
        Outcome::Done(effects)
    }
}

/// The tenant's file could not be read at present.
fn again(error: &Error) -> Outcome {
    Outcome::Retry { after_ms: CATALOG_PAUSE_MS, error: error.to_string(), effects: Vec::new() }
}

fn notify(
    catalog: &TenantCatalog,
    context: &JobContext,
    run: &RunMaterial,
    end: &RunEnd,
    previous: Option<RunState>,
    rule: &NotifyRule,
) -> Option<Notice> {
    // A channel can be deleted while workflows still name it; `workflow apply` warns, and so does the telemetry.
    let Some(channel) = catalog.channels.get(&rule.channel) else {
        tracing::warn!(tenant = %context.tenant.id, channel = %rule.channel, "no such channel");
        return None;
    };
    let (title, body) = words(context, run, end, previous, rule);
    Some(Notice {
        id: NotificationId::new(context.clock.now_ms()),
        channel: Arc::clone(channel),
        run: Some(run.id),
        title: cut(title, TITLE_LIMIT),
        body: cut(body, BODY_LIMIT),
    })
}

fn words(
    context: &JobContext,
    run: &RunMaterial,
    end: &RunEnd,
    previous: Option<RunState>,
    rule: &NotifyRule,
) -> (String, String) {
    let mut run_value = run.run_value();
    run_value["state"] = json!(end.state);
    run_value["previous_state"] = json!(previous);
    run_value["error"] = json!(end.error);
    run_value["failed_step"] = json!(end.failed_step);
    run_value["ended_at"] = json!(end.at);
    run_value["duration_ms"] = json!(end.at - run.accepted_at);
    let values = Context {
        event: &run.event,
        inputs: &run.inputs,
        steps: &run.steps,
        vars: &run.vars,
        tenant: &context.tenant.value,
        workflow: &run.live.value,
        run: &run_value,
        failed: &run.failed,
        ..Context::default()
    };
    let usual = format!("{} {}", run.live.name, end.state);
    match rule.render(&values) {
        Ok(message) => (message.title.unwrap_or(usual), message.body),
        Err(error) => (usual, format!("The message of this rule could not be written: {error}")),
    }
}

fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = cut("ä".repeat(300), TITLE_LIMIT);
        assert!(long.len() <= TITLE_LIMIT && long.ends_with('…'));
        assert_eq!(cut("short".to_owned(), TITLE_LIMIT), "short");
    }
}
