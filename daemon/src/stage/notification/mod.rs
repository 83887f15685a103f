//! The notification stage: delivers one message to one channel.
//!
//! Deliveries are at least once; the notification's id is the same for every attempt, so a receiver can tell
//! repeats. Go next to the file of a kind of channel: [`webhook`]. The inbox needs none: its messages are rows.

mod webhook;

use std::sync::Arc;
use std::time::Duration;

use tenantry_protocol::channel::ChannelConfig;
use tenantry_protocol::state::StageName;

use super::outcome::{Delivery, DeliveryResult, Effect, Outcome};
use super::{JobContext, Stage};
use crate::config;
use crate::egress::Egress;
use crate::service::material::{Material, NotificationMaterial};
use crate::service::secrets::Secrets;

/// How long one delivery may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The stage with what it may touch.
pub struct Notification {
    /// The way out.
    pub egress: Arc<Egress>,
    /// The tenants' secrets.
    pub secrets: Secrets,
    /// How often and how fast a delivery is tried again.
    pub retry: config::Stage,
}

/// Why a channel did not take a message.
struct Refused {
    error: String,
    transient: bool,
    retry_after_ms: Option<u64>,
}

impl Stage for Notification {
    const NAME: StageName = StageName::Notification;
    type Payload = Arc<NotificationMaterial>;

    fn payload(&self, material: Material) -> Option<Arc<NotificationMaterial>> {
        match material {
            Material::Notification(notification) => Some(notification),
            Material::Event(_)
            | Material::Unread(_)
            | Material::Awaited(..)
            | Material::Turn(..)
            | Material::Gathered(_)
            | Material::Step(..)
            | Material::Record(..) => None,
        }
    }

    fn time_limit(&self, _: &Arc<NotificationMaterial>) -> Duration {
        TIME_LIMIT
    }

    async fn handle(&self, context: &JobContext, payload: Arc<NotificationMaterial>) -> Outcome {
        let attempt = context.attempt;
        let deliver = |result| {
            let notification = Arc::clone(&payload);
            vec![Effect::Deliver(Delivery { notification, attempt, result })]
        };
        let Err(Refused { error, transient, retry_after_ms }) = self.deliver(context, &payload).await else {
            return Outcome::Done(deliver(DeliveryResult::Delivered));
        };
        if transient && attempt < self.retry.attempts {
            let after_ms = self.pause_ms(attempt).max(retry_after_ms.unwrap_or_default());
            let effects = deliver(DeliveryResult::Retrying(error.clone()));
            return Outcome::Retry { after_ms, error, effects };
        }
        let effects = deliver(DeliveryResult::Failed(error.clone()));
        Outcome::Reject { error, effects }
    }
}

impl Notification {
    async fn deliver(&self, context: &JobContext, message: &NotificationMaterial) -> Result<(), Refused> {
        match serde_json::from_str::<ChannelConfig>(&message.channel.config) {
            Ok(ChannelConfig::Inbox) => Ok(()),
            Ok(ChannelConfig::Webhook { url, secret, headers }) => {
                self.webhook(context, message, webhook::Target { url, secret, headers }).await
            }
            Err(error) => {
                let error =
                    format!("channel {} is not valid for this release: {error}", message.channel.name);
                Err(Refused { error, transient: false, retry_after_ms: None })
            }
        }
    }

    /// Doubled after each attempt, up to the limit.
    fn pause_ms(&self, attempt: u32) -> u64 {
        let doubled = self.retry.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        u64::try_from(doubled.min(self.retry.backoff_limit).as_millis()).unwrap_or(u64::MAX)
    }
}
