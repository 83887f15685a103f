//! The trigger stage, asked at the door: what an event starts, for whoever can write it at once.
//!
//! The decision is the same as for a job, and settle writes it; only the row of a queue in between is saved. An event
//! that wants more than to start runs takes the queue.

use super::{Trigger, take};
use crate::service::catalog::TenantCatalog;
use crate::service::directory::Tenant;
use crate::service::material::EventMaterial;
use crate::service::prompt::{Prompt, Starts};
use crate::stage::outcome::{Effect, Outcome};
use crate::stage::settle;

impl Prompt for Trigger {
    fn starts(&self, tenant: &Tenant, catalog: &TenantCatalog, event: &EventMaterial) -> Option<Starts> {
        let Outcome::Done(effects) = take(tenant, event, Vec::new(), catalog) else { return None };
        let starts = |effect: &Effect| matches!(effect, Effect::StartRun(_));
        if !effects.iter().all(starts) {
            return None;
        }
        Some(Box::new(move |ledger| {
            for effect in &effects {
                settle::apply(ledger, effect, None)?;
            }
            Ok(!effects.is_empty())
        }))
    }
}
