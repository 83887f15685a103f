//! The life of a store thread: take a file, serve it once, take the next.

use tenantry_protocol::error::ErrorCode;

use super::Lane;
use super::fence::{Unresolved, Verdict};
use super::file::{Condition, FileRef, Name, Opening, Seat, Wish};
use super::work::{Submission, Work, pending, repeatable};
use super::writer::{Part, Writer};
use crate::error::{Error, Result};
use crate::store::connection::Sizes;
use crate::store::control::tenants;
use crate::store::directory::Shared;
use crate::store::transaction::Hook;
use crate::store::{check, connection, fault, locked};
use crate::supervise::catch;

/// Serves files until the store stops.
pub(in crate::store) fn run(shared: &Shared) {
    while let Some(file) = shared.schedule.next() {
        let mut seat = locked(&file.seat);
        let pause = catch(|| serve(shared, &file, &mut seat)).unwrap_or_else(|panicked| {
            let file_name = file.path.display();
            tracing::error!(file = %file_name, %panicked, "the committer panicked; the file is reopened");
            close(shared, &file, &mut seat);
            None
        });
        drop(seat);
        let now = shared.schedule.now();
        match pause {
            Some(pause) => {
                shared.schedule.add(file, now + pause, now);
            }
            None => {
                if let Some(due) = file.leave(now) {
                    shared.schedule.add(file, due, now);
                }
            }
        }
    }
    if shared.schedule.retire() {
        for file in shared.all_open() {
            close(shared, &file, &mut locked(&file.seat));
        }
        shared.give_up_folder();
    }
}

/// Serves one batch. A pause means that the file stays in the schedule and is served again after it.
fn serve(shared: &Shared, file: &FileRef, seat: &mut Seat) -> Option<std::time::Duration> {
    let now = shared.schedule.now();
    shared.touch(file, now);
    if let Seat::Fenced(unresolved) = seat {
        let verdict = unresolved.resolve(|| reopen(shared, file));
        if let Some(pause) = conclude(shared, file, seat, verdict) {
            refuse_waiting(shared, file, ErrorCode::TenantDegraded);
            return (!shared.schedule.is_stopped()).then_some(pause);
        }
    }
    // While this thread waits for its turn to compute, the file's lanes fill: the batch is taken afterwards. A file that
    // must be opened first does so without holding up the others.
    let mut turn = matches!(seat, Seat::Open(_)).then(|| locked(&shared.turn));
    let mut taken = file.take(shared.limits.batch_limit, now);
    if taken.works.is_empty() {
        drop(turn);
        grant(shared, file, seat);
        return None;
    }
    while !taken.works.is_empty() {
        let writer = writer(shared, file, seat, &mut taken.works)?;
        let turn = turn.take().unwrap_or_else(|| locked(&shared.turn));
        match writer.commit(&mut taken.works, turn) {
            Part::Committed { works, hooks } => acknowledge(works, hooks),
            Part::Lost { works, code, error } => {
                tracing::warn!(file = %file.path.display(), %code, cause = %error.operator_line(), "a batch was lost");
                if code == ErrorCode::StoreCorrupt && file.name != Name::Control {
                    quarantine(shared, file, seat);
                    refuse(works, ErrorCode::TenantQuarantined);
                } else {
                    for work in works {
                        work.refuse(echo(&error));
                    }
                }
            }
            Part::Indeterminate(unresolved) => {
                refuse(taken.works.drain(..).collect(), ErrorCode::TenantDegraded);
                return fence(shared, file, seat, unresolved);
            }
        }
    }
    if let Seat::Open(writer) = seat
        && let Err(error) = writer.checkpoint_if_due(shared.limits.wal_limit.0)
    {
        // The commits stand without it; the next batch tries again.
        tracing::warn!(file = %file.path.display(), %error, "checkpoint failed");
    }
    None
}

/// The writer of the file, opened if need be; refuses what is waiting where that fails.
fn writer<'s>(
    shared: &Shared,
    file: &FileRef,
    seat: &'s mut Seat,
    works: &mut std::collections::VecDeque<Box<dyn Work>>,
) -> Option<&'s mut Writer> {
    if let Some(refusal) = file.refusal() {
        refuse(works.drain(..).collect(), refusal.code());
        return None;
    }
    if let Seat::Closed = seat {
        match reopen(shared, file) {
            Ok(writer) => {
                *seat = Seat::Open(writer);
                shared.opened(file);
            }
            Err(error) => {
                tracing::warn!(file = %file.path.display(), code = %error.code(), cause = %error.operator_line(), "a file cannot be opened");
                let code = error.code();
                if code == ErrorCode::StoreCorrupt && file.name != Name::Control {
                    quarantine(shared, file, seat);
                    refuse(works.drain(..).collect(), ErrorCode::TenantQuarantined);
                } else {
                    for work in works.drain(..) {
                        work.refuse(echo(&error));
                    }
                }
                return None;
            }
        }
    }
    match seat {
        Seat::Open(writer) => Some(writer),
        Seat::Closed | Seat::Fenced(_) => None,
    }
}

fn reopen(shared: &Shared, file: &FileRef) -> Result<Writer> {
    let sizes = Sizes::new(&shared.limits);
    file.prepare(sizes, shared.clock.now_ms())?;
    let writer = Writer::open(&file.path, sizes)?;
    match file.name {
        Name::Control => connection::check_build(writer.raw())?,
        Name::Tenant(id) => check::own(writer.raw(), id)?,
    }
    file.set_open(Opening::Opened);
    Ok(writer)
}

fn acknowledge(works: Vec<Box<dyn Work>>, hooks: Vec<Hook>) {
    for hook in hooks {
        if let Err(panicked) = catch(hook) {
            tracing::error!(%panicked, "a commit hook panicked; the commit stands");
        }
    }
    for work in works {
        work.answer();
    }
}

/// The same error for one more waiter.
fn echo(error: &Error) -> Error {
    Error::new(error.code(), error.detail()).with_operator(error.operator_line())
}

fn refuse(works: Vec<Box<dyn Work>>, code: ErrorCode) {
    for work in works {
        work.refuse(Error::from(code));
    }
}

/// Closes the file after a failed commit and finds out what became of the batch.
fn fence(
    shared: &Shared,
    file: &FileRef,
    seat: &mut Seat,
    mut unresolved: Unresolved,
) -> Option<std::time::Duration> {
    tracing::error!(file = %file.path.display(), error = %unresolved.cause(), "a commit failed; the file is fenced");
    file.set_condition(Condition::Degraded);
    *seat = Seat::Closed;
    file.set_open(Opening::Closed);
    let verdict = unresolved.resolve(|| reopen(shared, file));
    *seat = Seat::Fenced(unresolved);
    conclude(shared, file, seat, verdict)
}

/// Acts on what the file said. A pause means that it is still fenced.
fn conclude(
    shared: &Shared,
    file: &FileRef,
    seat: &mut Seat,
    verdict: Verdict,
) -> Option<std::time::Duration> {
    let Seat::Fenced(unresolved) = seat else { return None };
    match verdict {
        Verdict::Landed(writer, works, hooks) => {
            heal(shared, file, seat, writer);
            acknowledge(works, hooks);
            None
        }
        Verdict::Undone(writer, works, code) => {
            let refusals = works.into_iter().map(|work| (work, unresolved.refusal(code))).collect::<Vec<_>>();
            let pause = writer.is_none().then(|| unresolved.next_pause());
            match writer {
                Some(writer) => heal(shared, file, seat, writer),
                None => file.set_open(Opening::Closed),
            }
            for (work, error) in refusals {
                work.refuse(error);
            }
            pause
        }
        Verdict::Unknown(error) if error.code() == ErrorCode::StoreCorrupt => {
            let works = unresolved.take_works();
            quarantine(shared, file, seat);
            refuse(works, ErrorCode::TenantQuarantined);
            None
        }
        Verdict::Unknown(error) => {
            tracing::warn!(file = %file.path.display(), cause = %error.operator_line(), "the file is still fenced");
            file.set_open(Opening::Closed);
            Some(unresolved.next_pause())
        }
    }
}

/// The file takes writes again; before anybody is answered, so that whoever was answered finds it so.
fn heal(shared: &Shared, file: &FileRef, seat: &mut Seat, writer: Writer) {
    *seat = Seat::Open(writer);
    file.set_condition(Condition::Healthy);
    shared.opened(file);
}

fn refuse_waiting(shared: &Shared, file: &FileRef, code: ErrorCode) {
    loop {
        let taken = file.take(shared.limits.batch_limit, shared.schedule.now());
        if taken.works.is_empty() {
            return;
        }
        refuse(taken.works.into(), code);
    }
}

fn close(shared: &Shared, file: &FileRef, seat: &mut Seat) {
    file.set_open(Opening::Closed);
    *seat = Seat::Closed;
    shared.closed(file);
}

/// Does what was wished for a file in which nothing waits.
fn grant(shared: &Shared, file: &FileRef, seat: &mut Seat) {
    match file.take_wish() {
        Wish::None => {}
        Wish::Close => close(shared, file, seat),
        Wish::Quarantine => quarantine(shared, file, seat),
        Wish::Erase(done) => {
            close(shared, file, seat);
            file.set_condition(Condition::Gone);
            let folder = file.path.parent().unwrap_or(&file.path);
            let erased = match std::fs::remove_dir_all(folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(fault::io("erase a tenant's folder", error))
                }
                _ => folder.parent().map_or(Ok(()), connection::sync_folder),
            };
            shared.forget(file);
            // Whoever gave up waiting has no use for the answer.
            drop(done.send(erased));
        }
    }
}

/// Sets a damaged file aside under another name, with everything that lies beside it. Never deletes.
fn quarantine(shared: &Shared, file: &FileRef, seat: &mut Seat) {
    close(shared, file, seat);
    let Name::Tenant(id) = file.name else {
        tracing::error!(file = %file.path.display(), "control.db is damaged");
        return;
    };
    file.set_condition(Condition::Quarantined);
    shared.keep_aside(id);
    let now = shared.clock.now_ms();
    let aside = shared.quarantine_folder().join(format!("{id}-{now}"));
    let from = file.path.parent().unwrap_or(&file.path);
    let moved = connection::create_folder(&shared.quarantine_folder())
        .and_then(|()| std::fs::rename(from, &aside).map_err(|error| fault::io("set a file aside", error)))
        .and_then(|()| connection::sync_folder(&shared.quarantine_folder()));
    match moved {
        Ok(()) => tracing::error!(tenant = %id, aside = %aside.display(), "a damaged file was set aside"),
        Err(error) => {
            tracing::error!(tenant = %id, cause = %error.operator_line(), "a damaged file cannot be set aside");
        }
    }
    let (mark, _) = pending(move |tx| tenants::quarantine(tx, id, now).map(|_| ()));
    let control = shared.control();
    control.admit_now(Lane::Api);
    shared.submit(control, Lane::Api, mark);
}

impl Shared {
    /// Puts an admitted closure in the file's lane and sees to it that the file is served.
    fn submit(&self, file: &FileRef, lane: Lane, work: Box<dyn Work>) {
        if let Some(refusal) = file.refusal() {
            file.readmit(lane);
            return work.refuse(refusal);
        }
        let now = self.schedule.now();
        if let Some(due) = file.enqueue(lane, work, now)
            && !self.schedule.add(FileRef::clone(file), due, now)
        {
            refuse_waiting(self, file, ErrorCode::Draining);
        }
    }

    /// Leaves a wish with the file and sees to it that the file is served.
    fn leave_wish(&self, file: &FileRef, wish: Wish) {
        if file.wish(wish) {
            let now = self.schedule.now();
            self.schedule.add(FileRef::clone(file), now, now);
        }
    }

    /// Closes the file as soon as nothing waits in it.
    pub(in crate::store) fn close_soon(&self, file: &FileRef) {
        self.leave_wish(file, Wish::Close);
    }

    /// Sets the file aside: a reader found it damaged. From now on it takes nothing, however much is waiting.
    pub(in crate::store) fn quarantine_soon(&self, file: &FileRef) {
        file.set_condition(Condition::Quarantined);
        self.leave_wish(file, Wish::Quarantine);
    }

    /// Deletes the file and its folder; the answer comes when it is done.
    pub(in crate::store) fn erase_soon(&self, file: &FileRef) -> tokio::sync::oneshot::Receiver<Result<()>> {
        let (done, answer) = tokio::sync::oneshot::channel();
        self.leave_wish(file, Wish::Erase(done));
        answer
    }

    /// Runs a closure in the file's lane and waits for its commit.
    pub(in crate::store) async fn write<T, F>(&self, file: &FileRef, lane: Lane, closure: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&crate::store::WriteTx) -> Result<T> + Send + 'static,
    {
        self.carry(file, lane, move || pending(closure)).await
    }

    /// The same for a closure that may be run again.
    pub(in crate::store) async fn write_again<T, F>(
        &self,
        file: &FileRef,
        lane: Lane,
        closure: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&crate::store::WriteTx) -> Result<T> + Send + 'static,
    {
        self.carry(file, lane, move || repeatable(closure)).await
    }

    /// Waits for a place in the lane, then for the answer.
    async fn carry<T>(&self, file: &FileRef, lane: Lane, wrap: impl FnOnce() -> Submission<T>) -> Result<T> {
        file.admit(lane).await?;
        if self.schedule.is_stopped() {
            return Err(Error::from(ErrorCode::Draining));
        }
        let (work, answer) = wrap();
        self.submit(file, lane, work);
        let limit = self.limits.write_timeout;
        match self.clock.timeout(limit, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::from(ErrorCode::Draining)),
            Err(_) => Err(Error::new(
                ErrorCode::StoreBusy,
                "the store did not answer in time; whether the change was made is unknown",
            )),
        }
    }
}
