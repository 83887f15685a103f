//! Panics, caught and turned into values.
//!
//! **Invariant:** telemetry tells a panic once: whoever catches it knows what was at work, the hook only where it began.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

thread_local! {
    /// How many catchers stand around what this thread does just now.
    static CATCHERS: Cell<u32> = const { Cell::new(0) };
    /// Where the panic that is on its way to a catcher began.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What a task said when it panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {message}{}", at(place.as_deref()))]
pub struct Panicked {
    message: String,
    place: Option<String>,
}

fn at(place: Option<&str>) -> String {
    place.map(|place| format!(" ({place})")).unwrap_or_default()
}

impl Panicked {
    /// The panic's message; for the operator only, it may quote data.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it began: file, line and column; empty if nobody noted it.
    pub fn place(&self) -> &str {
        self.place.as_deref().unwrap_or_default()
    }

    fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("a value that is not a text").to_owned();
        Self { message, place: PLACE.take() }
    }
}

/// Notes where a panic begins. False if no catcher stands around it, so that nobody else will write telemetry about it.
pub fn note_place(place: &str) -> bool {
    let caught = CATCHERS.get() > 0;
    if caught {
        PLACE.set(Some(place.to_owned()));
    }
    caught
}

/// Stands around what is caught, for as long as it is on the stack.
struct Catcher;

impl Catcher {
    fn new() -> Self {
        CATCHERS.set(CATCHERS.get() + 1);
        Self
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        CATCHERS.set(CATCHERS.get() - 1);
    }
}

/// Awaits the future; a panic in it becomes an error. What the future had borrowed may be half changed then, so
/// hand in only what is thrown away afterwards.
pub async fn catch_panic<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match catch(|| future.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// Does the work; a panic in it becomes an error. The same holds for what the work had borrowed.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let _catcher = Catcher::new();
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panicked::from_payload(&*payload))
}
