//! How runs, steps and log lines look.

use std::fmt::Write as _;
use tenantry_protocol::printable::printable;
use tenantry_protocol::run::{LogLine, LogStream, RunView, StageTimes, StepView};
use tenantry_protocol::state::RunState;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::{Clock, milliseconds, time_of_day};
use crate::output::Output;
use crate::state;
use crate::table::{Cell, Column, Row, Tone, push_toned};

/// How a command ends that reports on a run.
pub(super) const fn exit(state: RunState) -> Exit {
    match state {
        RunState::Succeeded => Exit::Ok,
        RunState::Failed | RunState::Cancelled | RunState::TimedOut => Exit::RunFailed,
        RunState::Queued | RunState::Running => Exit::Pending,
    }
}

/// A run with its steps.
pub(super) fn show(output: Output, run: &RunView) -> Result<(), Failure> {
    output.machine(run, &run.id.to_string(), || {
        output.fields(&fields(run, output.clock()))?;
        if !run.steps.is_empty() {
            output.line("")?;
            output.table(&run.steps)?;
        }
        Ok(())
    })
}

/// The steps of a run, one below the other.
pub(super) fn steps(output: Output, steps: &[StepView]) -> Result<(), Failure> {
    for (index, step) in steps.iter().enumerate() {
        if index > 0 {
            output.line("")?;
        }
        output.fields(&step_fields(step, output.clock()))?;
    }
    Ok(())
}

fn fields(run: &RunView, clock: Clock) -> Vec<(&'static str, Cell)> {
    let mut fields = vec![
        ("id", run.id.to_string().into()),
        ("workflow", format!("{} (revision {})", run.workflow, run.revision).into()),
        ("state", state::run(run.state)),
    ];
    if let Some(error) = &run.error {
        fields.push(("error", Cell::toned(error.clone(), Tone::Bad)));
    }
    if let Some(state) = run.stopping {
        let word = format!("will be {state}; its last steps are at work");
        fields.push(("stopping", Cell::toned(word, Tone::Warn)));
    }
    let trigger = run
        .source
        .as_ref()
        .map_or_else(|| run.trigger.as_str().to_owned(), |source| format!("{} {source}", run.trigger));
    fields.push(("event", format!("{} ({trigger})", run.event).into()));
    if let Some(by) = &run.by {
        fields.push(("by", by.clone().into()));
    }
    if let (Some(origin), Some(of)) = (run.origin, run.repeats) {
        fields.push(("repeats", format!("{of} ({origin})").into()));
    }
    fields.push(("accepted", clock.at(run.accepted_at).into()));
    if let Some(ended) = run.ended_at {
        fields.push(("took", clock.span(run.accepted_at, Some(ended)).into()));
    }
    if let Some(stages) = &run.stages {
        fields.push(("stages", stage_times(stages).into()));
    }
    if !run.inputs.is_empty() {
        let inputs: Vec<_> = run.inputs.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        fields.push(("inputs", inputs.join("\n").into()));
    }
    if let Some(outputs) = &run.outputs {
        let outputs: Vec<_> = outputs.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        fields.push(("outputs", outputs.join("\n").into()));
    }
    fields
}

/// The time in each stage in one line: `trigger 3 ms → action 41 ms → …`.
pub(crate) fn stage_times(stages: &StageTimes) -> String {
    let or_open = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), milliseconds);
    format!(
        "trigger {} → action {} → logging {} → notification {}",
        milliseconds(stages.trigger_ms),
        or_open(stages.action_ms),
        or_open(stages.logging_ms),
        or_open(stages.notification_ms)
    )
}

/// A step's id, with the item that it is about: `each[3]`.
fn named(step: &StepView) -> String {
    step.item.map_or_else(|| step.id.clone(), |item| format!("{}[{item}]", step.id))
}

fn step_fields(step: &StepView, clock: Clock) -> Vec<(&'static str, Cell)> {
    let mut fields = vec![
        ("step", format!("{} ({})", named(step), step.kind).into()),
        ("state", state::step(step.state)),
        ("took", took(step, clock)),
    ];
    if let Some(items) = step.items {
        let failed = if items.failed > 0 { format!(", {} failed", items.failed) } else { String::new() };
        fields.push(("items", format!("{} of {} ended{failed}", items.ended, items.total).into()));
    }
    if let Some(error) = &step.error {
        fields.push(("error", Cell::toned(error.clone(), Tone::Bad)));
    }
    for attempt in &step.attempts {
        let error = attempt.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        let took = clock.span(attempt.started_at, Some(attempt.ended_at));
        fields
            .push(("attempt", format!("{}: {} after {took}{error}", attempt.number, attempt.outcome).into()));
    }
    if let Some(output) = &step.output {
        fields.push(("output", serde_json::to_string_pretty(output).unwrap_or_default().into()));
    }
    fields
}

fn took(step: &StepView, clock: Clock) -> Cell {
    step.started_at.map_or_else(|| Cell::from("-"), |started| clock.span(started, step.ended_at).into())
}

/// A log line, its end included.
pub(super) fn log_line(line: &LogLine, colour: bool) -> String {
    let tone = match line.stream {
        LogStream::Stdout => Tone::Plain,
        LogStream::Stderr => Tone::Warn,
        LogStream::System => Tone::Dim,
    };
    let mut out = String::new();
    push_toned(&mut out, &time_of_day(line.at), Tone::Dim, colour);
    let attempt = if line.attempt > 1 { format!("#{}", line.attempt) } else { String::new() };
    let item = line.item.map_or_else(String::new, |item| format!("[{item}]"));
    write!(out, "  {}{item}{attempt}  ", printable(&line.step)).ok();
    push_toned(&mut out, &printable(&line.text), tone, colour);
    out.push('\n');
    out
}

impl Row for RunView {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("WORKFLOW"),
        Column::right("REV"),
        Column::new("STATE"),
        Column::new("TRIGGER"),
        Column::new("ACCEPTED"),
        Column::right("TOOK"),
        Column::new("ERROR"),
        Column::wide("EVENT"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.id.to_string().into(),
            self.workflow.clone().into(),
            self.revision.to_string().into(),
            state::run(self.state),
            self.trigger.as_str().into(),
            clock.at(self.accepted_at).into(),
            Cell::or_dash(self.ended_at.map(|ended| clock.span(self.accepted_at, Some(ended)))),
            Cell::or_dash(self.error.clone()),
            self.event.to_string().into(),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}

impl Row for StepView {
    const COLUMNS: &'static [Column] = &[
        Column::new("STEP"),
        Column::new("KIND"),
        Column::new("STATE"),
        Column::right("ATTEMPT"),
        Column::right("TOOK"),
        Column::new("ERROR"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            named(self).into(),
            self.kind.clone().into(),
            state::step(self.state),
            self.attempt.to_string().into(),
            took(self, clock),
            Cell::or_dash(self.error.clone()),
        ]
    }

    fn name(&self) -> String {
        named(self)
    }
}

impl Row for LogLine {
    const COLUMNS: &'static [Column] =
        &[Column::right("SEQ"), Column::new("AT"), Column::new("STEP"), Column::new("TEXT")];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.seq.to_string().into(),
            clock.at(self.at).into(),
            self.step.clone().into(),
            self.text.clone().into(),
        ]
    }

    fn name(&self) -> String {
        self.seq.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_reflects_the_run() {
        let codes: Vec<_> = RunState::ALL.iter().map(|state| (state.as_str(), exit(*state).code())).collect();
        assert_eq!(
            codes,
            [
                ("queued", 8),
                ("running", 8),
                ("succeeded", 0),
                ("failed", 5),
                ("cancelled", 5),
                ("timed-out", 5)
            ]
        );
    }

    #[test]
    fn a_log_line_obeys_no_escape() {
        let line = LogLine {
            seq: 1,
            at: 0,
            step: "book".to_owned(),
            item: Some(3),
            attempt: 2,
            stream: LogStream::Stdout,
            text: "50 %\r\u{1b}]0;x\u{7}".to_owned(),
        };
        assert_eq!(log_line(&line, false), "00:00:00.000  book[3]#2  50 %\\r\\u{1b}]0;x\\u{7}\n");
    }

    #[test]
    fn stages_that_are_open_have_a_dash() {
        let stages = StageTimes { trigger_ms: 3, action_ms: Some(41), ..StageTimes::default() };
        assert_eq!(stage_times(&stages), "trigger 3 ms → action 41 ms → logging - → notification -");
    }
}
