//! The items of a `foreach`, on the simulated clock.

use serde_json::{Value, json};

use super::{Play, value};
use crate::definition::Step;
use crate::rehearsal::mock::Answer;
use crate::retry::FailureClass;

impl Play<'_> {
    /// All items of a step, one mock after the other; they are not tried again here. It takes as long as the longest.
    pub(super) fn items(&mut self, step: &Step, attempt: u32) -> (Answer, u64) {
        let items = self.rows.get(step.index).map(|row| row.items.clone()).unwrap_or_default();
        let (mut outputs, mut failed, mut longest) = (Vec::new(), 0, 0);
        for (number, item) in (1..).zip(&items) {
            let (answer, took) = self.one(step, attempt, number, item);
            longest = longest.max(took);
            outputs.push(match answer {
                Answer::Done(left) => value::output(&left),
                Answer::Failed { .. } => {
                    failed += 1;
                    Value::Null
                }
            });
            if failed > 0 && step.foreach.as_ref().is_some_and(|foreach| foreach.fail_fast) {
                outputs.resize(items.len(), Value::Null);
                break;
            }
        }
        let left = json!({ "output": outputs });
        if failed == 0 {
            return (Answer::Done(left), longest);
        }
        let error = format!("{failed} of {} items failed", items.len());
        (Answer::Failed { class: FailureClass::Permanent, error, left, retry_after_ms: None }, longest)
    }
}
