//! `tenantry workflow next`: the fires to come, and what became of those before.

use tenantry_protocol::path::Operation;
use tenantry_protocol::workflow::{FireView, NextFires, NextQuery, ScheduleView};

use crate::failure::Failure;
use crate::moment::Clock;
use crate::session::Session;
use crate::table::{Cell, Column, Row, Tone};

pub(super) async fn next(session: &Session, name: &str, limit: u32) -> Result<(), Failure> {
    let output = session.output;
    let tenant = session.tenant().await?;
    let query = NextQuery { limit: Some(limit) };
    let next: NextFires = session.get(Operation::WorkflowNext, &[&tenant, name], &query).await?;
    output.machine(&next, &next.workflow, || {
        if next.schedules.is_empty() {
            return output.line("no schedule starts this workflow");
        }
        output.table(&next.schedules)?;
        output.line("")?;
        if next.enabled { output.table(&next.fires) } else { output.line("the workflow is disabled") }
    })
}

impl Row for FireView {
    const COLUMNS: &'static [Column] = &[
        Column::new("FIRES"),
        Column::new("WHEN"),
        Column::new("STARTS"),
        Column::new("SCHEDULE"),
        Column::wide("TIMEZONE"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        let starts = (self.starts_at != self.at).then(|| clock.at(self.starts_at));
        vec![
            self.local.clone().into(),
            clock.at(self.at).into(),
            Cell::or_dash(starts),
            self.schedule.clone().into(),
            self.timezone.clone().into(),
        ]
    }

    fn name(&self) -> String {
        self.local.clone()
    }
}

impl Row for ScheduleView {
    const COLUMNS: &'static [Column] = &[
        Column::new("SCHEDULE"),
        Column::new("TIMEZONE"),
        Column::new("LAST"),
        Column::new("NEXT"),
        Column::right("STARTED"),
        Column::right("MISSED"),
        Column::right("SKIPPED"),
        Column::wide("LAST MISSED"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        let tone = if self.missed > 0 { Tone::Warn } else { Tone::Plain };
        vec![
            self.schedule.clone().into(),
            self.timezone.clone().into(),
            clock.at_if(self.last_fire).into(),
            clock.at_if(self.next_at).into(),
            self.started.to_string().into(),
            Cell::toned(self.missed.to_string(), tone),
            self.skipped.to_string().into(),
            clock.at_if(self.last_missed).into(),
        ]
    }

    fn name(&self) -> String {
        self.schedule.clone()
    }
}
