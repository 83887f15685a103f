//! Frames between the daemon and the runner process, over one unix stream that nobody else can open.
//!
//! A frame is: header length and body length (`u32`, little endian), the header as JSON, the body as raw bytes.
//! Output and standard input travel in the body, so they are never escaped. The link opens with [`ToRunner::Open`]
//! from the daemon and [`FromRunner::Ready`] from the runner; then calls are multiplexed by [`CallId`].
//!
//! What must never happen here: a length that is believed before it was compared with its limit, and I/O. Both
//! sides do their own reading and writing; go to `runner/src/serve/` and `daemon/src/stage/action/runner_link.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Both sides come from one binary; a runner that was started from another one is refused by this number.
pub const LINK_VERSION: u32 = 1;
/// Largest JSON header of a frame, in bytes. It holds a script with its environment, or the input of a jq filter.
pub const HEADER_LIMIT: usize = 16 * 1024 * 1024;
/// Largest body of a frame, in bytes. It holds a chunk of output or the whole standard input of a call.
pub const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// Largest chunk of output the runner puts into one frame, in bytes.
pub const OUTPUT_CHUNK: usize = 64 * 1024;
/// Bytes before the header: two lengths.
const LENGTHS: usize = 8;

/// Names one call on one link. The daemon counts from 1; an id is never used twice on a link.
pub type CallId = u64;

/// From the daemon to the runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToRunner {
    /// The first frame: where the runner works and what it must not see.
    Open(Open),
    /// Begin a call.
    Start(Box<Start>),
    /// Kill a call. It ends with [`CallResult::Cancelled`] unless it ended already; an unknown id is ignored.
    Cancel {
        /// Which call.
        id: CallId,
    },
}

/// What the runner learns before it shuts itself in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// [`LINK_VERSION`] of the daemon.
    pub link_version: u32,
    /// An existing folder in which every call gets a folder of its own. Belongs to the runner alone.
    pub scratch_root: PathBuf,
    /// Files and folders that calls must not see: the data folder, the runtime folder with the sockets, the key.
    pub hide: Vec<PathBuf>,
    /// Files and folders that calls may read and execute beside the system's own (`/usr`, `/bin`, `/lib`…).
    pub expose: Vec<PathBuf>,
}

/// One call with its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The daemon's name for it.
    pub id: CallId,
    /// What to execute.
    pub call: RunnerCall,
    /// How much it may use.
    pub limits: Limits,
    /// Name of its folder under the scratch root; the runner creates it empty and removes it at the end. One path
    /// component of `a-z A-Z 0-9 _ -`, see [`is_scratch_name`].
    pub scratch: String,
}

/// What the runner can execute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunnerCall {
    /// A script, given to a shell by `-c`.
    Run {
        /// The text of the script.
        script: String,
        /// Absolute path of the shell.
        #[serde(default = "default_shell")]
        shell: PathBuf,
        /// Added to the few variables that every call has: PATH, HOME, TMPDIR, LANG.
        #[serde(default)]
        env: BTreeMap<String, String>,
        /// The whole standard input. Travels in the body of the frame.
        #[serde(skip)]
        stdin: Vec<u8>,
    },
    /// A jq filter over one JSON value.
    Jq {
        /// The text of the filter.
        filter: String,
        /// What `.` is.
        input: serde_json::Value,
    },
}

/// The shell of a script that names none.
pub fn default_shell() -> PathBuf {
    PathBuf::from("/bin/sh")
}

/// How much one call may use. Every field is a hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// From start to end, in milliseconds.
    pub wall_ms: u64,
    /// Processor time of one process, in seconds.
    pub cpu_s: u64,
    /// Memory of one process, in bytes.
    pub memory_bytes: u64,
    /// Standard output and standard error together, or the JSON text of a jq result, in bytes.
    pub output_bytes: u64,
    /// Size of one written file, in bytes.
    pub file_bytes: u64,
    /// Processes and threads that exist at once.
    pub processes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 60_000,
            cpu_s: 30,
            memory_bytes: 512 * 1024 * 1024,
            output_bytes: 4 * 1024 * 1024,
            file_bytes: 64 * 1024 * 1024,
            processes: 64,
        }
    }
}

/// From the runner to the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromRunner {
    /// The first frame: the runner has shut itself in and takes calls.
    Ready(Ready),
    /// A piece of output. All of a call's output comes before its end.
    Output {
        /// Which call.
        id: CallId,
        /// Where it was written.
        stream: Stream,
        /// What was written. Travels in the body of the frame.
        #[serde(skip)]
        bytes: Vec<u8>,
    },
    /// The call is over and nothing of it is left: no process, no folder.
    Ended {
        /// Which call.
        id: CallId,
        /// How it ended.
        result: CallResult,
    },
}

/// Who the runner is and how well its calls are shut in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Version of the runner's binary.
    pub version: String,
    /// [`LINK_VERSION`] of the runner.
    pub link_version: u32,
    /// What is in force.
    pub sandbox: Sandbox,
}

/// The measures that stand between a call and the machine. Shown in health; a policy may demand a complete one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// The kernel's Landlock version that is used; 0 is none, and then no script is accepted.
    pub landlock_abi: u32,
    /// Names of the measures in force, such as `mount-namespace`.
    pub in_force: Vec<String>,
    /// Measures this machine does not allow, with the reason.
    pub missing: Vec<Missing>,
}

/// A measure that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its name.
    pub measure: String,
    /// Why not.
    pub reason: String,
}

/// The two streams a script writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallResult {
    /// The shell exited with this code.
    Exited(i32),
    /// The shell was ended by this signal. 24 (SIGXCPU) is the processor limit.
    Signalled(i32),
    /// [`Limits::wall_ms`] passed; everything was killed.
    TimedOut,
    /// The daemon asked for it; everything was killed.
    Cancelled,
    /// [`Limits::output_bytes`] were written; everything was killed and the rest of the output dropped.
    OutputLimit,
    /// What the filter gave: nothing is `null`, one value is that value, several are an array of them.
    JqValue(serde_json::Value),
    /// The filter is wrong, raised an error, or went over a limit.
    JqError(String),
    /// It was never started; the text says why.
    Refused(String),
}

/// Why bytes are not a frame. The link is closed on any of these: after one, the rest cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A length is over its limit.
    #[error("a frame of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// What was announced.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The header is not the JSON of a known message.
    #[error("a frame has a header that is not understood: {0}")]
    Header(#[from] serde_json::Error),
    /// A body came with a message that has none.
    #[error("a frame has a body its message does not take")]
    StrayBody,
}

/// A message that travels in a frame: a JSON header and, for some, raw bytes.
pub trait Message: Serialize + DeserializeOwned {
    /// The raw bytes of this message.
    fn body(&self) -> &[u8];
    /// Puts the raw bytes back. False if this message takes none.
    fn set_body(&mut self, body: Vec<u8>) -> bool;
}

impl Message for ToRunner {
    fn body(&self) -> &[u8] {
        match self {
            Self::Start(start) => match &start.call {
                RunnerCall::Run { stdin, .. } => stdin,
                RunnerCall::Jq { .. } => &[],
            },
            Self::Open(_) | Self::Cancel { .. } => &[],
        }
    }

    fn set_body(&mut self, body: Vec<u8>) -> bool {
        if let Self::Start(start) = self
            && let RunnerCall::Run { stdin, .. } = &mut start.call
        {
            *stdin = body;
            return true;
        }
        body.is_empty()
    }
}

impl Message for FromRunner {
    fn body(&self) -> &[u8] {
        match self {
            Self::Output { bytes, .. } => bytes,
            Self::Ready(_) | Self::Ended { .. } => &[],
        }
    }

    fn set_body(&mut self, body: Vec<u8>) -> bool {
        if let Self::Output { bytes, .. } = self {
            *bytes = body;
            return true;
        }
        body.is_empty()
    }
}

/// Appends the frame of a message to `out`. On an error `out` is as it was.
pub fn encode<M: Message>(message: &M, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let header = serde_json::to_vec(message)?;
    let body = message.body();
    within(header.len(), HEADER_LIMIT)?;
    within(body.len(), BODY_LIMIT)?;
    out.reserve(LENGTHS + header.len() + body.len());
    out.extend_from_slice(&(header.len() as u32).to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(body);
    Ok(())
}

/// Turns a stream of bytes back into messages. Holds at most one frame and what was fed after it.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they came from the link.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, or none yet.
    pub fn next_message<M: Message>(&mut self) -> Result<Option<M>, FrameError> {
        let waiting = self.buffer.get(self.start..).unwrap_or_default();
        let Some((lengths, rest)) = waiting.split_first_chunk::<LENGTHS>() else { return Ok(None) };
        let [h0, h1, h2, h3, b0, b1, b2, b3] = *lengths;
        let header_len = u32::from_le_bytes([h0, h1, h2, h3]) as usize;
        let body_len = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
        within(header_len, HEADER_LIMIT)?;
        within(body_len, BODY_LIMIT)?;
        let Some((header, rest)) = rest.split_at_checked(header_len) else { return Ok(None) };
        let Some((body, _)) = rest.split_at_checked(body_len) else { return Ok(None) };
        let mut message: M = serde_json::from_slice(header)?;
        if !message.set_body(body.to_vec()) {
            return Err(FrameError::StrayBody);
        }
        self.start += LENGTHS + header_len + body_len;
        self.compact();
        Ok(Some(message))
    }

    fn compact(&mut self) {
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }
}

/// Whether a text may name a call's folder: 1 to 64 of `a-z A-Z 0-9 _ -`, so it is one component and no `..`.
pub fn is_scratch_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

fn within(size: usize, limit: usize) -> Result<(), FrameError> {
    if size > limit { Err(FrameError::TooLarge { size, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn start(script: &str, stdin: &[u8]) -> ToRunner {
        ToRunner::Start(Box::new(Start {
            id: 7,
            call: RunnerCall::Run {
                script: script.to_owned(),
                shell: default_shell(),
                env: BTreeMap::from([("A".to_owned(), "b\n".to_owned())]),
                stdin: stdin.to_vec(),
            },
            limits: Limits::default(),
            scratch: "call-7".to_owned(),
        }))
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(script in "\\PC{0,40}", stdin in proptest::collection::vec(any::<u8>(), 0..300),
                                  cut in 1_usize..50) {
            let sent = [start(&script, &stdin), ToRunner::Cancel { id: 7 }, start(&script, &[])];
            let mut wire = Vec::new();
            for message in &sent {
                encode(message, &mut wire).unwrap();
            }
            let mut decoder = Decoder::new();
            let mut got = Vec::new();
            for piece in wire.chunks(cut) {
                decoder.feed(piece);
                while let Some(message) = decoder.next_message::<ToRunner>().unwrap() {
                    got.push(message);
                }
            }
            prop_assert_eq!(got.as_slice(), sent.as_slice());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::new();
            decoder.feed(&bytes);
            while let Ok(Some(_)) = decoder.next_message::<FromRunner>() {}
        }
    }

    #[test]
    fn output_is_carried_raw_and_results_round_trip() {
        let sent = [
            FromRunner::Output { id: 1, stream: Stream::Stderr, bytes: vec![0, 255, b'"'] },
            FromRunner::Ended { id: 1, result: CallResult::JqValue(serde_json::json!([1, {"a": null}])) },
            FromRunner::Ended { id: 2, result: CallResult::TimedOut },
        ];
        let mut wire = Vec::new();
        for message in &sent {
            encode(message, &mut wire).unwrap();
        }
        let mut decoder = Decoder::new();
        decoder.feed(&wire);
        for message in &sent {
            assert_eq!(decoder.next_message::<FromRunner>().unwrap().as_ref(), Some(message));
        }
        assert!(decoder.next_message::<FromRunner>().unwrap().is_none());
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_it_arrives() {
        let mut decoder = Decoder::new();
        decoder.feed(&u32::MAX.to_le_bytes());
        decoder.feed(&0_u32.to_le_bytes());
        assert!(matches!(decoder.next_message::<ToRunner>(), Err(FrameError::TooLarge { .. })));
        let huge = start("true", &vec![0; BODY_LIMIT + 1]);
        let mut wire = vec![1];
        assert!(matches!(encode(&huge, &mut wire), Err(FrameError::TooLarge { .. })));
        assert_eq!(wire, [1], "a refused frame must leave nothing behind");
    }

    #[test]
    fn a_body_on_a_message_without_one_is_refused() {
        let mut wire = Vec::new();
        encode(&ToRunner::Cancel { id: 1 }, &mut wire).unwrap();
        wire[4] = 1;
        wire.push(b'x');
        let mut decoder = Decoder::new();
        decoder.feed(&wire);
        assert!(matches!(decoder.next_message::<ToRunner>(), Err(FrameError::StrayBody)));
    }

    #[test]
    fn scratch_names_are_single_components() {
        assert!(is_scratch_name("job_0199-a"));
        for bad in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(!is_scratch_name(bad), "{bad:?} must not name a folder");
        }
    }
}
