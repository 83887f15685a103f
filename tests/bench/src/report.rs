//! What was measured, beside what is wanted.

use std::io::{self, Write};

use serde::Serialize;

/// What a number must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// One number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    phase: &'static str,
    name: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<bool>,
}

/// All of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    machine: String,
    tenants: usize,
    seconds: u64,
    ok: bool,
    rows: Vec<Row>,
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(machine: String, tenants: usize, seconds: u64) -> Self {
        Self { machine, tenants, seconds, ok: true, rows: Vec::new(), notes: Vec::new() }
    }

    /// Notes a number that only informs.
    pub(crate) fn tell(
        &mut self,
        phase: &'static str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) {
        self.rows.push(Row { phase, name: name.into(), value, unit, target: None, pass: None });
        self.progress();
    }

    /// Notes a number that is judged.
    pub(crate) fn judge(
        &mut self,
        phase: &'static str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        let (pass, text) = match target {
            Target::AtLeast(least) => (value >= least, format!("≥ {}", number(least))),
            Target::AtMost(most) => (value <= most, format!("≤ {}", number(most))),
        };
        self.ok &= pass;
        let row = Row { phase, name: name.into(), value, unit, target: Some(text), pass: Some(pass) };
        self.rows.push(row);
        self.progress();
    }

    /// Notes something that must not be, and fails.
    pub(crate) fn fail(&mut self, note: String) {
        self.ok = false;
        self.notes.push(note);
    }

    /// Whether everything that was judged holds.
    pub(crate) fn holds(&self) -> bool {
        self.ok
    }

    /// Shows on stderr that it goes on.
    fn progress(&self) {
        if let Some(row) = self.rows.last() {
            drop(writeln!(io::stderr(), "{}", row.line()));
        }
    }

    pub(crate) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, self)?;
            return writeln!(out);
        }
        writeln!(out, "\n{}; {} tenants; {} s a phase\n", self.machine, self.tenants, self.seconds)?;
        for row in &self.rows {
            writeln!(out, "{}", row.line())?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }
}

impl Row {
    fn line(&self) -> String {
        let mark = match self.pass {
            Some(true) => "pass",
            Some(false) => "FAIL",
            None => "",
        };
        let Self { phase, name, unit, .. } = self;
        let (value, target) = (number(self.value), self.target.as_deref().unwrap_or_default());
        format!("{phase:<10} {name:<58} {value:>10} {unit:<10} {target:<10} {mark}").trim_end().to_owned()
    }
}

/// With as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
