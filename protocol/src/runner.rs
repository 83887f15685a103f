//! Frames between the daemon and the runner process.
