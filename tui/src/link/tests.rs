//! The link against a small server that does what the test tells it: what a real daemon can only be made to do with
//! luck, such as breaking off in the middle of the feed.

use std::path::Path;
use std::time::Duration;

use tenantry_protocol::client::Client;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::feed::Change;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Link, MESSAGES_LIMIT, REQUESTS_LIMIT};
use crate::fixtures::{log_line, run_id, running, tenant};
use crate::message::{Answer, LinkState, Message, Read, Request};

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(10);
const GAP: &str = r#"{"at":1,"change":"gap","dropped":0}"#;

/// A link under test and the server it meets.
struct Bench {
    folder: tempfile::TempDir,
    requests: mpsc::Sender<Request>,
    messages: mpsc::Receiver<Message>,
    tasks: JoinSet<()>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (requests, asked) = mpsc::channel(REQUESTS_LIMIT);
        let (sender, messages) = mpsc::channel(MESSAGES_LIMIT);
        let client = Client::new(folder.path().join("api.sock"));
        let mut tasks = JoinSet::new();
        tasks.spawn(Link::new(client, None, asked, sender).run());
        Self { folder, requests, messages, tasks }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("api.sock")
    }

    async fn next(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.messages.recv()).await.unwrap().unwrap()
    }

    /// The next message that is not about an earlier failure to connect.
    async fn until(&mut self, wanted: impl Fn(&Message) -> bool) -> Message {
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    async fn live(&mut self) {
        self.until(|message| *message == Message::Link(LinkState::Live)).await;
    }
}

/// A connection on which a request came.
struct Exchange {
    stream: UnixStream,
    path: String,
    head: String,
}

impl Exchange {
    /// Reads one request without a body; `None` when the client has gone.
    async fn read(mut stream: UnixStream) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        Some(Self { stream, path, head })
    }

    /// Answers with a whole body; the connection stays open.
    async fn answer(mut self, status: u16, body: &str) -> UnixStream {
        let length = body.len();
        let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream
    }

    /// Begins a stream of events.
    async fn begin(mut self) -> Events {
        let head = "HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        self.stream.write_all(head.as_bytes()).await.unwrap();
        Events { stream: self.stream }
    }
}

struct Events {
    stream: UnixStream,
}

impl Events {
    async fn send(&mut self, id: &str, data: &str) {
        let event = format!("id: {id}\ndata: {data}\n\n");
        self.stream.write_all(event.as_bytes()).await.unwrap();
    }
}

fn run_change(n: u8) -> String {
    let run = run_id(1, n);
    format!(r#"{{"at":1,"change":"run","run":"{run}","workflow":"w","state":"queued","error":null}}"#)
}

const WHO: &str = r#"{"subject":"host","name":"root","role":"host-admin","session":"ses_00000000000000000000000000000000","permissions":["host:admin"]}"#;
const WHO_TENANT: &str = r#"{"subject":"pri_00000000000000000000000000000000","name":"ci","role":"viewer","tenant":"ten_01010101010101010101010101010101","tenant_name":"acme","tenant-name":"acme","session":"ses_00000000000000000000000000000000","permissions":["feed:read"]}"#;

/// Accepts connections until a feed is opened; answers what is asked before.
async fn accept_feed(listener: &UnixListener, who: &str) -> (String, Events) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Some(exchange) = Exchange::read(stream).await else { continue };
        if exchange.path.ends_with("/feed") {
            let head = exchange.head.clone();
            return (head, exchange.begin().await);
        }
        assert_eq!(exchange.path, "/v1/whoami");
        exchange.answer(200, who).await;
    }
}

#[tokio::test]
async fn it_tells_who_it_is_follows_the_feed_and_leaves_out_the_opening_gap() {
    let mut bench = Bench::new();
    let listener = UnixListener::bind(bench.socket()).unwrap();
    let (head, mut feed) = accept_feed(&listener, WHO).await;
    assert!(head.starts_with("get /v1/feed ") && !head.contains("last-event-id"), "{head}");
    assert!(
        matches!(bench.until(|m| matches!(m, Message::Access(_))).await, Message::Access(a) if a.tenant.is_none())
    );
    assert_eq!(bench.next().await, Message::Link(LinkState::Live));
    feed.send("a-1", GAP).await;
    feed.send("a-2", &run_change(1)).await;
    feed.send("a-3", GAP).await;
    let kinds = [bench.next().await, bench.next().await].map(|message| match message {
        Message::Feed(item) => matches!(item.change, Change::Gap { .. }),
        other => panic!("{other:?}"),
    });
    assert_eq!(kinds, [false, true], "a later gap is told");
}

#[tokio::test]
async fn a_key_of_one_tenant_follows_the_feed_of_that_tenant() {
    let mut bench = Bench::new();
    let listener = UnixListener::bind(bench.socket()).unwrap();
    let (head, _feed) = accept_feed(&listener, WHO_TENANT).await;
    assert!(head.starts_with("get /v1/tenants/acme/feed "), "{head}");
    let access = bench.until(|message| matches!(message, Message::Access(_))).await;
    assert!(matches!(access, Message::Access(access) if access.tenant.as_deref() == Some("acme")));
}

#[tokio::test]
async fn a_feed_that_breaks_is_resumed_where_it_ended() {
    let mut bench = Bench::new();
    let listener = UnixListener::bind(bench.socket()).unwrap();
    let (_, mut feed) = accept_feed(&listener, WHO).await;
    bench.live().await;
    feed.send("a-7", &run_change(1)).await;
    bench.until(|message| matches!(message, Message::Feed(_))).await;
    // Half an event, and gone.
    feed.stream.write_all(b"id: a-8\ndata: {").await.unwrap();
    drop(feed);
    let (head, _feed) = accept_feed(&listener, WHO).await;
    assert!(head.contains("last-event-id: a-7"), "{head}");
    bench.live().await;
}

#[tokio::test]
async fn no_daemon_is_told_with_the_next_try_and_a_person_need_not_wait() {
    let mut bench = Bench::new();
    // Until the wait is so long that only a person can have ended it.
    let mut waits = Vec::new();
    while waits.len() < 3 {
        if let Message::Link(LinkState::Lost { trouble, retry_at }) = bench.next().await {
            assert_eq!(trouble.code, ErrorCode::DaemonUnreachable);
            assert!(trouble.detail.contains("api.sock") && !trouble.hint.is_empty());
            waits.push(retry_at - crate::clock::unix_ms());
        }
    }
    assert!(waits[2] > waits[0], "{waits:?}");
    let listener = UnixListener::bind(bench.socket()).unwrap();
    bench.requests.send(Request::ConnectNow).await.unwrap();
    accept_feed(&listener, WHO).await;
    bench.live().await;
}

#[tokio::test]
async fn a_server_that_talks_nonsense_is_told_as_such() {
    let mut bench = Bench::new();
    let listener = UnixListener::bind(bench.socket()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    Exchange::read(stream).await.unwrap().answer(200, "<html>").await;
    let lost = bench.until(|message| matches!(message, Message::Link(LinkState::Lost { .. }))).await;
    let Message::Link(LinkState::Lost { trouble, .. }) = lost else { panic!("{lost:?}") };
    assert_eq!(trouble.code, ErrorCode::VersionMismatch);
}

/// Answers what is asked on one connection after the other, by path.
async fn serve(listener: &UnixListener, reply: impl Fn(&str) -> (u16, String)) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Some(exchange) = Exchange::read(stream).await {
            let (status, body) = reply(&exchange.path);
            stream = exchange.answer(status, &body).await;
        }
    }
}

/// A live link, and a server that goes on with `reply`.
async fn served(reply: impl Fn(&str) -> (u16, String) + Send + 'static) -> (Bench, JoinSet<()>) {
    let mut bench = Bench::new();
    let listener = UnixListener::bind(bench.socket()).unwrap();
    let (_, feed) = accept_feed(&listener, WHO).await;
    bench.live().await;
    let mut server = JoinSet::new();
    server.spawn(async move {
        serve(&listener, reply).await;
        drop(feed);
    });
    (bench, server)
}

#[tokio::test]
async fn a_refused_read_is_a_failure_with_code_and_hint() {
    let problem = r#"{"code":"store-busy","title":"t","status":503,"detail":"the store of acme is busy","hint":"wait","request_id":"req_00000000000000000000000000000000"}"#;
    let (mut bench, _server) = served(move |_| (503, problem.to_owned())).await;
    bench.requests.send(Request::Stats { tenant: Some("acme".to_owned()) }).await.unwrap();
    let failed = bench.until(|message| matches!(message, Message::Failed { .. })).await;
    let Message::Failed { read: Read::Stats, trouble } = failed else { panic!("{failed:?}") };
    assert_eq!((trouble.code, trouble.hint.as_str()), (ErrorCode::StoreBusy, "wait"));
    assert_eq!(trouble.detail, "the store of acme is busy");
}

#[tokio::test]
async fn a_tenant_that_is_gone_does_not_hide_the_runs_of_the_others() {
    let id = run_id(1, 1);
    let (mut bench, _server) = served(move |path| {
        if path.starts_with("/v1/tenants/acme/") {
            let page = serde_json::json!({ "items": [running(id)] });
            (200, page.to_string())
        } else {
            let request = "req_00000000000000000000000000000000";
            (
                404,
                format!(
                    r#"{{"code":"not-found","title":"t","status":404,"detail":"d","request_id":"{request}"}}"#
                ),
            )
        }
    })
    .await;
    let tenants =
        vec![(tenant(2, "gone").tenant, "gone".to_owned()), (tenant(1, "acme").tenant, "acme".to_owned())];
    bench.requests.send(Request::Runs { asked: 5, tenants }).await.unwrap();
    let answer = bench.until(|message| matches!(message, Message::Answer(_) | Message::Failed { .. })).await;
    let Message::Answer(Answer::Runs { asked: 5, lists }) = answer else { panic!("{answer:?}") };
    assert_eq!(lists.len(), 1);
    assert_eq!(lists[0].1[0].id, id);
}

#[tokio::test]
async fn a_run_comes_with_its_attempts_in_the_order_of_the_workflow() {
    let id = run_id(1, 1);
    let (mut bench, _server) = served(move |path| {
        let mut steps = running(id).steps;
        if path.ends_with("/steps") {
            steps.reverse();
            (200, serde_json::json!({ "items": steps }).to_string())
        } else {
            let mut view = running(id);
            view.steps.iter_mut().for_each(|step| step.attempts.clear());
            (200, serde_json::to_string(&view).unwrap())
        }
    })
    .await;
    bench.requests.send(Request::Run { tenant: "acme".to_owned(), run: id }).await.unwrap();
    let answer = bench.until(|message| matches!(message, Message::Answer(_) | Message::Failed { .. })).await;
    assert_eq!(answer, Message::Answer(Answer::Run(Box::new(running(id)))));
}

#[tokio::test]
async fn a_log_is_read_by_pages_and_then_followed() {
    let id = run_id(1, 1);
    let mut bench = Bench::new();
    let listener = UnixListener::bind(bench.socket()).unwrap();
    let (_, _feed) = accept_feed(&listener, WHO).await;
    bench.live().await;
    bench.requests.send(Request::Log { tenant: "acme".to_owned(), run: id, after: None }).await.unwrap();
    let line = |seq| serde_json::to_value(log_line(seq, "x")).unwrap();
    let script = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let pages = [
            serde_json::json!({ "items": [line(1), line(2)], "next": "c1" }),
            serde_json::json!({ "items": [line(3)] }),
        ];
        for (page, after) in pages.iter().zip(["", "after=c1"]) {
            let exchange = Exchange::read(stream).await.unwrap();
            assert!(exchange.path.contains(after), "{}", exchange.path);
            stream = exchange.answer(200, &page.to_string()).await;
        }
        let (stream, _) = listener.accept().await.unwrap();
        let exchange = Exchange::read(stream).await.unwrap();
        assert!(exchange.path.contains("after=3&follow=true") && exchange.head.contains("last-event-id: 3"));
        let mut events = exchange.begin().await;
        events.send("4", &line(4).to_string()).await;
    };
    tokio::time::timeout(PATIENCE, script).await.unwrap();
    let mut seqs = Vec::new();
    loop {
        match bench.next().await {
            Message::Log { run, lines } if run == id => seqs.extend(lines.iter().map(|line| line.seq)),
            Message::LogEnd { run, trouble: None } if run == id => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seqs, [1, 2, 3, 4]);
}

#[tokio::test]
async fn nothing_is_left_running_when_the_dashboard_has_gone() {
    let bench = Bench::new();
    let socket = bench.socket();
    let Bench { requests, messages, mut tasks, folder } = bench;
    drop((requests, messages));
    tokio::time::timeout(PATIENCE, tasks.join_next()).await.unwrap();
    assert!(!Path::new(&socket).exists());
    drop(folder);
}
