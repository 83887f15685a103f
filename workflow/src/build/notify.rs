//! Notification rules.

use crate::build::Build;
use crate::build::rules::NOTIFY;
use crate::definition::{NotifyOn, NotifyRule};
use crate::source::Node;

impl Build<'_, '_> {
    pub(super) fn notify(&mut self, node: Option<&Node>) -> Vec<NotifyRule> {
        let mut rules = Vec::new();
        for node in node.map(Node::one_or_many).unwrap_or_default() {
            let on = node.get("on").map(Node::one_or_many).unwrap_or_default();
            let on = on.iter().filter_map(Node::text).filter_map(word).collect();
            let channel = self.name(node, "channel");
            let title = node.get("title").and_then(|title| self.template(title, &NOTIFY, None));
            let message = node.get("message").and_then(|message| self.template(message, &NOTIFY, None));
            if let (Some(channel), Some(message)) = (channel, message) {
                rules.push(NotifyRule { on, channel, title, message });
            }
        }
        rules
    }
}

fn word(text: &str) -> Option<NotifyOn> {
    match text {
        "success" => Some(NotifyOn::Success),
        "failure" => Some(NotifyOn::Failure),
        "recovery" => Some(NotifyOn::Recovery),
        "always" => Some(NotifyOn::Always),
        _ => None,
    }
}
