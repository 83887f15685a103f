//! Runs: started by hand, listed, shown, cancelled, repeated; their steps, attempts and log lines.

mod again;
mod many;
mod view;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{EventId, RunId, WorkflowId};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::Permission;
use tenantry_protocol::run::{Accepted, LogLine, LogQuery, RunQuery, RunStart, RunView, StepView};
use tenantry_protocol::state::{EventKind, RunState};

use self::view::{attempt_view, inputs_of, log_line, queued_view, run_view, stage_times, step_view};
use super::catalog::Live;
use super::directory::Tenant;
use super::events::{Arriving, DedupeKey, IDEMPOTENCY_TTL_MS, event_of, run_of};
use super::flow::{self, stop};
use super::material::{EventMaterial, RunMaterial};
use super::{Authorized, Service, cursor, end_run, step_value, variables};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::ReadTx;
use crate::store::tenant::runs::Stop;
use crate::store::tenant::{attempts, events, log_lines, runs, steps};

/// How many log lines a page holds when nobody says so.
const LOG_PAGE: u32 = 500;

impl Service {
    /// Starts a workflow by hand: checks the inputs, then makes the event durable.
    pub async fn start_run(
        self: &Arc<Self>,
        by: &Authorized,
        name: &str,
        start: RunStart,
    ) -> Result<Accepted> {
        let tenant = by.require_tenant(Permission::WorkflowRun)?;
        let live = self.workflow(tenant, name).await?;
        let inputs = inputs(&live, &start)?;
        let EventMaterial { event, value } =
            self.internal_event(EventKind::Manual, live.name.clone(), &inputs)?;
        let scope = format!("run:{}", live.id);
        let dedupe = start.idempotency_key.map(|key| DedupeKey::new(&scope, &key, IDEMPOTENCY_TTL_MS));
        let arriving = Arriving { event, value: Some(value), dedupe };
        let mut accepted = self.accept(&by.context, tenant, arriving).await?;
        accepted.run = Some(run_of(accepted.event, live.id));
        Ok(accepted)
    }

    /// Lists runs, newest first.
    pub async fn list_runs(&self, by: &Authorized, query: &RunQuery) -> Result<Page<RunView>> {
        let tenant = by.require_tenant(Permission::RunRead)?;
        let page = PageQuery { limit: query.limit, after: query.after.clone() };
        let (after, size) = (cursor::id(page.after.as_deref())?, page.size());
        let workflow = match &query.workflow {
            Some(name) => Some(self.workflow(tenant, name).await?.id),
            None => None,
        };
        let filter = runs::Filter { workflow, state: query.state, from: None };
        let rows = self.store.tenant(tenant.id)?.read(move |tx| {
            let rows = runs::list(tx, filter, after, size)?;
            rows.into_iter().map(|run| Ok((origin_of(tx, run.event_id)?, run))).collect::<Result<Vec<_>>>()
        });
        let rows = rows.await?;
        let names = self.names_of(tenant, rows.iter().map(|(_, run)| run)).await;
        let name = |run: &runs::Run| names.get(&run.workflow_id).cloned().unwrap_or_default();
        Ok(cursor::page(
            rows,
            size,
            |(_, run)| run.id.to_string(),
            |(origin, run)| {
                let name = name(&run);
                run_view(run, name, origin)
            },
        ))
    }

    /// The names of workflows, the deleted ones included.
    async fn names_of<'r>(
        &self,
        tenant: &Tenant,
        rows: impl Iterator<Item = &'r runs::Run>,
    ) -> HashMap<WorkflowId, String> {
        let mut names = HashMap::new();
        for run in rows {
            if let Entry::Vacant(entry) = names.entry(run.workflow_id) {
                let live = self.catalog.revision(tenant.id, run.workflow_id, run.revision).await;
                entry.insert(live.map_or_else(|_| run.workflow_id.to_string(), |live| live.name.clone()));
            }
        }
        names
    }

    /// Shows a run with its steps and the time spent in each stage.
    pub async fn get_run(&self, by: &Authorized, id: &str) -> Result<RunView> {
        let tenant = by.require_tenant(Permission::RunRead)?;
        let id = cursor::parse::<RunId>(id, "run")?;
        let read = self.store.tenant(tenant.id)?.read(move |tx| {
            let Some(run) = runs::get(tx, id)? else { return Ok(None) };
            let origin = origin_of(tx, run.event_id)?;
            Ok(Some((run, origin)))
        });
        let Some((run, origin)) = read.await? else { return self.accepted_run(tenant, id).await };
        let live = self.catalog.revision(tenant.id, run.workflow_id, run.revision).await?;
        let rows = self.steps_of(tenant, &live, id).await?;
        let mut view = run_view(run, live.name.clone(), origin);
        view.stages = Some(stage_times(&view));
        view.steps = rows.iter().map(|row| step_view(&live, row, Vec::new())).collect();
        Ok(view)
    }

    /// A run that was started by hand and that the trigger stage has not begun yet: its starter was told the id when
    /// the event was durable.
    async fn accepted_run(&self, tenant: &Tenant, id: RunId) -> Result<RunView> {
        let catalog = self.catalog.of(tenant.id).await?;
        let workflows: Vec<_> = catalog.workflows.values().cloned().collect();
        let read = self.store.tenant(tenant.id)?.read(move |tx| {
            for live in workflows {
                let event = event_of(id, live.id);
                if let Some(event) = events::get(tx, event)?.filter(|event| event.source == live.name) {
                    return Ok(Some(queued_view(id, &live, &event)));
                }
            }
            Ok(None)
        });
        read.await?.ok_or_else(|| Error::not_found("run", id))
    }

    /// Lists the steps of a run with their attempts.
    pub async fn list_steps(&self, by: &Authorized, id: &str) -> Result<Page<StepView>> {
        let tenant = by.require_tenant(Permission::RunRead)?;
        let id = cursor::parse::<RunId>(id, "run")?;
        let read = self.store.tenant(tenant.id)?.read(move |tx| {
            let Some(run) = runs::get(tx, id)? else { return Ok(None) };
            Ok(Some((run, steps::list(tx, id)?, attempts::list(tx, id)?)))
        });
        let Some((run, mut rows, tries)) = read.await? else {
            self.accepted_run(tenant, id).await?;
            return Ok(Page { items: Vec::new(), next: None });
        };
        self.fill_outputs(tenant.id, &mut rows).await?;
        let live = self.catalog.revision(tenant.id, run.workflow_id, run.revision).await?;
        let of = |idx| tries.iter().filter(|t| t.idx == idx).map(attempt_view).collect::<Vec<_>>();
        let items = rows.iter().map(|row| step_view(&live, row, of(row.idx))).collect();
        Ok(Page { items, next: None })
    }

    /// Lists the log lines of a run, oldest first.
    pub async fn list_log_lines(&self, by: &Authorized, id: &str, query: &LogQuery) -> Result<Page<LogLine>> {
        let tenant = by.require_tenant(Permission::RunRead)?;
        let id = cursor::parse::<RunId>(id, "run")?;
        let after = cursor::id::<u32>(query.after.as_deref())?.unwrap_or_default();
        let size = PageQuery { limit: query.limit.or(Some(LOG_PAGE)), after: None }.size();
        let read = self.store.tenant(tenant.id)?.read(move |tx| {
            let Some(run) = runs::get(tx, id)? else { return Ok(None) };
            Ok(Some((run, log_lines::list(tx, id, after, size)?)))
        });
        let Some((run, rows)) = read.await? else {
            self.accepted_run(tenant, id).await?;
            return Ok(Page { items: Vec::new(), next: None });
        };
        let live = self.catalog.revision(tenant.id, run.workflow_id, run.revision).await?;
        let mut page = cursor::page(rows, size, |row| row.number.to_string(), |row| log_line(&live, row));
        if let Some(step) = &query.step {
            page.items.retain(|line| line.step == *step);
        }
        Ok(page)
    }

    /// Where a run stands and whether its end has been recorded: what a follower of its log asks.
    pub async fn run_progress(&self, by: &Authorized, id: RunId) -> Result<(RunState, bool)> {
        let tenant = by.require_tenant(Permission::RunRead)?;
        let run = self.store.tenant(tenant.id)?.read(move |tx| runs::get(tx, id)).await?;
        match run {
            Some(run) => Ok((run.state, run.logged_at.is_some())),
            None => Ok((self.accepted_run(tenant, id).await?.state, false)),
        }
    }

    /// Where a run stands; none if it does not exist (yet).
    pub async fn run_state(&self, tenant: &Tenant, id: RunId) -> Result<Option<RunState>> {
        self.store.tenant(tenant.id)?.read(move |tx| runs::state(tx, id)).await
    }

    /// Why a run did not succeed.
    pub async fn run_error(&self, tenant: &Tenant, id: RunId) -> Result<Option<String>> {
        let run = self.store.tenant(tenant.id)?.read(move |tx| runs::get(tx, id)).await?;
        Ok(run.and_then(|run| run.error))
    }

    /// The steps of a run, without the items.
    async fn steps_of(&self, tenant: &Tenant, live: &Live, id: RunId) -> Result<Vec<steps::Step>> {
        let count = u32::try_from(live.workflow.steps.len()).unwrap_or(u32::MAX);
        let mut rows = self.store.tenant(tenant.id)?.read(move |tx| steps::list_first(tx, id, count)).await?;
        self.fill_outputs(tenant.id, &mut rows).await?;
        Ok(rows)
    }

    /// Cancels a run: what is at work is told to stop, and what has not started never will, except for the steps that
    /// ask for it and those of `finally`. Cancelled again, it ends at once.
    pub async fn cancel_run(self: &Arc<Self>, by: &Authorized, id: &str) -> Result<RunView> {
        let tenant = by.require_tenant(Permission::RunCancel)?;
        let run = cursor::parse::<RunId>(id, "run")?;
        self.cancel(tenant, run, by.context.clone()).await?;
        // Operators hold both permissions: whoever may cancel also sees what became of it.
        self.get_run(by, id).await
    }

    /// Cancels a run in the name of whoever decided it.
    pub(crate) async fn cancel(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        run: RunId,
        context: Context,
    ) -> Result<()> {
        let material = self.material_of(tenant, run).await?.ok_or_else(|| Error::not_found("run", run))?;
        self.change(tenant, move |ledger| {
            let standing = runs::standing(ledger.tx, run)?.ok_or_else(|| Error::not_found("run", run))?;
            if standing.state.is_terminal() {
                let state = standing.state;
                return Err(Error::new(ErrorCode::StateConflict, format!("{run} has {state} already")));
            }
            let again = standing.stop.is_some();
            if let (material, Some(end)) = stop::stop(ledger, &material, standing, Stop::Cancel)? {
                end_run::record(ledger, &material, end)?;
            }
            ledger.audit_by(&context, "run.cancel", &run.to_string(), &json!({ "again": again }))
        })
        .await?;
        Ok(())
    }

    /// A run as its handlers know it, read from its rows; none if the run or its event is gone.
    pub async fn material_of(&self, tenant: &Tenant, id: RunId) -> Result<Option<Arc<RunMaterial>>> {
        let read = self.store.tenant(tenant.id)?.read(move |tx| runs::get(tx, id));
        let Some(run) = read.await? else { return Ok(None) };
        let Some(event_id) = run.event_id else { return Ok(None) };
        let Some(event) = super::events::load(self, tenant.id, event_id).await? else { return Ok(None) };
        let live = self.catalog.revision(tenant.id, run.workflow_id, run.revision).await?;
        let rows = self.steps_of(tenant, &live, id).await?;
        let asking = Arc::clone(&live);
        let vars = self.store.tenant(tenant.id)?.read(move |tx| variables::of(tx, &asking));
        let vars = if live.workflow.vars.is_empty() { Arc::default() } else { vars.await? };
        let material = Arc::new(RunMaterial {
            live,
            id,
            event_id,
            trigger: event.kind,
            accepted_at: run.accepted_at,
            created_at: run.created_at,
            started_at: run.started_at.unwrap_or(run.created_at),
            key_run: run.key_run.unwrap_or(run.id),
            event: event.value().map_err(|error| Error::internal(error.to_string()))?,
            inputs: Arc::new(inputs_of(&run).map_or(Value::Null, Value::Object)),
            steps: Arc::new(step_value::ended(&rows)),
            vars,
            failed: flow::not_failed(),
            parent: run.parent,
            depth: run.depth,
        });
        Ok(Some(flow::with_steps(&material, &rows)))
    }
}

/// The inputs of a run started by hand, checked, with defaults.
fn inputs(live: &Live, start: &RunStart) -> Result<Value> {
    let conflict =
        |detail: String, hint: String| Err(Error::new(ErrorCode::StateConflict, detail).with_hint(hint));
    let Some(manual) = &live.workflow.triggers.manual else {
        let hint = "add `manual: {}` below its `on:` and apply it".to_owned();
        return conflict(format!("workflow {} has no manual trigger", live.name), hint);
    };
    if !live.enabled {
        let hint = format!("tenantry workflow enable {}", live.name);
        return conflict(format!("workflow {} is disabled", live.name), hint);
    }
    let inputs = manual.accept(&start.inputs).map_err(|findings| {
        let what: Vec<_> = findings.iter().map(|finding| finding.message.clone()).collect();
        let detail = format!("workflow {} does not take these inputs: {}", live.name, what.join("; "));
        Error::new(ErrorCode::InvalidInput, detail).with_findings(findings)
    });
    inputs.map(Value::Object)
}

/// Where the run's event came from; nothing if the event is gone.
fn origin_of(tx: &ReadTx<'_>, event: Option<EventId>) -> Result<Option<events::Origin>> {
    Ok(event.map(|id| events::origin(tx, id)).transpose()?.flatten())
}
