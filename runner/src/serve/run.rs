//! A script from start to end: folder, keeper, output, report, and everything away again.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tenantry_protocol::runner::{
    CallId, CallResult, FromRunner, Limits, OUTPUT_CHUNK, Sandbox, Stream, default_shell,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::Notify;

use super::folder::Folder;
use super::kin::{Kin, Member};
use super::{Host, sandbox_of};
use crate::keeper::{Order, Report, Script, Setup};
use crate::plan::{Level, Plan};
use crate::sandbox::enter::PROGRAM;
use crate::wire::{from_json, receive_piece, send_piece, to_json};

/// Keepers that wait for a script, so that a call does not wait for a keeper.
const KEEPERS_READY: usize = 2;
/// Longest script in bytes: it is one argument of the shell, and the kernel allows no longer one.
const SCRIPT_LIMIT: usize = 128 * 1024 - 1;
/// How long the pipes of a call may stay open after all its processes were killed.
const PIPES_CLOSE: Duration = Duration::from_secs(2);
/// The signal reported where a keeper was killed from outside; its script goes with it.
const KILLED: i32 = 9;
/// Variables every script has, unless the call gives others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const LANG: &str = "C.UTF-8";

/// A script as the daemon asked for it.
pub(super) struct Asked {
    pub(super) id: CallId,
    pub(super) script: String,
    pub(super) shell: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    pub(super) stdin: Vec<u8>,
    pub(super) limits: Limits,
}

/// Runs it in a folder of its own.
pub(super) async fn in_folder(host: &Host, scratch: &str, asked: Asked, cancel: &Notify) -> CallResult {
    if let Some(why) = unfit(&asked) {
        return CallResult::Refused(why);
    }
    let folder = match Folder::make(&host.plan.scratch_root, scratch) {
        Ok(folder) => folder,
        Err(error) => return CallResult::Refused(format!("cannot make the folder {scratch}: {error}")),
    };
    let result = match with_keeper(host, &folder, asked, cancel).await {
        Ok(report) => report.result,
        Err(error) => CallResult::Refused(format!("cannot start a keeper: {error}")),
    };
    remove(folder).await;
    result
}

/// A first script that does nothing: what stands around it stands around every other.
pub(super) async fn try_out(host: &Host) -> Sandbox {
    let mut tried = try_once(host).await;
    if matches!(tried, Ok(Report { result: CallResult::Refused(_), .. })) {
        host.keepers.do_without_own_user();
        tried = try_once(host).await;
    }
    match tried {
        Ok(Report { result: CallResult::Exited(0), told }) => sandbox_of(&host.plan, told, None),
        Ok(report) => {
            sandbox_of(&host.plan, None, Some(format!("a first call ended with {:?}", report.result)))
        }
        Err(error) => sandbox_of(&host.plan, None, Some(error.to_string())),
    }
}

async fn try_once(host: &Host) -> io::Result<Report> {
    let asked = Asked {
        id: 0,
        script: ":".to_owned(),
        shell: default_shell(),
        env: BTreeMap::new(),
        stdin: Vec::new(),
        limits: Limits::default(),
    };
    let folder = Folder::make(&host.plan.scratch_root, &format!("try-out-{}", std::process::id()))?;
    let tried = with_keeper(host, &folder, asked, &Notify::new()).await;
    remove(folder).await;
    tried
}

fn unfit(asked: &Asked) -> Option<String> {
    if asked.script.len() > SCRIPT_LIMIT {
        return Some(format!("the script is longer than {SCRIPT_LIMIT} bytes"));
    }
    if asked.script.contains('\0') {
        return Some("the script contains a NUL byte".to_owned());
    }
    if !asked.shell.is_absolute() {
        return Some(format!("the shell {} is not an absolute path", asked.shell.display()));
    }
    let bad = |(name, value): (&String, &String)| {
        (name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')).then(|| name.clone())
    };
    asked.env.iter().find_map(bad).map(|name| format!("{name:?} cannot be a variable of the environment"))
}

/// The error is of the start; once a script may have run there is a report.
async fn with_keeper(host: &Host, folder: &Folder, asked: Asked, cancel: &Notify) -> io::Result<Report> {
    let id = asked.id;
    let home = folder.path().to_string_lossy().into_owned();
    let mut env: BTreeMap<String, String> =
        [("PATH", PATH), ("HOME", &home), ("TMPDIR", &home), ("LANG", LANG)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    env.extend(asked.env);
    let limits = asked.limits;
    let script =
        Script { shell: asked.shell, text: asked.script, env, folder: folder.path().to_owned(), limits };
    let mut keeper = host.keepers.take()?;
    send_piece(&mut keeper.link, &to_json(&script)?).await?;
    send_piece(&mut keeper.link, &asked.stdin).await?;
    host.keepers.refill();
    let output = Output { host, id, left: AtomicU64::new(limits.output_bytes), over: Notify::new() };
    let (mut from_keeper, mut to_keeper) = keeper.link.split();
    let mut pumps = std::pin::pin!(async {
        tokio::join!(output.pump(Stream::Stdout, keeper.stdout), output.pump(Stream::Stderr, keeper.stderr))
    });
    let mut report = std::pin::pin!(receive_piece(&mut from_keeper));
    let mut pumped = false;
    let report = loop {
        let order = tokio::select! {
            report = &mut report => break report,
            _ = &mut pumps, if !pumped => { pumped = true; continue }
            () = cancel.notified() => Order::Cancel,
            () = output.over.notified() => Order::OutputLimit,
        };
        // A keeper that does not take orders any more is about to report.
        to_keeper.write_all(&[order.byte()]).await.ok();
    };
    if !pumped {
        // Longer only if a file of the call lives on in a process that is not of the call.
        tokio::time::timeout(PIPES_CLOSE, pumps).await.ok();
    }
    let status = keeper.child.wait().await;
    drop(keeper.member);
    if let Ok(report) = report.and_then(|report| from_json(&report)) {
        return Ok(report);
    }
    host.keepers.kin.end_strays();
    let signal = status.ok().and_then(|status| status.signal()).unwrap_or(KILLED);
    Ok(Report { result: CallResult::Signalled(signal), told: None })
}

async fn remove(folder: Folder) {
    // A folder that cannot be removed holds no process and blocks no other call; upkeep of the daemon finds it.
    tokio::task::spawn_blocking(move || folder.remove()).await.ok();
}

/// Where the output of one call goes, as long as there is room.
struct Output<'a> {
    host: &'a Host,
    id: CallId,
    left: AtomicU64,
    over: Notify,
}

impl Output<'_> {
    /// Forwards to the end. Over the limit it goes on reading, so that nobody hangs while everything is killed.
    async fn pump(&self, stream: Stream, mut from: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; OUTPUT_CHUNK];
        loop {
            let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
            let left = self.left.load(Ordering::Relaxed);
            let passed = (count as u64).min(left);
            self.left.store(left - passed, Ordering::Relaxed);
            if passed < count as u64 {
                self.over.notify_one();
            }
            let bytes = buffer.get(..passed as usize).unwrap_or_default().to_vec();
            if !bytes.is_empty() && self.id > 0 {
                // Without a link there is nobody to forward to, and this process is about to end.
                self.host.out.send(FromRunner::Output { id: self.id, stream, bytes }).await.ok();
            }
        }
    }
}

/// A keeper without a script, or with one.
struct Keeper {
    child: Child,
    member: Member,
    link: UnixStream,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

/// Makes keepers ahead of time.
pub(super) struct Keepers {
    setup: Setup,
    own_user: AtomicBool,
    kin: Kin,
    ready: Mutex<Vec<Keeper>>,
}

impl Keepers {
    pub(super) fn new(plan: &Plan, kin: Kin) -> Self {
        let setup = Setup {
            expose: plan.expose.clone(),
            own_processes: plan.level == Level::Apart,
            own_tree: plan.level != Level::Open,
            own_user: true,
        };
        Self { setup, own_user: AtomicBool::new(true), kin, ready: Mutex::default() }
    }

    /// From now on no script gets a user namespace; the keepers that would give one end.
    fn do_without_own_user(&self) {
        self.own_user.store(false, Ordering::Relaxed);
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn take(&self) -> io::Result<Keeper> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop();
        ready.map_or_else(|| self.start(), Ok)
    }

    /// Best effort: the next call can still start one itself.
    fn refill(&self) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        while ready.len() < KEEPERS_READY
            && let Ok(keeper) = self.start()
        {
            ready.push(keeper);
        }
    }

    fn start(&self) -> io::Result<Keeper> {
        let (ours, theirs) = StdUnixStream::pair()?;
        // The setup is far smaller than a socket's buffer, so this does not wait for the keeper.
        let setup = Setup { own_user: self.own_user.load(Ordering::Relaxed), ..self.setup.clone() };
        crate::wire::write_piece(&ours, &to_json(&setup)?)?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(PROGRAM);
        command
            .args(["runner", "exec"])
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Never killed on drop: a keeper that is killed ends nobody. It ends by itself, and all it keeps, when its link
        // closes, be it because this process is gone.
        let mut child = command.spawn()?;
        let gone = || io::Error::other("the keeper ended at once");
        let member = self.kin.admit(child.id().ok_or_else(gone)?);
        let stdout = child.stdout.take().ok_or_else(gone)?;
        let stderr = child.stderr.take().ok_or_else(gone)?;
        Ok(Keeper { child, member, link: UnixStream::from_std(ours)?, stdout, stderr })
    }
}
