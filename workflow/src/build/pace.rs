//! What holds runs back, and how long they are kept.

use crate::build::Build;
use crate::build::rules::PACE;
use crate::definition::{Batch, Concurrency, Debounce, OnConflict, Pace, Retention, Throttle};
use crate::expression::Template;
use crate::language::structure::whole;
use crate::limits::{MAX_GATHER_MS, MAX_THROTTLE_DELAY_MS};
use crate::source::Node;

impl Build<'_, '_> {
    pub(super) fn pace(&mut self, root: &Node) -> Pace {
        Pace {
            concurrency: root.get("concurrency").map(|node| self.concurrency(node)),
            throttle: root.get("throttle").and_then(|node| self.throttle(node)),
            debounce: root.get("debounce").and_then(|node| self.debounce(node)),
            batch: root.get("batch").and_then(|node| self.batch(node)),
        }
    }

    /// What tells groups apart. A text without an expression is one group, which may be meant.
    fn key(&mut self, node: &Node, key: &str) -> Option<Template> {
        let node = node.get(key)?;
        self.template(node, &PACE, None)
    }

    fn concurrency(&mut self, node: &Node) -> Concurrency {
        let word = node.get("on-conflict").and_then(Node::text);
        let on_conflict = OnConflict::ALL.iter().copied().find(|known| Some(known.as_str()) == word);
        Concurrency {
            group: self.key(node, "group"),
            limit: count(node, "limit").unwrap_or(1),
            on_conflict: on_conflict.unwrap_or_default(),
        }
    }

    fn throttle(&mut self, node: &Node) -> Option<Throttle> {
        let key = self.key(node, "key");
        let per_ms = self.at_most(node, "per", MAX_THROTTLE_DELAY_MS);
        let limit = count(node, "limit");
        let burst = count(node, "burst").unwrap_or(1);
        if let (Some(limit), Some(at)) = (limit, node.get("burst"))
            && burst > limit
        {
            let message = "`burst` is more than `limit`";
            self.findings.error("burst-over-limit", at.span.clone(), message, None);
        }
        Some(Throttle { limit: limit?, per_ms: per_ms?, burst, key })
    }

    fn debounce(&mut self, node: &Node) -> Option<Debounce> {
        let key = self.key(node, "key");
        let for_ms = self.at_most(node, "for", MAX_GATHER_MS);
        let max_wait_ms = self.at_most(node, "max-wait", MAX_GATHER_MS);
        if let (Some(for_ms), Some(max), Some(at)) = (for_ms, max_wait_ms, node.get("max-wait"))
            && max < for_ms
        {
            let message = "`max-wait` is shorter than `for`";
            self.findings.error("max-wait-shorter", at.span.clone(), message, None);
        }
        Some(Debounce { key, for_ms: for_ms?, max_wait_ms })
    }

    fn batch(&mut self, node: &Node) -> Option<Batch> {
        let key = self.key(node, "key");
        let within_ms = self.at_most(node, "within", MAX_GATHER_MS);
        Some(Batch { size: count(node, "size")?, within_ms: within_ms?, key })
    }

    pub(super) fn retention(&mut self, node: Option<&Node>) -> Retention {
        let Some(node) = node else { return Retention::default() };
        let (runs_ms, logs_ms) = (self.duration(node, "runs"), self.duration(node, "logs"));
        if let (Some(runs), Some(logs), Some(at)) = (runs_ms, logs_ms, node.get("logs"))
            && logs > runs
        {
            let message = "log lines go with their run; `logs` is longer than `runs`";
            self.findings.warning("logs-outlive-run", at.span.clone(), message, None);
        }
        Retention { runs_ms, logs_ms }
    }

    fn at_most(&mut self, node: &Node, key: &str, most: u64) -> Option<u64> {
        let ms = self.duration(node, key)?;
        if ms > most {
            let at = node.get(key).map(|node| node.span.clone()).unwrap_or_default();
            let message = format!("`{key}` is longer than {}", days(most));
            self.findings.error("bad-duration", at, message, None);
        }
        Some(ms)
    }
}

fn count(node: &Node, key: &str) -> Option<u32> {
    u32::try_from(whole(node.get(key)?)?).ok()
}

fn days(ms: u64) -> String {
    format!("{} days", ms / (24 * 60 * 60 * 1000))
}
