//! Times and files.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::build::Build;
use crate::definition::{FileTrigger, INBOX};
use crate::limits::{MAX_FILE_PATTERN_CHARS, MAX_JITTER_MS};
use crate::schedule::{Catchup, Cron, Overlap, Schedule, When, Zone};
use crate::source::Node;

/// How late a fire may still be caught up if nothing is said: one day.
const DEFAULT_CATCHUP_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a file must be left alone if nothing is said.
const DEFAULT_STABLE_MS: u64 = 2_000;

impl Build<'_, '_> {
    /// `on.schedule`
    pub(super) fn schedules(&mut self, node: Option<&Node>) -> Vec<Schedule> {
        let mut schedules: Vec<Schedule> = Vec::new();
        for node in node.map(Node::one_or_many).unwrap_or_default() {
            let Some(schedule) = self.schedule(node) else { continue };
            if schedules.iter().any(|other| other.key() == schedule.key()) {
                let message = "another schedule of this workflow fires at the same times";
                self.findings.error("duplicate-schedule", node.span.start..node.span.start, message, None);
            }
            schedules.push(schedule);
        }
        schedules
    }

    fn schedule(&mut self, node: &Node) -> Option<Schedule> {
        let zone = match node.get("timezone") {
            Some(node) => self.zone(node),
            None => Some(Zone::utc()),
        };
        let catchup = word(node, "catchup", Catchup::ALL, Catchup::as_str);
        let overlap = word(node, "overlap", Overlap::ALL, Overlap::as_str);
        let window = self.duration(node, "catchup-window");
        if let Some(at) = node.key_span("catchup-window")
            && catchup == Catchup::None
        {
            let message = "`catchup-window` has no meaning with `catchup: none`";
            self.findings.error("misplaced-key", at, message, None);
        }
        let jitter_ms = self.duration(node, "jitter").unwrap_or_default();
        if jitter_ms > MAX_JITTER_MS {
            let at = node.get("jitter").map(|node| node.span.clone()).unwrap_or_default();
            self.findings.error("bad-duration", at, "`jitter` is longer than a day", None);
        }
        let when = match (node.get("cron"), node.get("at")) {
            (Some(cron), _) => self.cron(cron),
            (None, Some(at)) => self.instant(at, zone.as_ref()),
            (None, None) => None,
        };
        let catchup_window_ms = window.unwrap_or(DEFAULT_CATCHUP_WINDOW_MS);
        Some(Schedule { when: when?, zone: zone?, catchup, catchup_window_ms, overlap, jitter_ms })
    }

    fn zone(&mut self, node: &Node) -> Option<Zone> {
        match Zone::parse(node.text()?) {
            Ok(zone) => Some(zone),
            Err(error) => {
                let message = error.to_string();
                self.findings.error("bad-timezone", node.span.clone(), message, Some(error.help));
                None
            }
        }
    }

    fn cron(&mut self, node: &Node) -> Option<When> {
        let text = node.text()?;
        match Cron::parse(text) {
            Ok(cron) => Some(When::Cron(Arc::new(cron))),
            Err(error) => {
                let at = self.findings.source().inside(&node.span, text, error.offset);
                self.findings.error("bad-cron", at..at, error.message, error.help);
                None
            }
        }
    }

    fn instant(&mut self, node: &Node, zone: Option<&Zone>) -> Option<When> {
        let text = node.text()?;
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Some(When::At { instant: instant.as_millisecond(), text: text.into() });
        }
        // A day alone would be a midnight that nobody wrote.
        let local =
            Some(text).filter(|text| text.contains(':')).and_then(|text| text.parse::<DateTime>().ok());
        let Some(local) = local else {
            let help = "write `2026-12-24T18:00:00`, or `2026-12-24T18:00:00+01:00`".to_owned();
            self.findings.error("bad-instant", node.span.clone(), "this is no date with a time", Some(help));
            return None;
        };
        let instant = zone?.first_instant(local)?;
        Some(When::At { instant, text: text.into() })
    }

    /// `on.file`
    pub(super) fn files(&mut self, node: Option<&Node>) -> Vec<FileTrigger> {
        let mut triggers: Vec<FileTrigger> = Vec::new();
        for node in node.map(Node::one_or_many).unwrap_or_default() {
            let stable_ms = self.duration(node, "stable-for").unwrap_or(DEFAULT_STABLE_MS);
            let Some(path) = node.get("path") else { continue };
            let Some(pattern) = self.file_pattern(path) else { continue };
            if triggers.iter().any(|other| other.pattern == pattern) {
                let message = "another file trigger of this workflow has this path";
                self.findings.error("duplicate-path", path.span.clone(), message, None);
            }
            triggers.push(FileTrigger { pattern, stable_ms });
        }
        triggers
    }

    fn file_pattern(&mut self, node: &Node) -> Option<String> {
        let text = node.text()?;
        let name = text.strip_prefix(INBOX).and_then(|rest| rest.strip_prefix('/'));
        let good = |name: &&str| {
            !name.is_empty()
                && !name.starts_with('.')
                && name.len() <= MAX_FILE_PATTERN_CHARS
                && !name.contains('/')
                && !name.contains("${{")
                && !name.chars().any(char::is_control)
        };
        let Some(name) = name.filter(good) else {
            let help = "write `inbox/` and a name without a dot in front, such as `inbox/*.csv`".to_owned();
            let message = "this names no files of the inbox folder";
            self.findings.error("bad-path", node.span.clone(), message, Some(help));
            return None;
        };
        Some(name.to_owned())
    }
}

/// The word of a key; its default where there is none, or where it was reported as unknown.
fn word<W: Copy + Default>(node: &Node, key: &str, all: &[W], text: fn(W) -> &'static str) -> W {
    let given = node.get(key).and_then(Node::text);
    all.iter().copied().find(|word| Some(text(*word)) == given).unwrap_or_default()
}
