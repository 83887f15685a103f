//! The process inside: takes calls from the link and runs many of them at once.
//!
//! One thread starts all processes, because a child is told of the death of the *thread* that made it. When the
//! link ends, this process ends at once; in a process tree of its own that kills every call in the same moment,
//! elsewhere every keeper sees its socket close and kills its own.
//!
//! What must never happen here: opening a path that a call could have planted, or an `Ended` before all is gone.
//! Go next to [`run`] for a script, [`jq`] for a filter, [`folder`] for scratch folders, [`kin`] for processes.

mod folder;
mod jq;
mod kin;
mod run;

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{getpid, set_child_subreaper};
use tenantry_protocol::runner::{
    CallId, CallResult, Decoder, FromRunner, LINK_VERSION, OUTPUT_CHUNK, Ready, RunnerCall, Sandbox, Start,
    ToRunner, encode, is_scratch_name,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::outer::Failure;
use crate::plan::Plan;

/// Calls at once; more are refused, and the daemon asks for fewer.
const CALLS: usize = 1_024;
/// Frames that wait for the link; then output waits in the pipes and scripts wait for it.
const FRAMES_WAITING: usize = 64;

/// What every call needs.
struct Host {
    plan: Plan,
    out: mpsc::Sender<FromRunner>,
    keepers: run::Keepers,
    workers: jq::Workers,
}

/// Serves the link on standard input to its end.
pub(crate) fn inside(plan: &Plan) -> Result<(), Failure> {
    set_child_subreaper(Some(getpid()))?;
    let link = StdUnixStream::from(fcntl_dupfd_cloexec(io::stdin(), 3)?);
    link.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(serve(plan.clone(), link));
    // Blocking threads may still remove folders; nobody waits for them.
    runtime.shutdown_background();
    served
}

async fn serve(plan: Plan, link: StdUnixStream) -> Result<(), Failure> {
    let (reader, writer) = UnixStream::from_std(link)?.into_split();
    let (out, frames) = mpsc::channel(FRAMES_WAITING);
    let kin = kin::Kin::default();
    let host = Arc::new(Host {
        keepers: run::Keepers::new(&plan, kin.clone()),
        workers: jq::Workers::new(kin.clone()),
        out,
        plan,
    });
    let mut strays = signal(SignalKind::child())?;
    let sandbox = run::try_out(&host).await;
    let shut_in = sandbox.landlock_abi > 0;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let ready = Ready { version, link_version: LINK_VERSION, sandbox };
    host.out.send(FromRunner::Ready(ready)).await?;
    let sweep = async {
        while strays.recv().await.is_some() {
            kin.end_strays();
        }
    };
    tokio::select! {
        ended = take_calls(&host, reader, shut_in) => ended,
        ended = send_frames(writer, frames) => ended,
        () = sweep => Ok(()),
    }
}

async fn take_calls(host: &Arc<Host>, mut link: OwnedReadHalf, shut_in: bool) -> Result<(), Failure> {
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; OUTPUT_CHUNK];
    let mut calls: HashMap<CallId, Arc<Notify>> = HashMap::new();
    let mut running: JoinSet<CallId> = JoinSet::new();
    loop {
        tokio::select! {
            read = link.read(&mut buffer) => {
                let count = read?;
                if count == 0 {
                    return Ok(());
                }
                decoder.feed(buffer.get(..count).unwrap_or_default());
            }
            Some(ended) = running.join_next() => {
                if let Ok(id) = ended {
                    calls.remove(&id);
                }
                continue;
            }
        }
        while let Some(message) = decoder.next_message()? {
            match message {
                ToRunner::Open(_) => return Err("the link was opened twice".into()),
                ToRunner::Cancel { id } => {
                    if let Some(cancel) = calls.get(&id) {
                        cancel.notify_one();
                    }
                }
                ToRunner::Start(start) => {
                    let cancel = Arc::new(Notify::new());
                    let refusal = if calls.contains_key(&start.id) {
                        return Err("the daemon used the id of a call twice".into());
                    } else if calls.len() >= CALLS {
                        Some(format!("{CALLS} calls are running already"))
                    } else if shut_in {
                        None
                    } else {
                        Some("this machine cannot shut calls in; see the runner's sandbox report".to_owned())
                    };
                    calls.insert(start.id, Arc::clone(&cancel));
                    running.spawn(call(Arc::clone(host), *start, cancel, refusal));
                }
            }
        }
    }
}

async fn call(host: Arc<Host>, start: Start, cancel: Arc<Notify>, refusal: Option<String>) -> CallId {
    let id = start.id;
    let result = match (refusal, start.call) {
        (Some(why), _) => CallResult::Refused(why),
        (None, RunnerCall::Jq { filter, input }) => {
            host.workers.evaluate(filter, &input, &start.limits, &cancel).await
        }
        (None, RunnerCall::Run { .. }) if !is_scratch_name(&start.scratch) => {
            CallResult::Refused(format!("{:?} cannot name a folder", start.scratch))
        }
        (None, RunnerCall::Run { script, shell, env, stdin }) => {
            let asked = run::Asked { id, script, shell, env, stdin, limits: start.limits };
            run::in_folder(&host, &start.scratch, asked, &cancel).await
        }
    };
    // The receiver is gone only when the link is, and then so is everything else in a moment.
    host.out.send(FromRunner::Ended { id, result }).await.ok();
    id
}

async fn send_frames(
    mut link: OwnedWriteHalf,
    mut frames: mpsc::Receiver<FromRunner>,
) -> Result<(), Failure> {
    let mut wire = Vec::new();
    while let Some(frame) = frames.recv().await {
        wire.clear();
        append(&frame, &mut wire)?;
        // What waits already goes along in the same write.
        while wire.len() < OUTPUT_CHUNK
            && let Ok(frame) = frames.try_recv()
        {
            append(&frame, &mut wire)?;
        }
        link.write_all(&wire).await?;
    }
    Ok(())
}

/// A result that is too large for a frame becomes an error of its call, not of the link.
fn append(frame: &FromRunner, wire: &mut Vec<u8>) -> Result<(), Failure> {
    match (encode(frame, wire), frame) {
        (Err(error), FromRunner::Ended { id, .. }) => {
            let result = CallResult::JqError(error.to_string());
            Ok(encode(&FromRunner::Ended { id: *id, result }, wire)?)
        }
        (done, _) => Ok(done?),
    }
}

/// The report for [`Ready`], from the plan and from what a first call found.
fn sandbox_of(plan: &Plan, told: Option<crate::sandbox::call::Told>, refusal: Option<String>) -> Sandbox {
    use tenantry_protocol::runner::Missing;
    let mut sandbox = plan.sandbox();
    let Some(told) = told else {
        let reason = refusal.unwrap_or_else(|| "a first call did not start".to_owned());
        sandbox.missing.push(Missing { measure: "landlock".to_owned(), reason });
        return sandbox;
    };
    sandbox.landlock_abi = told.landlock_abi;
    let mut note = |measure: &str, stands: bool, reason: &str| {
        if stands {
            sandbox.in_force.push(measure.to_owned());
        } else {
            sandbox.missing.push(Missing { measure: measure.to_owned(), reason: reason.to_owned() });
        }
    };
    for measure in ["no-new-privileges", "no-capabilities", "resource-limits", "closed-files", "subreaper"] {
        note(measure, true, "");
    }
    note("landlock-files", told.landlock_abi >= 1, "the kernel has no Landlock");
    note(
        "landlock-scopes",
        told.landlock_abi >= 6,
        "Linux 6.12 or newer is needed to keep a call from signalling others",
    );
    note(
        "landlock-unix-sockets",
        told.landlock_abi >= 9,
        "this kernel cannot; the file tree hides sockets where there is one",
    );
    note(
        "own-user-namespace",
        told.own_user,
        "user namespaces are not allowed, so the limit of processes is not enforced",
    );
    note("own-tmp", told.own_tmp, "needs a file tree of its own, and a scratch folder outside of /tmp");
    note("first-when-memory-runs-out", told.first_to_go, "/proc cannot be written");
    note("network", false, "scripts share the network of the machine");
    note("seccomp", false, "system calls are not filtered");
    sandbox
}
