//! The one way to the terminal: results on standard output, everything else on standard error.
//!
//! Formats: `table` and `wide` for people, `json` (one document), `jsonl` (one item a line), `yaml` and `name` for
//! scripts. Machine forms are the wire types of the protocol as they are: nothing is added, times stay unix
//! milliseconds. **Invariant:** nothing that a tenant wrote reaches a terminal in a form that it would obey.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;
use tenantry_protocol::page::Page;
use tenantry_protocol::printable::{is_unsafe, printable, printable_lines};

use crate::diff;
use crate::failure::{Failure, Local};
use crate::moment::{self, Clock};
use crate::place;
use crate::table::{self, Cell, Layout, Row, Tone, push_toned};

/// Columns of a drawing where there is no terminal.
const USUAL_WIDTH: usize = 100;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; for people, may change between releases
    #[default]
    Table,
    /// All columns, nothing cut
    Wide,
    /// One JSON document
    Json,
    /// One JSON document a line; the only machine form of streams
    Jsonl,
    /// One YAML document
    Yaml,
    /// Only what names the things, one a line
    Name,
}

/// Where and how this invocation writes.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says one thing about one stream")]
pub(crate) struct Output {
    format: Format,
    quiet: bool,
    /// Standard output is a terminal.
    terminal: bool,
    colour_out: bool,
    colour_err: bool,
    width: Option<usize>,
}

impl Output {
    /// Looks at the streams and at `NO_COLOR` (no-color.org) and `TERM`.
    pub(crate) fn new(format: Format, quiet: bool, no_color: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = !no_color
            && place::variable("NO_COLOR").is_none()
            && place::variable("TERM").is_none_or(|term| term != "dumb");
        Self {
            format,
            quiet,
            terminal,
            colour_out: colour && terminal,
            colour_err: colour && io::stderr().is_terminal(),
            width: terminal.then(terminal_width).flatten(),
        }
    }

    /// Whether a person reads standard output.
    pub(crate) const fn is_human(self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// Whether notes on standard error may have colour.
    pub(crate) const fn colour_err(self) -> bool {
        self.colour_err
    }

    /// Whether lines on standard output may have colour.
    pub(crate) const fn colour_out(self) -> bool {
        self.colour_out
    }

    /// The width to which what is drawn is fitted: the terminal's, or that of a usual one.
    pub(crate) fn drawing_width(self) -> usize {
        self.width.unwrap_or(USUAL_WIDTH)
    }

    /// The clock of this invocation.
    pub(crate) fn clock(self) -> Clock {
        Clock::new(moment::now(), self.terminal && self.is_human())
    }

    fn layout(self) -> Layout {
        let wide = self.format == Format::Wide;
        Layout { wide, colour: self.colour_out, width: self.width.filter(|_| !wide) }
    }

    /// A page of a list. `more` says how to get the next one.
    pub(crate) fn list<T: Row + Serialize>(self, page: &Page<T>) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => {
                if page.items.is_empty() {
                    self.note("nothing to show");
                    return Ok(());
                }
                self.raw(&table::table(&page.items, self.clock(), self.layout()))?;
                if let Some(next) = &page.next {
                    self.note(&format!("there is more: --after {next}, or --all"));
                }
                Ok(())
            }
            Format::Json => self.json(page, true),
            Format::Jsonl => page.items.iter().try_for_each(|item| self.json(item, false)),
            Format::Yaml => self.yaml(page),
            Format::Name => page.items.iter().try_for_each(|item| self.line(&item.name())),
        }
    }

    /// One thing, for people as fields.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        name: &str,
        fields: impl FnOnce(Clock) -> Vec<(&'static str, Cell)>,
    ) -> Result<(), Failure> {
        self.machine(value, name, || self.fields(&fields(self.clock())))
    }

    /// One thing, for people as whatever `human` writes.
    pub(crate) fn machine<T: Serialize>(
        self,
        value: &T,
        name: &str,
        human: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => human(),
            Format::Json => self.json(value, true),
            Format::Jsonl => self.json(value, false),
            Format::Yaml => self.yaml(value),
            Format::Name => self.line(name),
        }
    }

    /// Several things that belong together, as one document; for people as whatever `human` writes.
    pub(crate) fn several<T: Serialize>(
        self,
        value: &T,
        names: &[&str],
        human: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.format == Format::Name {
            return names.iter().try_for_each(|name| self.line(name));
        }
        self.machine(value, "", human)
    }

    /// One item of a stream, for people as a line.
    pub(crate) fn item<T: Serialize>(
        self,
        value: &T,
        name: &str,
        human: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => self.raw(&human()),
            Format::Name => self.line(name),
            Format::Json | Format::Jsonl | Format::Yaml => self.json(value, false),
        }
    }

    /// Refuses a format that a stream cannot have.
    pub(crate) fn must_stream(self) -> Result<(), Failure> {
        if matches!(self.format, Format::Json | Format::Yaml) {
            let message = "a stream has no end, so it is not one document";
            return Err(Failure::usage(message).with_hint("use `-o jsonl`: one document a line"));
        }
        Ok(())
    }

    /// Fields for people.
    pub(crate) fn fields(self, fields: &[(&'static str, Cell)]) -> Result<(), Failure> {
        self.raw(&table::fields(fields, self.layout()))
    }

    /// A table for people, below something else.
    pub(crate) fn table<T: Row>(self, rows: &[T]) -> Result<(), Failure> {
        self.raw(&table::table(rows, self.clock(), self.layout()))
    }

    #[cfg(feature = "server")]
    /// The same, indented.
    pub(crate) fn table_indented<T: Row>(self, rows: &[T], indent: &str) -> Result<(), Failure> {
        let layout = self.layout();
        let layout = Layout { width: layout.width.map(|width| width.saturating_sub(indent.len())), ..layout };
        let table = table::table(rows, self.clock(), layout);
        let lines = table.lines().flat_map(|line| [indent, line, "\n"]);
        self.raw(&lines.collect::<String>())
    }

    /// A line for people.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        self.raw(&format!("{}\n", printable(text)))
    }

    /// Text that is the result itself, such as a workflow's source. Sanitised on a terminal, untouched in a pipe.
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        if self.terminal { self.raw(&printable_lines(text)) } else { self.raw(text) }
    }

    /// A unified diff: as it is in a pipe, so that it can be applied; sanitised and with colour on a terminal.
    pub(crate) fn diff(self, diff: &str) -> Result<(), Failure> {
        if self.terminal { self.raw(&diff::shown(diff, self.colour_out)) } else { self.raw(diff) }
    }

    /// Bytes of a document that machines read. Nothing on the way to a terminal is obeyed.
    pub(crate) fn document(self, bytes: &[u8]) -> Result<(), Failure> {
        if self.terminal {
            return self.raw(&printable_lines(&String::from_utf8_lossy(bytes)));
        }
        self.write(bytes)
    }

    /// A JSON document, over several lines or in one.
    pub(crate) fn json<T: Serialize>(self, value: &T, pretty: bool) -> Result<(), Failure> {
        let encoded = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        let text = encoded.map_err(|error| Failure::usage(format!("cannot be written as JSON: {error}")))?;
        self.raw(&format!("{}\n", escape_json(&text)))
    }

    fn yaml<T: Serialize>(self, value: &T) -> Result<(), Failure> {
        let text = serde_saphyr::to_string(value)
            .map_err(|error| Failure::usage(format!("cannot be written as YAML: {error}")))?;
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.text(&format!("{text}{end}"))
    }

    /// A note on standard error, unless `--quiet`.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            let mut line = String::new();
            push_toned(&mut line, &printable(text), Tone::Dim, self.colour_err);
            line.push('\n');
            complain(&line);
        }
    }

    /// Text on standard error, already sanitised, whatever `--quiet` says.
    #[expect(clippy::unused_self, reason = "writing is a method of the output, so that nobody else writes")]
    pub(crate) fn warn(self, text: &str) {
        complain(text);
    }

    /// Says on standard error why the command did not do it.
    pub(crate) fn failure(self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        if matches!(self.format, Format::Json | Format::Jsonl) {
            complain(&format!("{}\n", escape_json(&failure.json().to_string())));
        } else {
            complain(&failure.text(self.colour_err));
        }
    }

    /// Sanitised text to standard output.
    pub(crate) fn raw(self, text: &str) -> Result<(), Failure> {
        self.write(text.as_bytes())
    }

    #[expect(clippy::unused_self, reason = "writing is a method of the output, so that nobody else writes")]
    fn write(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::local(Local::Closed, "the reader went away"),
            _ => Failure::local(Local::File, format!("cannot write to standard output: {error}")),
        })
    }
}

/// Writes to standard error; where even that fails there is nobody left to tell.
fn complain(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// JSON escapes C0 by itself; the rest of what a terminal obeys is escaped here. It stays the same document.
fn escape_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Line feeds are the layout of a pretty document; those inside of strings are escaped already.
        if c == '\n' || !is_unsafe(c) {
            out.push(c);
            continue;
        }
        let mut units = [0_u16; 2];
        for unit in c.encode_utf16(&mut units) {
            write!(out, "\\u{unit:04x}").ok();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn json_stays_the_same_document_and_obeys_nothing() {
        let value = serde_json::json!({ "text": "é世\u{9b}31m\u{202e}\u{e0041}\u{7f}\u{1b}[2J\t" });
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let escaped = escape_json(&text);
            assert!(escaped.contains("é世"), "{escaped}");
            assert_eq!(printable_lines(&escaped), escaped);
            assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), value);
        }
    }

    #[test]
    fn streams_are_not_one_document() {
        for (format, fits) in [(Format::Json, false), (Format::Yaml, false), (Format::Jsonl, true)] {
            assert_eq!(Output::new(format, true, true).must_stream().is_ok(), fits, "{format:?}");
        }
    }

    #[test]
    fn a_pipe_has_neither_colour_nor_width_nor_relative_times() {
        let output = Output { terminal: false, ..Output::new(Format::Table, true, true) };
        assert!(!output.colour_out());
        assert!(output.clock().at(0).starts_with("1970-"));
    }
}
