//! What stands in place of the panes for a moment.

pub mod chooser;
pub mod help;
