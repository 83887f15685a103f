//! The run that was opened: its steps and the last lines of its log.

use std::collections::VecDeque;

use tenantry_protocol::id::{RunId, TenantId};
use tenantry_protocol::run::{LogLine, RunView};

use super::cursor::{Cursor, PAGE_ROWS, Step};
use super::refresh::Refresh;
use crate::message::Trouble;

/// How many log lines are kept; older ones are dropped and counted.
pub const LINES_KEPT: usize = 2_000;
/// How many bytes of log text are kept.
pub const LOG_BYTES_KEPT: usize = 1 << 20;

/// Which pane of the run has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunPane {
    /// The steps.
    #[default]
    Steps,
    /// The log.
    Log,
}

/// A run that was opened.
#[derive(Clone, Debug)]
pub struct OpenRun {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The tenant's name, as the API takes it.
    pub tenant_name: String,
    /// What was read; absent before the first answer.
    pub view: Option<RunView>,
    /// Why it cannot be read.
    pub trouble: Option<Trouble>,
    /// The selected step.
    pub cursor: Cursor<String>,
    /// Which pane has the keys.
    pub pane: RunPane,
    /// Its log.
    pub log: Log,
    /// When to read it again.
    pub refresh: Refresh,
}

impl OpenRun {
    /// A run of which nothing is known yet.
    pub fn new(id: RunId, tenant: TenantId, tenant_name: String) -> Self {
        Self {
            id,
            tenant,
            tenant_name,
            view: None,
            trouble: None,
            cursor: Cursor::default(),
            pane: RunPane::default(),
            log: Log::default(),
            refresh: Refresh::default(),
        }
    }

    /// Whether more is to come.
    pub fn is_running(&self) -> bool {
        self.view.as_ref().is_none_or(|view| !view.state.is_terminal())
    }

    /// The ids of its steps, in the order of the workflow.
    pub fn step_ids(&self) -> Vec<String> {
        self.view.iter().flat_map(|view| &view.steps).map(|step| step.id.clone()).collect()
    }
}

/// The last lines of a run's log, bounded.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: VecDeque<LogLine>,
    bytes: usize,
    /// Lines that were dropped to stay within the limits.
    dropped: u64,
    /// How many lines above the last one the window ends; 0 follows the log.
    back: usize,
    /// Whether long lines are shown whole.
    pub wraps: bool,
    /// Whether it was read to its end.
    pub ended: bool,
    /// Why it could not be read further.
    pub trouble: Option<Trouble>,
}

impl Log {
    /// Takes lines, oldest first; those that are known already are left out.
    pub fn push(&mut self, lines: Vec<LogLine>) {
        for line in lines {
            if self.last_seq().is_some_and(|last| line.seq <= last) {
                continue;
            }
            self.bytes += line.text.len();
            self.lines.push_back(line);
            if self.back > 0 {
                self.back += 1;
            }
            while self.lines.len() > LINES_KEPT || self.bytes > LOG_BYTES_KEPT {
                let Some(gone) = self.lines.pop_front() else { break };
                self.bytes -= gone.text.len();
                self.dropped += 1;
            }
        }
        self.back = self.back.min(self.lines.len().saturating_sub(1));
    }

    /// The last line that is known.
    pub fn last_seq(&self) -> Option<i64> {
        self.lines.back().map(|line| line.seq)
    }

    /// The lines that are kept.
    pub const fn lines(&self) -> &VecDeque<LogLine> {
        &self.lines
    }

    /// Lines that were dropped to stay within the limits.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether the newest line stays in sight.
    pub const fn follows(&self) -> bool {
        self.back == 0
    }

    /// The last `height` lines up to where the window ends.
    pub fn window(&self, height: usize) -> impl Iterator<Item = &LogLine> {
        let end = self.lines.len().saturating_sub(self.back).max(height.min(self.lines.len()));
        self.lines.range(end.saturating_sub(height)..end)
    }

    /// Moves the window.
    pub fn step(&mut self, step: Step) {
        let oldest = self.lines.len().saturating_sub(1);
        self.back = match step {
            Step::Up => self.back + 1,
            Step::Down => self.back.saturating_sub(1),
            Step::PageUp => self.back + PAGE_ROWS,
            Step::PageDown => self.back.saturating_sub(PAGE_ROWS),
            Step::First => oldest,
            Step::Last => 0,
        }
        .min(oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::log_line;

    fn seqs(log: &Log, height: usize) -> Vec<i64> {
        log.window(height).map(|line| line.seq).collect()
    }

    #[test]
    fn lines_are_taken_once_and_the_window_stays_where_it_is() {
        let mut log = Log::default();
        log.push((1..=5).map(|seq| log_line(seq, "x")).collect());
        log.push((4..=6).map(|seq| log_line(seq, "x")).collect());
        assert_eq!(seqs(&log, 3), [4, 5, 6]);
        log.step(Step::Up);
        assert_eq!(seqs(&log, 3), [3, 4, 5]);
        log.push(vec![log_line(7, "x")]);
        assert_eq!(seqs(&log, 3), [3, 4, 5]);
        log.step(Step::First);
        assert_eq!(seqs(&log, 3), [1, 2, 3]);
        log.step(Step::Last);
        assert!(log.follows());
        assert_eq!(seqs(&log, 99), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn memory_is_bounded_by_lines_and_by_bytes() {
        let mut log = Log::default();
        log.push((0..LINES_KEPT as i64 + 3).map(|seq| log_line(seq, "x")).collect());
        assert_eq!((log.lines().len(), log.dropped()), (LINES_KEPT, 3));
        let long = "x".repeat(LOG_BYTES_KEPT / 2);
        log.push((10_000..10_005).map(|seq| log_line(seq, &long)).collect());
        assert!(log.bytes <= LOG_BYTES_KEPT && log.lines().len() <= 2);
    }
}
