//! A channel took a notification, or did not: the delivery record.

use serde_json::json;
use tenantry_protocol::feed::Change;

use crate::error::Result;
use crate::service::ledger::Ledger;
use crate::stage::outcome::{Delivery, DeliveryResult};
use crate::store::tenant::{notifications, runs};

pub(super) fn apply(ledger: &mut Ledger<'_>, delivery: &Delivery) -> Result<()> {
    let Delivery { notification, attempt, result } = delivery;
    let id = notification.id;
    match result {
        DeliveryResult::Delivered => {
            notifications::set_delivered(ledger.tx, id, ledger.now, *attempt)?;
            if let Some(run) = notification.run {
                runs::set_notified(ledger.tx, run, ledger.now)?;
            }
            ledger.count(|tally| &tally.notifications_delivered);
            let channel = &notification.channel.name;
            ledger.change(|| Change::Notification { notification: id, channel: channel.clone() });
            audit(ledger, delivery, "ok")
        }
        DeliveryResult::Retrying(error) => {
            notifications::set_attempted(ledger.tx, id, *attempt, error)?;
            Ok(())
        }
        DeliveryResult::Failed(error) => {
            notifications::set_failed(ledger.tx, id, *attempt, error)?;
            audit(ledger, delivery, "failed")
        }
    }
}

fn audit(ledger: &Ledger<'_>, delivery: &Delivery, outcome: &str) -> Result<()> {
    let notification = &delivery.notification;
    let detail = json!({
        "channel": notification.channel.name,
        "run": notification.run,
        "attempt": delivery.attempt,
    });
    let resource = notification.id.to_string();
    ledger.audit("system:notification", "notification.deliver", &resource, outcome, &detail)
}
