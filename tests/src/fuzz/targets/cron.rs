//! Cron expressions: what is read says the same when it is read again, and its fires are in order, after the asked
//! instant, and the same wherever the asking begins.

use std::sync::Arc;

use tenantry_workflow::schedule::{Catchup, Cron, Overlap, Schedule, When, Zone};

use super::{outline, shape};

/// 2026-03-28T00:00:00Z, the day before Europe changes its clocks.
const AFTER: i64 = 1_774_656_000_000;
/// Fires that are asked for.
const FIRES: usize = 6;

pub(super) fn try_input(input: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(input);
    let cron = match Cron::parse(&text) {
        Ok(cron) => cron,
        Err(error) => return Ok(shape(outline(&error.to_string()))),
    };
    if Cron::parse(cron.as_str()).as_ref() != Ok(&cron) {
        return Err(format!("{:?} is not read as it was written", cron.as_str()));
    }
    let zones = ["UTC", "Europe/Berlin", "Australia/Lord_Howe"];
    let name = zones[text.len() % zones.len()];
    let zone = Zone::parse(name).map_err(|error| error.to_string())?;
    let schedule = Schedule {
        when: When::Cron(Arc::new(cron.clone())),
        zone,
        catchup: Catchup::Latest,
        catchup_window_ms: 0,
        overlap: Overlap::Skip,
        jitter_ms: 0,
    };
    let mut fires = Vec::new();
    let mut after = AFTER;
    while fires.len() < FIRES {
        let Some(fire) = schedule.next_after(after) else { break };
        if fire <= after {
            return Err(format!("{fire} is not after {after}"));
        }
        fires.push(fire);
        after = fire;
    }
    if let Some(last) = fires.last() {
        let listed: Vec<i64> = schedule.fires_between(AFTER, *last).take(FIRES).collect();
        if listed != fires {
            return Err(format!("one after another {fires:?}, at once {listed:?}"));
        }
    }
    let steps: Vec<i64> = fires.windows(2).map(|pair| (pair[1] - pair[0]) / 60_000).collect();
    Ok(shape((steps, cron.as_str().split(' ').count())))
}
