//! `tenantry status`: is the daemon well, and what is it doing?

use clap::Args;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::health::{API_VERSION, Health, HealthState, HostStats, Status as HostStatus};
use tenantry_protocol::path::Operation;
use tenantry_protocol::tenant::TenantStats;

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::moment::{Clock, bytes, milliseconds};
use crate::session::Session;
use crate::state;
use crate::table::{Cell, Column, Row, Tone};

/// Show how the daemon is and what every tenant has waiting
///
/// A host admin sees the daemon and all tenants; anyone else sees that it serves and the own tenant. `-o json` prints
/// the status document alone.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry status
  tenantry status -o json | jq .tenants
  tenantry status --timeout 2s || systemctl restart tenantry")]
pub(crate) struct Status;

impl Status {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let health: Health = session.public().get(Operation::Health, &[], &()).await?;
        if health.api != API_VERSION {
            let message = format!("the daemon speaks API {}, this client {API_VERSION}", health.api);
            return Err(Failure::new(ErrorCode::VersionMismatch, message));
        }
        let status: Result<HostStatus, Failure> = session.get(Operation::HostStatus, &[], &()).await;
        match status {
            Ok(status) => {
                let stats: HostStats = session.get(Operation::HostStats, &[], &()).await?;
                output.machine(&status, status.state.as_str(), || {
                    output.fields(&fields(&status, output.clock()))?;
                    if !stats.tenants.is_empty() {
                        output.line("")?;
                        output.table(&stats.tenants)?;
                        output.line(COUNTED)?;
                    }
                    Ok(())
                })?;
            }
            Err(failure) if failure.is(ErrorCode::PermissionDenied) || failure.is(ErrorCode::NotFound) => {
                let tenant = session.tenant().await?;
                let stats: TenantStats = session.get(Operation::TenantStats, &[&tenant], &()).await?;
                output.machine(&health, health.state.as_str(), || {
                    output.fields(&[("state", health_cell(health.state))])?;
                    output.line("")?;
                    output.table(std::slice::from_ref(&stats))?;
                    output.line(COUNTED)
                })?;
            }
            Err(failure) => return Err(failure),
        }
        Ok(Exit::Ok)
    }
}

/// What stands below the table of tenants.
const COUNTED: &str =
    "EVENTS, RUNS and FAILED count since the daemon started; `tenantry run list` has all that is kept";

fn health_cell(state: HealthState) -> Cell {
    let tone = match state {
        HealthState::Serving => Tone::Good,
        HealthState::Starting | HealthState::Draining => Tone::Warn,
    };
    Cell::toned(state.as_str(), tone)
}

fn fields(status: &HostStatus, clock: Clock) -> Vec<(&'static str, Cell)> {
    let tenants = &status.tenants;
    let ill: Vec<String> = status
        .degraded_tasks
        .iter()
        .map(|task| {
            let why = task.last_error.as_deref().unwrap_or("no reason given");
            format!("{} (restarted {} times): {why}", task.name, task.restarts)
        })
        .collect();
    let tasks = if ill.is_empty() {
        Cell::from(format!("{}, all well", status.tasks))
    } else {
        Cell::toned(format!("{}, of which not well:\n{}", status.tasks, ill.join("\n")), Tone::Bad)
    };
    let tone = if tenants.degraded + tenants.quarantined > 0 { Tone::Bad } else { Tone::Plain };
    vec![
        ("state", health_cell(status.state)),
        ("version", status.version.clone().into()),
        ("process", format!("{}, up {}", status.pid, clock.span(status.started_at, None)).into()),
        ("data", status.data.clone().into()),
        ("socket", status.socket.clone().into()),
        ("ingress", status.ingress.clone().into()),
        ("public URL", status.public_url.clone().into()),
        ("memory", bytes(status.memory_bytes).into()),
        ("was down", downtime(status, clock)),
        ("tasks", tasks),
        ("sandbox", sandbox(&status.sandbox)),
        (
            "tenants",
            Cell::toned(
                format!(
                    "{}, {} degraded, {} quarantined",
                    tenants.total, tenants.degraded, tenants.quarantined
                ),
                tone,
            ),
        ),
    ]
}

/// How long the daemon was away before it started, and what became of schedules in that time.
fn downtime(status: &HostStatus, clock: Clock) -> Cell {
    let Some(down) = &status.downtime else { return Cell::from("being looked at".to_owned()) };
    let away = down.from.map_or_else(|| "never".to_owned(), |from| clock.span(from, Some(down.until)));
    if down.caught_up + down.missed == 0 {
        return Cell::from(format!("{away}; no schedule missed anything"));
    }
    let tenants = down.tenants.iter().map(|tenant| {
        format!("\n{}: {} caught up, {} missed", tenant.tenant, tenant.caught_up, tenant.missed)
    });
    let text = format!(
        "{away}; {} caught up, {} missed{}",
        down.caught_up,
        down.missed,
        tenants.collect::<String>()
    );
    Cell::toned(text, if down.missed > 0 { Tone::Bad } else { Tone::Warn })
}

/// What holds scripts in; nothing while there is no runner, and then no script runs either.
fn sandbox(in_force: &[String]) -> Cell {
    if in_force.is_empty() {
        return Cell::toned("no runner is up, so `run` and `jq` steps wait", Tone::Bad);
    }
    in_force.join(" ").into()
}

impl Row for TenantStats {
    const COLUMNS: &'static [Column] = &[
        Column::new("TENANT"),
        Column::new("STATE"),
        Column::right("EVENTS"),
        Column::right("RUNS"),
        Column::right("FAILED"),
        Column::right("WAITING"),
        Column::right("DEAD"),
        Column::right("OLDEST"),
        Column::wide("ID"),
    ];

    fn cells(&self, _: Clock) -> Vec<Cell> {
        let waiting: u64 = self.queues.iter().map(|queue| queue.ready + queue.leased).sum();
        let dead: u64 = self.queues.iter().map(|queue| queue.dead).sum();
        let oldest = self.queues.iter().map(|queue| queue.oldest_ms).max().filter(|oldest| *oldest > 0);
        let bad =
            |count: u64| Cell::toned(count.to_string(), if count > 0 { Tone::Bad } else { Tone::Plain });
        vec![
            self.name.clone().into(),
            state::tenant(self.state, self.degraded),
            self.counters.events_accepted.to_string().into(),
            self.counters.runs_started.to_string().into(),
            bad(self.counters.runs_failed),
            waiting.to_string().into(),
            bad(dead),
            Cell::or_dash(oldest.map(|oldest| milliseconds(oldest as i64))),
            self.tenant.to_string().into(),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
