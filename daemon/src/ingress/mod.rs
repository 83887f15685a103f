//! Being built.

pub mod verify;
