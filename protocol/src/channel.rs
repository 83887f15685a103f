//! Channels, notifications and the inbox as clients see them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, NotificationId, RunId};

/// Where notifications go, as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum ChannelConfig {
    /// The tenant's inbox: messages are kept in its file and read by clients.
    Inbox,
    /// An HTTP receiver; signed as Standard Webhooks when a secret is named.
    Webhook {
        /// Where to POST.
        url: String,
        /// The name of the tenant's secret that signs (`whsec_…` or any text).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<String>,
        /// Extra headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
}

impl ChannelConfig {
    /// The word in the `kind` field.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Webhook { .. } => "webhook",
        }
    }
}

/// A channel as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ChannelView {
    /// Its id.
    pub id: ChannelId,
    /// Its name, unique in the tenant; workflows refer to it.
    pub name: String,
    /// Where it leads.
    pub config: ChannelConfig,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

crate::state::words! {
    /// Where a notification stands.
    NotificationState {
        /// Its job is in the notification queue.
        Pending = "pending",
        /// The channel took it.
        Delivered = "delivered",
        /// It is a dead letter.
        Failed = "failed",
    }
}

/// One message to one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NotificationView {
    /// Its id; stable over attempts, sent as `webhook-id`.
    pub id: NotificationId,
    /// The channel's name.
    pub channel: String,
    /// The run it tells about; absent for a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Where it stands.
    pub state: NotificationState,
    /// One line.
    pub title: String,
    /// The message.
    pub body: String,
    /// Attempts so far.
    pub attempt: u32,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<i64>,
    /// When a person marked it as read (inbox only); unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<i64>,
}

/// Which messages of the inbox are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InboxQuery {
    /// Only those that nobody has read.
    #[serde(default)]
    pub unread: bool,
    /// As in every list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// As in every list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
