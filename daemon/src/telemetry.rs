//! The daemon's own log, for its operator: text on a terminal, JSON elsewhere, always on standard error.
//!
//! A run's log lines are not telemetry; they belong to the tenant and go through the logging stage. Never log a
//! secret, a token or a body. Event texts are fixed phrases in lower case, the variable part goes into fields.
//!
//! **Invariant:** control characters of anybody's data never reach the terminal raw: both formats escape them.

use std::fmt;
use std::io::{self, IsTerminal};

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::printable::{is_unsafe, printable};
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatFields, Writer};

use crate::config::{Format, Telemetry};
use crate::error::{Error, Result};
use crate::supervise;

/// Names of fields, so that one thing has one name in every event.
pub mod field {
    /// A tenant id.
    pub const TENANT: &str = "tenant";
    /// A request id.
    pub const REQUEST: &str = "request";
    /// A run id.
    pub const RUN: &str = "run";
    /// A job id.
    pub const JOB: &str = "job";
    /// A stage's name.
    pub const STAGE: &str = "stage";
    /// A stable error code.
    pub const CODE: &str = "code";
    /// What only the operator may see of an error.
    pub const OPERATOR: &str = "operator";
    /// A task's name.
    pub const TASK: &str = "task";
}

/// Starts the telemetry of this process, once.
pub fn init(settings: &Telemetry) -> Result<()> {
    let filter = EnvFilter::builder().parse(&settings.level).map_err(|error| {
        Error::new(ErrorCode::ConfigInvalid, format!("telemetry.level {:?} is not a filter", settings.level))
            .with_hint(
                "write a level (error, warn, info, debug, trace) or `info,tenantry_daemon::store=debug`",
            )
            .with_source(error)
    })?;
    let terminal = std::io::stderr().is_terminal();
    let text = match settings.format {
        Format::Auto => terminal,
        Format::Text => true,
        Format::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if text {
        builder.with_ansi(terminal).fmt_fields(EscapedFields).try_init()
    } else {
        let builder = builder.with_writer(|| EscapedWriter(std::io::stderr()));
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
    started.map_err(|error| Error::internal("start telemetry").with_source(error))?;
    log_panics();
    Ok(())
}

/// Writes an error that is answered to a caller, once, at the door. What the caller did wrong is debug output.
pub fn answered(error: &Error, request: tenantry_protocol::id::RequestId) {
    let (code, detail, operator) = (error.code().as_str(), error.detail(), error.operator_line());
    if error.code().status() >= 500 {
        tracing::error!(%request, code, detail, operator, "request failed");
    } else {
        tracing::debug!(%request, code, detail, operator, "request refused");
    }
}

/// Sends panics through telemetry instead of raw to standard error.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        if supervise::note_place(&place) {
            return;
        }
        let message = info.payload_as_str().unwrap_or("a value that is not a text");
        tracing::error!(place, message, "panic");
    }));
}

/// Fields as `name=value`, with every control character escaped.
struct EscapedFields;

impl<'writer> FormatFields<'writer> for EscapedFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = EscapedVisitor { writer, result: Ok(()), empty: true };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct EscapedVisitor<'writer> {
    writer: Writer<'writer>,
    result: fmt::Result,
    empty: bool,
}

impl Visit for EscapedVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.write(field, &value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, &format_args!("{value:?}"));
    }
}

impl EscapedVisitor<'_> {
    fn write(&mut self, field: &Field, value: &dyn fmt::Display) {
        if self.result.is_err() {
            return;
        }
        let gap = if self.empty { "" } else { " " };
        self.empty = false;
        let mut escaped = Escaped(&mut self.writer);
        self.result = match field.name() {
            "message" => fmt::write(&mut escaped, format_args!("{gap}{value}")),
            name => fmt::write(&mut escaped, format_args!("{gap}{name}={value}")),
        };
    }
}

/// Writes text as [`printable`] shows it.
struct Escaped<'w, 'writer>(&'w mut Writer<'writer>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&printable(text))
    }
}

/// Escapes in finished JSON what JSON itself lets pass: C1 controls, DEL and bidirectional overrides. They occur
/// inside of strings only, where an escape means the same. One event is one write, so no character is torn.
struct EscapedWriter<W>(W);

impl<W: io::Write> io::Write for EscapedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let hostile = |c: char| c != '\n' && is_unsafe(c);
        if text.contains(hostile) {
            let escape =
                |c: char| if hostile(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
            self.0.write_all(text.chars().map(escape).collect::<String>().as_bytes())?;
        } else {
            self.0.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while held").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic while held").clone())
                .expect("telemetry is UTF-8")
        }
    }

    const HOSTILE: &str = "\x1b]52;c;ZXZpbA==\x07\r\u{202e}\u{9b}31m";

    #[test]
    fn control_characters_of_data_do_not_reach_the_terminal() {
        let captured = Captured::default();
        let sink = captured.clone();
        let text = tracing_subscriber::fmt()
            .with_ansi(false)
            .fmt_fields(EscapedFields)
            .with_writer(move || sink.clone())
            .finish();
        tracing::subscriber::with_default(text, || {
            tracing::info!(name = HOSTILE, shown = %HOSTILE, "workflow {HOSTILE} applied");
        });
        let sink = captured.clone();
        let json = tracing_subscriber::fmt().json().with_writer(move || EscapedWriter(sink.clone())).finish();
        tracing::subscriber::with_default(json, || {
            tracing::info!(name = HOSTILE, shown = %HOSTILE, "workflow applied");
        });
        let text = captured.text();
        assert_eq!(text.lines().count(), 2, "{text:?}");
        let raw = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(raw, None, "{text:?}");
        let json: serde_json::Value =
            serde_json::from_str(text.lines().nth(1).expect("two lines")).expect("JSON");
        assert_eq!(json["fields"]["name"], HOSTILE, "escaping loses nothing");
    }

    #[test]
    fn a_filter_that_is_none_is_refused_with_the_key() {
        let settings = Telemetry { level: "=loud=".to_owned(), format: Format::Json };
        let error = init(&settings).expect_err("no filter");
        assert_eq!(error.code(), ErrorCode::ConfigInvalid);
        assert!(error.detail().contains("telemetry.level"), "{error}");
    }
}
