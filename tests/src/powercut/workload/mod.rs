//! What the recorded child does: queue commits of the shape that the daemon's store makes.
//!
//! Each of several lanes accepts an event with its job in one commit and, in the next, settles the job: run, next
//! stage's job and audit record in, old job out. A lane marks a commit only after the store said that it is done.
//! `store` does it with the real store, `bare` with SQLite alone.

pub mod bare;
pub mod store;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

/// Where acknowledgements are marked; the shim turns each write into a mark.
pub struct Acks(Mutex<File>);

impl Acks {
    /// Opens the path that the shim watches.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(File::options().append(true).open(path)?)))
    }

    /// Marks the `number`th commit of a lane as acknowledged.
    pub fn mark(&self, lane: u32, number: u32) -> io::Result<()> {
        let mut file = self.0.lock().map_err(|_| io::Error::other("another lane panicked"))?;
        file.write_all(format!("{lane} {number}\n").as_bytes())
    }
}
