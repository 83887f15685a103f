//! A closure on its way through the committer, and the answer that somebody waits for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tenantry_protocol::error::ErrorCode;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::store::WriteTx;

/// One closure, whatever it returns.
pub(super) trait Work: Send {
    /// Runs the closure and keeps its result; answers the code if it failed.
    fn run(&mut self, tx: &WriteTx<'_>) -> Option<ErrorCode>;

    /// Answers with the kept result.
    fn answer(self: Box<Self>);

    /// Answers with this error, unless the closure failed by itself: then with its own.
    fn refuse(self: Box<Self>, error: Error);
}

struct Pending<T, F> {
    closure: Option<F>,
    result: Option<Result<T>>,
    waiter: oneshot::Sender<Result<T>>,
}

/// Wraps a closure; the other half is where its answer arrives.
pub(super) fn pending<T, F>(closure: F) -> (Box<dyn Work>, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&WriteTx) -> Result<T> + Send + 'static,
{
    let (waiter, answer) = oneshot::channel();
    (Box::new(Pending { closure: Some(closure), result: None, waiter }), answer)
}

impl<T, F> Work for Pending<T, F>
where
    T: Send + 'static,
    F: FnOnce(&WriteTx) -> Result<T> + Send + 'static,
{
    fn run(&mut self, tx: &WriteTx<'_>) -> Option<ErrorCode> {
        let closure = self.closure.take()?;
        let result = catch_unwind(AssertUnwindSafe(|| closure(tx))).unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<&str>().copied();
            let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(Error::internal(format!("a write closure panicked: {}", message.unwrap_or("no message"))))
        });
        let failure = result.as_ref().err().map(Error::code);
        self.result = Some(result);
        failure
    }

    fn answer(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(Error::internal("a write closure was not run")));
        give(self.waiter, result);
    }

    fn refuse(self: Box<Self>, error: Error) {
        match self.result {
            Some(Err(own)) => give(self.waiter, Err(own)),
            Some(Ok(_)) | None => give(self.waiter, Err(error)),
        }
    }
}

fn give<T>(waiter: oneshot::Sender<Result<T>>, result: Result<T>) {
    // Whoever gave up waiting has no use for the answer; the transaction stands all the same.
    drop(waiter.send(result));
}
