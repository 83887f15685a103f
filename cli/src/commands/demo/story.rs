//! What the demo tells: chapters with checks for a person, one document for a machine.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use tenantry_protocol::printable::{printable, printable_lines};
use tenantry_protocol::run::StageTimes;

use crate::exit::Exit;
use crate::failure::{Ended, Failure, Local};
use crate::output::Output;
use crate::table::{Row, Tone, push_toned};

const OPENING: &str = "\
tenantry demo: durable automation for many tenants, on this machine, for real.
Work flows  Trigger → Action → Logging → Notification;  each stage has its own durable queue.
";

const CLOSING: &str = "
Go on with your own:
  tenantry up                                      a daemon that stays
  tenantry tenant create acme
  tenantry workflow new hello                      a workflow to begin with
  tenantry -t acme workflow apply hello.yaml
  tenantry -t acme workflow run hello --follow
  tenantry tui                                     everything at once
";

/// One thing that was expected.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

/// What `-o json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report<'a> {
    ok: bool,
    elapsed_ms: u64,
    checks: &'a [Check],
    /// Milliseconds in each stage, by tenant.
    stages: &'a BTreeMap<String, StageTimes>,
    /// The run of each tenant.
    runs: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<serde_json::Value>,
}

/// The demo as it is told.
pub(super) struct Story {
    output: Output,
    begun: Instant,
    chapters: u32,
    checks: Vec<Check>,
    stages: BTreeMap<String, StageTimes>,
    runs: BTreeMap<String, String>,
}

impl Story {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            begun: Instant::now(),
            chapters: 0,
            checks: Vec::new(),
            stages: BTreeMap::new(),
            runs: BTreeMap::new(),
        }
    }

    /// Says what will happen.
    pub(super) fn opening(&self) -> Result<(), Failure> {
        self.text(OPENING)
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &str) -> Result<(), Failure> {
        self.chapters += 1;
        let mut line = String::from("\n");
        let title = format!("{}  {}", self.chapters, printable(title));
        push_toned(&mut line, &title, Tone::Strong, self.output.colour_out());
        line.push('\n');
        self.text(&line)
    }

    /// Records whether something is as expected.
    pub(super) fn check(&mut self, name: &'static str, ok: bool, detail: &str) -> Result<(), Failure> {
        let (word, tone) = if ok { ("ok    ", Tone::Good) } else { ("failed", Tone::Bad) };
        let mut line = String::from("   ");
        push_toned(&mut line, word, tone, self.output.colour_out());
        line.push_str("  ");
        line.push_str(&printable(detail));
        line.push('\n');
        self.checks.push(Check { name, ok, detail: detail.to_owned() });
        self.text(&line)
    }

    /// Text between the checks, indented.
    pub(super) fn tell(&self, text: &str) -> Result<(), Failure> {
        let mut indented = String::new();
        for line in printable_lines(text).lines() {
            indented.push_str("           ");
            push_toned(&mut indented, line, Tone::Dim, self.output.colour_out());
            indented.push('\n');
        }
        self.text(&indented)
    }

    /// A table between the checks.
    pub(super) fn table<T: Row>(&self, rows: &[T]) -> Result<(), Failure> {
        if self.output.is_human() { self.output.table_indented(rows, "           ") } else { Ok(()) }
    }

    /// Keeps the figures of a run for the document.
    pub(super) fn run(&mut self, tenant: &str, run: String, stages: Option<StageTimes>) {
        self.runs.insert(tenant.to_owned(), run);
        if let Some(stages) = stages {
            self.stages.insert(tenant.to_owned(), stages);
        }
    }

    /// Whether every check so far holds.
    pub(super) fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// The daemon's last words, when something did not go as told.
    pub(super) fn telemetry(&self, telemetry: &str) {
        if !telemetry.is_empty() {
            self.output
                .warn(&format!("\nthe daemon's telemetry, last lines:\n{}\n", printable_lines(telemetry)));
        }
    }

    /// Sums up; decides how the command ends.
    pub(super) fn end(self, told: Result<(), Failure>) -> Ended {
        if told.as_ref().is_err_and(Failure::is_silent) {
            return told.map(|()| Exit::Ok);
        }
        let ok = told.is_ok() && self.holds();
        let elapsed_ms = self.begun.elapsed().as_millis() as u64;
        let report = Report {
            ok,
            elapsed_ms,
            checks: &self.checks,
            stages: &self.stages,
            runs: &self.runs,
            error: told.as_ref().err().map(Failure::json),
        };
        self.output.machine(&report, if ok { "ok" } else { "failed" }, || {
            let held = self.checks.iter().filter(|check| check.ok).count();
            let sum = format!("\n{held} of {} checks hold, in {elapsed_ms} ms.\n", self.checks.len());
            self.output.raw(&sum)?;
            if ok { self.output.raw(CLOSING) } else { Ok(()) }
        })?;
        told?;
        if ok {
            return Ok(Exit::Ok);
        }
        let failed: Vec<_> =
            self.checks.iter().filter(|check| !check.ok).map(|check| check.detail.as_str()).collect();
        Err(Failure::local(Local::DemoFailed, format!("not as told: {}", failed.join("; "))))
    }

    fn text(&self, text: &str) -> Result<(), Failure> {
        if self.output.is_human() { self.output.raw(text) } else { Ok(()) }
    }
}
