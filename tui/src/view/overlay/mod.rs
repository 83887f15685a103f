//! What lies over the panes for a moment.

pub mod chooser;
pub mod help;
