//! Tenants: the isolation unit, one SQLite file each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::TenantId;
use crate::state::{StageName, TenantState};

/// Creates a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TenantCreate {
    /// Unique on the host; part of webhook URLs. Lower-case letters, digits, dashes; at most 63.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What differs from the host's defaults.
    #[serde(default)]
    pub limits: TenantLimits,
}

/// Changes a tenant; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TenantUpdate {
    /// A new title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `active` or `suspended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TenantState>,
    /// Replaces the tenant's limits as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<TenantLimits>,
}

/// What one tenant may use; absent fields take the host's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TenantLimits {
    /// Jobs that may wait in the trigger queue before new events are refused with 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_quota: Option<u32>,
    /// Share of every stage relative to other tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Webhook requests a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_per_second: Option<u32>,
    /// Private addresses that this tenant's steps and channels may reach: `host:port`, `host:*` or a CIDR.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress_allow: Vec<String>,
}

/// A tenant as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TenantView {
    /// Its id; also the name of its folder.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether it is served.
    pub state: TenantState,
    /// Whether its store or one of its stages fails at present.
    pub degraded: bool,
    /// What differs from the host's defaults.
    pub limits: TenantLimits,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// The public key that signs its audit checkpoints, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_key: Option<String>,
    /// The folder on the daemon's machine that `on.file` looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<String>,
}

/// What a tenant has done and what waits, counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TenantStats {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// Whether it is served.
    pub state: TenantState,
    /// Whether its store or one of its stages fails at present.
    pub degraded: bool,
    /// Counted since the daemon started.
    pub counters: Counters,
    /// One entry a stage.
    pub queues: Vec<QueueView>,
}

/// Counted since the daemon started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// Events made durable.
    pub events_accepted: u64,
    /// Events refused: signature, quota, rate.
    pub events_refused: u64,
    /// Events that were seen before.
    pub events_duplicate: u64,
    /// Runs that started.
    pub runs_started: u64,
    /// Runs that succeeded.
    pub runs_succeeded: u64,
    /// Runs that failed or timed out.
    pub runs_failed: u64,
    /// Runs that were cancelled.
    pub runs_cancelled: u64,
    /// Attempts of steps.
    pub attempts: u64,
    /// Notifications delivered.
    pub notifications_delivered: u64,
    /// Jobs that became dead letters.
    pub dead_letters: u64,
}

/// How many jobs wait in one stage of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct QueueView {
    /// The stage.
    pub stage: StageName,
    /// Jobs that are due or will be.
    pub ready: u64,
    /// Jobs that are being handled or handed over.
    pub leased: u64,
    /// Dead letters.
    pub dead: u64,
    /// Age of the oldest due job in milliseconds.
    pub oldest_ms: u64,
}
