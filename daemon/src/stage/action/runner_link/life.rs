//! One runner process from start to end.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenantry_protocol::runner::{
    CallId, CallResult, Decoder, FrameError, FromRunner, LINK_VERSION, OUTPUT_CHUNK, Open, Ready, ToRunner,
    encode,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::{OutputChunk, RunnerLost, RunnerSettings, Shared};
use crate::supervise::Stop;

/// How long a runner may take to shut itself in.
const READY_PATIENCE: Duration = Duration::from_secs(30);
/// How long a runner may take to end once the link is closed.
const END_PATIENCE: Duration = Duration::from_secs(5);
/// Frames that wait for the link; further calls wait.
const FRAMES_WAITING: usize = 256;

/// One runner process that is ready.
pub(super) struct Life {
    /// What it says of itself.
    pub(super) ready: Ready,
    /// Frames on their way to it.
    pub(super) frames: mpsc::Sender<Vec<u8>>,
    /// `None` once the life is over.
    calls: Mutex<Option<Calls>>,
}

/// What comes back of one call. Its queue is limited by [`Limits::output_bytes`], which the runner holds to.
pub(super) enum Arrived {
    Output(OutputChunk),
    Ended(CallResult),
}

type Calls = HashMap<CallId, mpsc::UnboundedSender<Arrived>>;

impl Life {
    /// Makes room for what comes back of a call.
    pub(super) fn admit(&self, id: CallId, sender: mpsc::UnboundedSender<Arrived>) -> Result<(), RunnerLost> {
        self.calls().as_mut().ok_or(RunnerLost::NotStarted)?.insert(id, sender);
        Ok(())
    }

    /// Hands a frame to the call it belongs to; one that nobody waits for any more is dropped.
    fn dispatch(&self, message: FromRunner) -> Result<(), LifeError> {
        let mut calls = self.calls();
        let Some(calls) = calls.as_mut() else { return Ok(()) };
        match message {
            FromRunner::Ready(_) => return Err(LifeError::Unexpected),
            FromRunner::Output { id, stream, bytes } => {
                if let Some(call) = calls.get(&id) {
                    drop(call.send(Arrived::Output(OutputChunk { stream, bytes })));
                }
            }
            FromRunner::Ended { id, result } => {
                if let Some(call) = calls.remove(&id) {
                    drop(call.send(Arrived::Ended(result)));
                }
            }
        }
        Ok(())
    }

    /// Nobody waits for this call any more.
    pub(super) fn forget(&self, id: CallId) {
        if let Some(calls) = self.calls().as_mut() {
            calls.remove(&id);
        }
    }

    fn calls(&self) -> MutexGuard<'_, Option<Calls>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a life ended.
#[derive(Debug, thiserror::Error)]
enum LifeError {
    #[error("cannot start {program}: {error}", program = .program.display())]
    Start { program: PathBuf, error: io::Error },
    #[error("cannot prepare the scratch folder: {0}")]
    Scratch(io::Error),
    #[error("it was not ready within {READY_PATIENCE:?}")]
    NotReady,
    #[error(
        "it speaks version {0} of the link and this daemon {LINK_VERSION}; install the same release of both"
    )]
    Version(u32),
    #[error("it sent a frame that does not belong there")]
    Unexpected,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the link broke: {0}")]
    Link(#[from] io::Error),
    #[error("it closed the link")]
    Closed,
}

/// One life, from start to end; the supervisor calls again.
pub(super) async fn live(shared: Arc<Shared>, stop: Stop) {
    let ended = one_life(&shared, &stop).await;
    shared.pid.store(0, Ordering::Release);
    if let Err(error) = ended {
        tracing::error!(error = %error, "the runner ended");
    }
}

async fn one_life(shared: &Arc<Shared>, stop: &Stop) -> Result<(), LifeError> {
    let root = shared.settings.scratch_root.clone();
    let cleared = shared.supervisor.blocking("runner-scratch", move || clear(&root)).join().await;
    cleared.map_err(|lost| LifeError::Scratch(io::Error::other(lost)))?.map_err(LifeError::Scratch)?;
    let (mut child, link) = spawn(&shared.settings)?;
    shared.pid.store(child.id().map_or(0, u32::cast_signed), Ordering::Release);
    let served = tokio::select! {
        served = serve(shared, link) => served,
        () = stop.cancelled() => Ok(()),
    };
    // Waiting calls learn that they are lost by the end of their channels.
    if let Some(life) = shared.life.send_replace(None) {
        life.calls().take();
    }
    // The link is closed by now, and a runner without a link ends.
    if shared.clock.timeout(END_PATIENCE, child.wait()).await.is_err() {
        child.kill().await?;
    }
    served
}

fn spawn(settings: &RunnerSettings) -> Result<(Child, UnixStream), LifeError> {
    let failed = |error| LifeError::Start { program: settings.program.clone(), error };
    let (ours, theirs) = StdUnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let child = Command::new(&settings.program)
        .arg("runner")
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        // An interrupt at the terminal is for the daemon, which ends its calls in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    Ok((child, UnixStream::from_std(ours)?))
}

async fn serve(shared: &Shared, link: UnixStream) -> Result<(), LifeError> {
    let (reader, mut writer) = link.into_split();
    let open = Open {
        link_version: LINK_VERSION,
        scratch_root: shared.settings.scratch_root.clone(),
        hide: shared.settings.hide.clone(),
        expose: shared.settings.expose.clone(),
    };
    let mut frame = Vec::new();
    encode(&ToRunner::Open(open), &mut frame)?;
    writer.write_all(&frame).await?;
    let mut incoming = Incoming { link: reader, decoder: Decoder::new(), buffer: vec![0; OUTPUT_CHUNK] };
    let first = shared.clock.timeout(READY_PATIENCE, incoming.next()).await;
    let FromRunner::Ready(ready) = first.map_err(|_| LifeError::NotReady)?? else {
        return Err(LifeError::Unexpected);
    };
    if ready.link_version != LINK_VERSION {
        return Err(LifeError::Version(ready.link_version));
    }
    for missing in &ready.sandbox.missing {
        tracing::warn!(measure = %missing.measure, reason = %missing.reason, "a measure of the sandbox is missing");
    }
    tracing::info!(in_force = ?ready.sandbox.in_force, landlock = ready.sandbox.landlock_abi, "the runner is ready");
    let (frames, waiting) = mpsc::channel(FRAMES_WAITING);
    let life = Arc::new(Life { ready, frames, calls: Mutex::new(Some(HashMap::new())) });
    shared.life.send_replace(Some(Arc::clone(&life)));
    let receive = async {
        loop {
            life.dispatch(incoming.next().await?)?;
        }
    };
    tokio::select! {
        ended = receive => ended,
        ended = write_frames(writer, waiting) => ended,
    }
}

/// The half of the link that the runner writes.
struct Incoming {
    link: OwnedReadHalf,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Incoming {
    async fn next(&mut self) -> Result<FromRunner, LifeError> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(message);
            }
            let count = self.link.read(&mut self.buffer).await?;
            if count == 0 {
                return Err(LifeError::Closed);
            }
            self.decoder.feed(self.buffer.get(..count).unwrap_or_default());
        }
    }
}

async fn write_frames(
    mut link: OwnedWriteHalf,
    mut frames: mpsc::Receiver<Vec<u8>>,
) -> Result<(), LifeError> {
    while let Some(frame) = frames.recv().await {
        link.write_all(&frame).await?;
    }
    Ok(())
}

/// Makes the scratch root, or removes what an earlier life left in it. Links are removed, never followed.
pub(super) fn clear(root: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        let removed = if path.symlink_metadata()?.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        if let Err(error) = removed {
            // Names are never used twice, so it takes room and nothing else.
            tracing::warn!(path = %path.display(), error = %error, "cannot remove what an earlier runner left");
        }
    }
    Ok(())
}
