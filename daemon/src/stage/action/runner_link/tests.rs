//! The link against a runner of a few lines of shell: its standard input is the link, for both directions.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::json;
use tenantry_protocol::runner::{FromRunner, LINK_VERSION, Open, Sandbox};

use super::*;
use crate::supervise::Drained;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_mins(1);

struct Fixture {
    folder: tempfile::TempDir,
    supervisor: Supervisor,
    clock: Clock,
    settings: RunnerSettings,
}

impl Fixture {
    /// A runner whose life is this script. `$D` is the folder of the test; `hear_open` and `hear_more` read the
    /// first frame and a byte of a later one; `say NAME` sends the frames of that file.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = RunnerSettings {
            program: folder.path().join("runner"),
            scratch_root: folder.path().join("scratch"),
            hide: vec![folder.path().join("data")],
            expose: Vec::new(),
        };
        let open = Open {
            link_version: LINK_VERSION,
            scratch_root: settings.scratch_root.clone(),
            hide: settings.hide.clone(),
            expose: Vec::new(),
        };
        let mut wire = Vec::new();
        encode(&ToRunner::Open(open), &mut wire).unwrap();
        let text = format!(
            "#!/bin/sh\nD={}\nhear_open() {{ head -c {} > $D/heard; }}\nhear_more() {{ head -c 1 >> $D/heard; }}\n\
             say() {{ cat $D/$1 >&0; }}\n[ \"$*\" = runner ] || exit 9\n{script}\n",
            folder.path().display(),
            wire.len()
        );
        fs::write(&settings.program, text).unwrap();
        fs::set_permissions(&settings.program, fs::Permissions::from_mode(0o755)).unwrap();
        let clock = Clock::system();
        let fixture = Self { supervisor: Supervisor::new(clock.clone()), clock, settings, folder };
        fixture.frames("ready", &[ready(LINK_VERSION)]);
        fixture
    }

    fn frames(&self, name: &str, messages: &[FromRunner]) {
        let mut wire = Vec::new();
        for message in messages {
            encode(message, &mut wire).unwrap();
        }
        fs::write(self.folder.path().join(name), wire).unwrap();
    }

    fn start(&self) -> RunnerLink {
        RunnerLink::start(self.settings.clone(), &self.supervisor, self.clock.clone())
    }

    async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = self.clock.instant();
        while !holds() {
            assert!(self.clock.elapsed(begun) < PATIENCE, "not in time: {what}");
            tokio::task::yield_now().await;
        }
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("heard")).unwrap_or_default()).into_owned()
    }
}

fn ready(link_version: u32) -> FromRunner {
    FromRunner::Ready(Ready { version: "1".to_owned(), link_version, sandbox: Sandbox::default() })
}

fn ended(id: CallId, result: CallResult) -> FromRunner {
    FromRunner::Ended { id, result }
}

fn output(id: CallId, text: &str) -> FromRunner {
    FromRunner::Output { id, stream: Stream::Stdout, bytes: text.as_bytes().to_vec() }
}

fn jq() -> RunnerCall {
    RunnerCall::Jq { filter: ".".to_owned(), input: json!(1) }
}

async fn call(link: &RunnerLink) -> (Result<CallResult, RunnerLost>, String) {
    let (sender, mut chunks) = mpsc::channel(16);
    let result = link.call(jq(), Limits::default(), sender, &Stop::new()).await;
    let mut text = String::new();
    while let Some(chunk) = chunks.recv().await {
        text.push_str(&String::from_utf8(chunk.bytes).unwrap());
    }
    (result, text)
}

#[tokio::test]
async fn a_call_gets_its_output_and_its_end_and_no_others() {
    let fixture = Fixture::new("hear_open; say ready; hear_more; say answer; cat > /dev/null");
    let answer = [output(9, "other"), output(1, "a"), output(1, "b"), ended(9, CallResult::TimedOut)];
    fixture.frames("answer", &[&answer[..], &[ended(1, CallResult::Exited(3))]].concat());
    let link = fixture.start();
    assert_eq!(call(&link).await, (Ok(CallResult::Exited(3)), "ab".to_owned()));
    assert_eq!(link.ready().map(|ready| ready.version), Some("1".to_owned()));
    assert!(fixture.heard().contains("scratch"), "the runner was not told where to work");
    assert_eq!(fixture.supervisor.drain(PATIENCE).await, Drained { leftovers: Vec::new() });
    assert_eq!(link.ready(), None);
}

#[tokio::test]
async fn a_call_in_flight_is_lost_with_its_runner_and_the_next_life_takes_calls() {
    let fixture = Fixture::new(
        "hear_open; say ready; hear_more; [ -e $D/second ] || { : > $D/second; exit 1; }; say answer; cat > /dev/null",
    );
    fixture.frames("answer", &[ended(2, CallResult::Exited(0))]);
    let link = fixture.start();
    assert_eq!(call(&link).await.0, Err(RunnerLost::InFlight));
    assert_eq!(call(&link).await.0, Ok(CallResult::Exited(0)));
    let code = Error::from(RunnerLost::InFlight).code();
    assert_eq!(code, ErrorCode::RunnerUnavailable);
}

#[tokio::test]
async fn a_runner_of_another_release_or_without_sense_takes_no_calls() {
    for (frames, why) in
        [(vec![ready(LINK_VERSION + 1)], "version"), (vec![ended(1, CallResult::TimedOut)], "sense")]
    {
        let mut fixture = Fixture::new("hear_open; say first; cat > /dev/null");
        fixture.clock = Clock::manual(0);
        fixture.supervisor = Supervisor::new(fixture.clock.clone());
        fixture.frames("first", &frames);
        let link = fixture.start();
        let (sender, _chunks) = mpsc::channel(1);
        let stop = Stop::new();
        let mut waiting = std::pin::pin!(link.call(jq(), Limits::default(), sender, &stop));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        fixture
            .until("a restart", || fixture.supervisor.health().iter().any(|task| task.last_failure.is_some()))
            .await;
        assert!(link.ready().is_none(), "{why}");
        fixture.clock.advance(START_PATIENCE.as_millis() as u64);
        assert_eq!(waiting.await, Err(RunnerLost::NotStarted), "{why}");
    }
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_runner() {
    let fixture = Fixture::new(
        "hear_open; say ready; hear_more; : > $D/begun; head -c 200 >> $D/heard; \
                                while ! grep -q '\"cancel\":{\"id\":1}' $D/heard; do head -c 1 >> $D/heard; done; say answer; cat > /dev/null",
    );
    fixture.frames("answer", &[ended(1, CallResult::Cancelled)]);
    let link = fixture.start();
    let stop = Stop::new();
    let (sender, _chunks) = mpsc::channel(1);
    let mut running = std::pin::pin!(link.call(jq(), Limits::default(), sender, &stop));
    tokio::select! {
        _ = &mut running => panic!("it ended by itself"),
        () = fixture.until("the call has begun", || fixture.folder.path().join("begun").exists()) => {}
    }
    stop.cancel();
    assert_eq!(running.await, Ok(CallResult::Cancelled));
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled_at_the_runner() {
    let fixture = Fixture::new("hear_open; say ready; hear_more; : > $D/begun; exec cat >> $D/heard");
    let link = fixture.start();
    {
        let stop = Stop::new();
        let (sender, _chunks) = mpsc::channel(1);
        let mut running = std::pin::pin!(link.call(jq(), Limits::default(), sender, &stop));
        tokio::select! {
            _ = &mut running => panic!("it ended by itself"),
            () = fixture.until("the call has begun", || fixture.folder.path().join("begun").exists()) => {}
        }
    }
    fixture.until("it is cancelled", || fixture.heard().contains(r#""cancel":{"id":1}"#)).await;
}

#[tokio::test]
async fn what_cannot_be_framed_is_refused_and_costs_nobody_else() {
    let fixture = Fixture::new("hear_open; say ready; hear_more; say answer; cat > /dev/null");
    fixture.frames("answer", &[ended(2, CallResult::Exited(0))]);
    let link = fixture.start();
    let (sender, _chunks) = mpsc::channel(1);
    let huge =
        RunnerCall::Jq { filter: "x".repeat(tenantry_protocol::runner::HEADER_LIMIT), input: json!(1) };
    let result = link.call(huge, Limits::default(), sender, &Stop::new()).await;
    assert!(matches!(result, Ok(CallResult::Refused(_))), "{result:?}");
    assert_eq!(call(&link).await.0, Ok(CallResult::Exited(0)));
}

#[tokio::test]
async fn processes_of_the_runner_are_told_from_others() {
    let fixture = Fixture::new(
        "hear_open; say ready; exec setpriv --no-new-privs sh -c 'sh -c \"echo \\$\\$ > $0/pid.new && mv $0/pid.new \
         $0/pid; cat > /dev/null\"; :' $D",
    );
    let link = fixture.start();
    let file = fixture.folder.path().join("pid");
    fixture.until("a grandchild runs", || file.exists()).await;
    let grandchild = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    assert!(link.is_descendant(grandchild));
    assert!(!link.is_descendant(std::process::id().cast_signed()));
    assert!(!link.is_descendant(1));
    assert!(link.is_descendant(i32::MAX), "who is gone cannot be told apart");
    let mut other = std::process::Command::new("setpriv")
        .args(["--no-new-privs", "cat"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = other.id().cast_signed();
    fixture
        .until("it has given up", || standing_of(pid).is_some_and(|standing| standing.no_new_privileges))
        .await;
    assert!(!link.is_descendant(pid), "a process of somebody else's is taken for the runner's");
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(fixture.supervisor.drain(PATIENCE).await.is_complete());
}

#[test]
fn what_an_earlier_life_left_is_removed_and_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/scratch");
    life::clear(&root).unwrap();
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "1").unwrap();
    fs::create_dir_all(root.join("call/a/b")).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("call/a/link")).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
    fs::write(root.join("file"), "1").unwrap();
    life::clear(&root).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    assert!(outside.join("kept").exists());
}
