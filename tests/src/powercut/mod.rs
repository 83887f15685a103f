//! The power-cut test: what does a store hold after the machine loses power at any point of its work?
//!
//! A child process does numbered commits and marks each one that was acknowledged. A preloaded shim
//! (`tests/powercut/shim.c`) records every write, truncation and sync below the data folder, in order. For a cut point
//! *k* the replayer rebuilds the files as a disk may hold them after operation *k*: what was synced is there, and of
//! what was not, nothing, a random part, or torn sectors. Then SQLite opens the result, checks its integrity, and the
//! oracle compares what it finds with the marks before *k*.
//!
//! Invariant: a control that must fail runs beside every run that must pass. Without it, a shim that records nothing
//! would look like a perfect store.
//!
//! Not modelled: the file system's own journal order across files. `trace` reads records, `disk` is the disk,
//! `oracle` judges one cut, `workload` is what the child does, `run` puts it together.

pub mod disk;
pub mod oracle;
pub mod run;
pub mod trace;
pub mod workload;
