//! The panes, one file each. A pane gets an area and the model and draws; it decides nothing.

pub mod attempts;
pub mod dead;
pub mod host;
pub mod log;
pub mod overview;
pub mod queues;
pub mod run;
pub mod runs;
pub mod stages;
pub mod steps;
pub mod tenants;
