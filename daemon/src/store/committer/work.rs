//! A closure on its way through the committer, and the answer that somebody waits for.

use tenantry_protocol::error::ErrorCode;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::store::WriteTx;
use crate::supervise::catch;

/// One closure, whatever it returns.
pub(super) trait Work: Send {
    /// Whether the closure may be run again after what it wrote was undone.
    fn is_repeatable(&self) -> bool;

    /// Runs the closure and keeps its result; answers the code if it failed.
    fn run(&mut self, tx: &WriteTx<'_>) -> Option<ErrorCode>;

    /// Answers with the kept result.
    fn answer(self: Box<Self>);

    /// Answers with this error, unless the closure failed by itself: then with its own.
    fn refuse(self: Box<Self>, error: Error);
}

/// What a closure is called through.
trait Call<T> {
    const REPEATABLE: bool;
    fn call(&mut self, tx: &WriteTx<'_>) -> Result<T>;
}

struct Once<F>(Option<F>);

impl<T, F: FnOnce(&WriteTx) -> Result<T>> Call<T> for Once<F> {
    const REPEATABLE: bool = false;

    fn call(&mut self, tx: &WriteTx<'_>) -> Result<T> {
        self.0
            .take()
            .map_or_else(|| Err(Error::internal("a write closure was called twice")), |call| call(tx))
    }
}

struct Again<F>(F);

impl<T, F: Fn(&WriteTx) -> Result<T>> Call<T> for Again<F> {
    const REPEATABLE: bool = true;

    fn call(&mut self, tx: &WriteTx<'_>) -> Result<T> {
        (self.0)(tx)
    }
}

struct Pending<T, C> {
    closure: C,
    result: Option<Result<T>>,
    waiter: oneshot::Sender<Result<T>>,
}

/// A closure on its way, and where its answer arrives.
pub(super) type Submission<T> = (Box<dyn Work>, oneshot::Receiver<Result<T>>);

/// Wraps a closure that is run once.
pub(super) fn pending<T, F>(closure: F) -> Submission<T>
where
    T: Send + 'static,
    F: FnOnce(&WriteTx) -> Result<T> + Send + 'static,
{
    wrap(Once(Some(closure)))
}

/// Wraps a closure that may be run again.
pub(super) fn repeatable<T, F>(closure: F) -> Submission<T>
where
    T: Send + 'static,
    F: Fn(&WriteTx) -> Result<T> + Send + 'static,
{
    wrap(Again(closure))
}

fn wrap<T: Send + 'static, C: Call<T> + Send + 'static>(closure: C) -> Submission<T> {
    let (waiter, answer) = oneshot::channel();
    (Box::new(Pending { closure, result: None, waiter }), answer)
}

impl<T: Send, C: Call<T> + Send> Work for Pending<T, C> {
    fn is_repeatable(&self) -> bool {
        C::REPEATABLE
    }

    fn run(&mut self, tx: &WriteTx<'_>) -> Option<ErrorCode> {
        let result = catch(|| self.closure.call(tx))
            .unwrap_or_else(|panicked| Err(Error::internal(format!("a write closure {panicked}"))));
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
