//! The next fires of a workflow, and what became of those before.

use std::sync::Arc;

use tenantry_protocol::permission::Permission;
use tenantry_protocol::workflow::{FireView, NextFires, NextQuery, ScheduleView};
use tenantry_workflow::limits::MAX_NEXT_FIRES;
use tenantry_workflow::next_fires;

use super::Spec;
use crate::error::Result;
use crate::service::{Authorized, Service};
use crate::store::PAGE_LIMIT;
use crate::store::tenant::schedules;

/// How many fires are shown when nobody says so.
const FIRES_SHOWN: u32 = 10;

impl Service {
    /// Shows when a workflow will start by itself, and how its schedules stand.
    pub async fn next_fires(
        self: &Arc<Self>,
        by: &Authorized,
        name: &str,
        query: &NextQuery,
    ) -> Result<NextFires> {
        let tenant = by.require_tenant(Permission::WorkflowRead)?;
        let live = self.workflow(tenant, name).await?;
        let id = live.id;
        let rows = self.store.tenant(tenant.id)?.read(move |tx| schedules::of(tx, id, PAGE_LIMIT)).await?;
        let most = usize::try_from(query.limit.unwrap_or(FIRES_SHOWN)).unwrap_or(MAX_NEXT_FIRES);
        let entries = &live.workflow.triggers.schedules;
        let fires = if live.enabled {
            next_fires(entries, self.clock.now_ms(), most.clamp(1, MAX_NEXT_FIRES))
        } else {
            Vec::new()
        };
        let fires = fires.into_iter().filter_map(|fire| {
            let entry = entries.get(fire.entry)?;
            let delay = entry.jitter(id.as_bytes(), fire.at);
            Some(FireView {
                at: fire.at,
                local: entry.zone.local_text(fire.at),
                schedule: entry.text().to_owned(),
                timezone: entry.zone.name().to_owned(),
                starts_at: fire.at.saturating_add_unsigned(delay),
            })
        });
        let view = |row: &schedules::Schedule| {
            let spec = Spec::parse(&row.spec)?;
            Ok(ScheduleView {
                schedule: spec.text,
                timezone: spec.timezone,
                next_at: row.next_at,
                last_fire: row.last_fire,
                started: row.started,
                missed: row.missed,
                last_missed: row.last_missed,
                skipped: row.skipped,
            })
        };
        Ok(NextFires {
            workflow: live.name.clone(),
            enabled: live.enabled,
            fires: fires.collect(),
            schedules: rows.iter().map(view).collect::<Result<_>>()?,
        })
    }
}
