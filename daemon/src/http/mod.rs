//! Being built.

pub mod listen;
