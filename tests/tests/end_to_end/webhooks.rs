//! Webhooks at the real ingress: every scheme, what is refused, and what the event keeps of a request.

use serde_json::{Value, json};
use tenantry_protocol::page::Page;
use tenantry_protocol::path::{Operation, hook};
use tenantry_protocol::run::EventView;
use tenantry_tests::daemon::{TestDaemon, soon};
use tenantry_tests::http::{Answer, Call};
use tenantry_tests::sign;
use tenantry_tests::tenant::TestTenant;

const OLD: &str = "whsec_b2xkIHNlY3JldCBvZiB0aGUgaG9vaw==";
const NEW: &str = "whsec_bmV3IHNlY3JldCBvZiB0aGUgaG9vaw==";
const SEED: [u8; 32] = [7; 32];

type Signer = fn(secret: &str, delivery: &str, at: i64, body: &[u8]) -> Vec<(&'static str, String)>;

/// A scheme: its name, more of its `verify`, how its sender signs, and whether the time is signed.
struct Sender {
    name: &'static str,
    verify: &'static str,
    signer: Signer,
    timed: bool,
}

const SENDERS: &[Sender] = &[
    Sender {
        name: "standard-webhooks",
        verify: "scheme: standard-webhooks",
        signer: |secret, id, at, body| {
            let signature = format!("v1,AAAA {}", sign::standard(secret, id, at, body));
            vec![
                ("webhook-id", id.to_owned()),
                ("webhook-timestamp", at.to_string()),
                ("webhook-signature", signature),
            ]
        },
        timed: true,
    },
    Sender {
        name: "github",
        verify: "scheme: github",
        signer: |secret, id, _, body| {
            vec![("x-hub-signature-256", sign::github(secret, body)), ("x-github-delivery", id.to_owned())]
        },
        timed: false,
    },
    Sender {
        name: "stripe",
        verify: "scheme: stripe",
        signer: |secret, _, at, body| {
            let signature = sign::stripe(secret, at, body);
            vec![("stripe-signature", format!("{signature},v1={},v0=00", "0".repeat(64)))]
        },
        timed: true,
    },
    Sender {
        name: "slack",
        verify: "scheme: slack",
        signer: |secret, _, at, body| {
            vec![
                ("x-slack-signature", sign::slack(secret, at, body)),
                ("x-slack-request-timestamp", at.to_string()),
            ]
        },
        timed: true,
    },
    Sender {
        name: "shopify",
        verify: "scheme: shopify",
        signer: |secret, id, _, body| {
            vec![
                ("x-shopify-hmac-sha256", sign::shopify(secret, body)),
                ("x-shopify-webhook-id", id.to_owned()),
            ]
        },
        timed: false,
    },
    Sender {
        name: "zoom",
        verify: "scheme: hmac, header: X-Zm-Signature, prefix: v0=, timestamp-header: X-Zm-Request-Timestamp, \
                 signed-payload: \"v0:{timestamp}:{body}\"",
        signer: |secret, _, at, body| {
            vec![
                ("x-zm-signature", sign::slack(secret, at, body)),
                ("x-zm-request-timestamp", at.to_string()),
            ]
        },
        timed: true,
    },
];

async fn acme() -> (TestDaemon, TestTenant) {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    (daemon, acme)
}

fn workflow(name: &str, webhook: &str) -> String {
    format!(
        "name: {name}\non: {{ webhook: {{ path: {name}, {webhook} }} }}\nsteps:\n  - {{ id: a, jq: \"1\" }}\n"
    )
}

async fn send(daemon: &TestDaemon, path: &str, body: &[u8], headers: &[(&'static str, String)]) -> Answer {
    let mut call = Call::post(hook("acme", path), body).header("content-type", "application/json");
    for (name, value) in headers {
        call = call.header(name, value.clone());
    }
    call.tcp(daemon.ingress()).await.unwrap()
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

async fn events(daemon: &TestDaemon) -> Vec<EventView> {
    let page: Page<EventView> = daemon.client().get(Operation::EventList, &["acme"], &()).await.unwrap();
    page.items
}

async fn content(daemon: &TestDaemon, answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{answer:?}");
    let event = answer.json()["event"].as_str().unwrap().to_owned();
    let view: EventView = daemon.client().get(Operation::EventGet, &["acme", &event], &()).await.unwrap();
    view.content.unwrap()
}

#[tokio::test]
async fn every_scheme_takes_the_genuine_and_refuses_the_forged_stale_and_future() {
    let (daemon, acme) = acme().await;
    acme.secret("OLD", OLD).await.unwrap();
    acme.secret("NEW", NEW).await.unwrap();
    let mut accepted = 0;
    for Sender { name, verify, signer, timed } in SENDERS {
        let secrets = "secret: [\"${{ secrets.OLD }}\", \"${{ secrets.NEW }}\", \"${{ secrets.TO_COME }}\"]";
        acme.apply(&workflow(name, &format!("verify: {{ {verify}, {secrets} }}"))).await.unwrap();
        let (now, body) = (sign::now(), format!("{{\"from\": \"{name}\"}}").into_bytes());

        // While a secret is being replaced both are good, and each delivery counts once.
        let genuine = signer(OLD, "one", now, &body);
        let first = send(&daemon, name, &body, &genuine).await;
        assert_eq!(first.status, 202, "{name}: {first:?}");
        let again = send(&daemon, name, &body, &genuine).await;
        assert_eq!(
            (again.status.as_u16(), &again.json()["duplicate"]),
            (200, &json!(true)),
            "{name}: {again:?}"
        );
        let rotated = send(&daemon, name, b"{}", &signer(NEW, "two", now, b"{}")).await;
        assert_eq!(rotated.status, 202, "{name}: {rotated:?}");
        accepted += 2;

        let invalid = (401, "signature-invalid".to_owned());
        let forged = send(&daemon, name, &body, &signer("whsec_Z3Vlc3NlZA==", "three", now, &body)).await;
        assert_eq!(told(&forged), invalid, "{name}");
        assert_eq!(told(&send(&daemon, name, b"{\"from\": \"me\"}", &genuine).await), invalid, "{name}");
        assert_eq!(told(&send(&daemon, name, &body, &[]).await), invalid, "{name}");
        if *timed {
            let stale = (401, "signature-stale".to_owned());
            for off in [-301, 330] {
                let late = send(&daemon, name, &body, &signer(OLD, "four", now + off, &body)).await;
                assert_eq!(told(&late), stale, "{name} {off}");
            }
            let close = send(&daemon, name, &body, &signer(OLD, "five", now - 240, &body)).await;
            assert_eq!(close.status, 202, "{name}: {close:?}");
            accepted += 1;
        }

        // The old secret goes: what it signs is refused from then on.
        let secrets = "secret: \"${{ secrets.NEW }}\"";
        acme.apply(&workflow(name, &format!("verify: {{ {verify}, {secrets} }}"))).await.unwrap();
        let old = send(&daemon, name, &body, &signer(OLD, "six", now, &body)).await;
        assert_eq!(told(&old), invalid, "{name}");
    }
    assert_eq!(events(&daemon).await.len(), accepted, "what is refused is no event");
    soon("every event has run", || async {
        let runs = acme.runs().await.ok()?;
        (runs.len() == accepted && runs.iter().all(|run| run.state.is_terminal())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_public_key_verifies_asymmetric_signatures_and_nothing_else() {
    let (daemon, acme) = acme().await;
    let public = sign::standard_public(&SEED);
    acme.secret("PUBLIC", &public).await.unwrap();
    let verify = "verify: { scheme: standard-webhooks, secret: \"${{ secrets.PUBLIC }}\" }";
    acme.apply(&workflow("job", verify)).await.unwrap();
    let now = sign::now();
    let headers = |signature: String| {
        vec![
            ("webhook-id", "msg_1".to_owned()),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", signature),
        ]
    };
    let genuine = headers(sign::standard_asymmetric(&SEED, "msg_1", now, b"{}"));
    let other = headers(sign::standard_asymmetric(&[8; 32], "msg_1", now, b"{}"));
    let confused = headers(sign::standard(&public, "msg_1", now, b"{}"));
    for forged in [other, confused] {
        assert_eq!(told(&send(&daemon, "job", b"{}", &forged).await), (401, "signature-invalid".to_owned()));
    }
    assert_eq!(send(&daemon, "job", b"{}", &genuine).await.status, 202);
}

#[tokio::test]
async fn slack_s_handshake_is_answered_only_to_slack() {
    let (daemon, acme) = acme().await;
    let verify = "verify: { scheme: slack, secret: \"${{ secrets.HOOK }}\" }";
    acme.apply(&workflow("slack", verify)).await.unwrap();
    let body = br#"{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let now = sign::now();
    let signed = |secret: &str| {
        vec![
            ("x-slack-signature", sign::slack(secret, now, body)),
            ("x-slack-request-timestamp", now.to_string()),
        ]
    };
    let refused = send(&daemon, "slack", body, &signed("guessed")).await;
    assert_eq!(told(&refused), (401, "signature-invalid".to_owned()));
    let answer = send(&daemon, "slack", body, &signed(tenantry_tests::tenant::HOOK_SECRET)).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/plain; charset=utf-8"));
    assert_eq!(answer.body, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P");
    assert_eq!(events(&daemon).await, [], "a handshake is no event");
}

const OPEN: &str = "verify: { scheme: token, header: X-Token, secret: \"${{ secrets.HOOK }}\" }";

fn open(method: &str, path: &str, content_type: &str, body: &[u8]) -> Call {
    let call = Call { method: method.to_owned(), ..Call::post(hook("acme", path), body) };
    let call = call.header("x-token", tenantry_tests::tenant::HOOK_SECRET);
    if content_type.is_empty() { call } else { call.header("content-type", content_type) }
}

#[tokio::test]
async fn methods_are_those_of_the_trigger() {
    let (daemon, acme) = acme().await;
    acme.apply(&workflow("ping", &format!("methods: [GET, PUT], {OPEN}"))).await.unwrap();
    acme.apply(&workflow("usual", OPEN)).await.unwrap();
    let answer = open("POST", "ping", "", b"").tcp(daemon.ingress()).await.unwrap();
    assert_eq!(told(&answer), (405, "method-not-allowed".to_owned()));
    assert_eq!(answer.header("allow"), "GET, PUT");
    let answer = open("GET", "usual", "", b"").tcp(daemon.ingress()).await.unwrap();
    assert_eq!((told(&answer).0, answer.header("allow")), (405, "POST"));
    let answer = open("GET", "ping?host=db-1&load=0.5", "", b"").tcp(daemon.ingress()).await.unwrap();
    let seen = content(&daemon, &answer).await;
    assert_eq!((&seen["method"], &seen["body"]), (&json!("GET"), &Value::Null));
    assert_eq!(seen["query"], json!({ "host": "db-1", "load": "0.5" }));
    let answer = open("PUT", "ping", "text/plain", b"on").tcp(daemon.ingress()).await.unwrap();
    assert_eq!(content(&daemon, &answer).await["method"], "PUT");
    let long = format!("ping?{}", "q".repeat(5_000));
    let answer = open("GET", &long, "", b"").tcp(daemon.ingress()).await.unwrap();
    assert_eq!(told(&answer), (400, "bad-request".to_owned()), "nothing is dropped in silence");
}

#[tokio::test]
async fn the_content_type_decides_what_the_event_holds() {
    let (daemon, acme) = acme().await;
    acme.apply(&workflow("job", OPEN)).await.unwrap();
    for (content_type, body, seen) in [
        ("application/json", &br#"{"a": [1]}"#[..], json!({"a": [1]})),
        ("application/cloudevents+json; charset=utf-8", br#"{"a": 1}"#, json!({"a": 1})),
        ("application/x-www-form-urlencoded", b"a=1&b=%C3%A4+b", json!({"a": "1", "b": "\u{e4} b"})),
        ("text/csv", b"a;b", json!("a;b")),
        ("", b"{\"a\":1}", json!({"a": 1})),
    ] {
        let answer = open("POST", "job", content_type, body).tcp(daemon.ingress()).await.unwrap();
        assert_eq!(content(&daemon, &answer).await["body"], seen, "{content_type}");
    }
    let answer = open("POST", "job", "image/png", b"abc").tcp(daemon.ingress()).await.unwrap();
    // SHA-256 of `abc` as FIPS 180-2 publishes it.
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let seen = content(&daemon, &answer).await;
    assert_eq!(seen["body"], json!({ "size": 3, "sha256": sha256, "content_type": "image/png" }));
    let blob = acme.folder(&daemon).join("blobs");
    assert!(crate::disk_contains(&blob, b"abc"), "the bytes are kept as they came");
    let refused = (415, "unsupported-media".to_owned());
    let form = "multipart/form-data; boundary=x";
    let answer = open("POST", "job", form, b"--x--").tcp(daemon.ingress()).await.unwrap();
    assert_eq!(told(&answer), refused);
    let call = open("POST", "job", "application/json", b"\x1f\x8b").header("content-encoding", "gzip");
    assert_eq!(told(&call.tcp(daemon.ingress()).await.unwrap()), refused);
    let answer = open("POST", "job", "application/json", b"{oops").tcp(daemon.ingress()).await.unwrap();
    assert_eq!(told(&answer), (400, "bad-request".to_owned()));
}

#[tokio::test]
async fn events_keep_chosen_headers_and_never_a_proof() {
    let (daemon, acme) = acme().await;
    acme.apply(&workflow("usual", OPEN)).await.unwrap();
    acme.apply(&workflow("chosen", &format!("headers: [X-Kind, X-Api-Key], {OPEN}"))).await.unwrap();
    let with = |path: &str| {
        [
            ("x-kind", "push"),
            ("x-api-key", "k"),
            ("authorization", "Basic eA=="),
            ("cookie", "c"),
            ("x-sig", "s"),
        ]
        .into_iter()
        .fold(open("POST", path, "application/json", b"{}"), |call, (name, value)| call.header(name, value))
    };
    let answer = with("usual").tcp(daemon.ingress()).await.unwrap();
    let seen = content(&daemon, &answer).await;
    assert_eq!(seen["headers"], json!({ "x-kind": "push", "content-type": "application/json" }));
    let answer = with("chosen").tcp(daemon.ingress()).await.unwrap();
    let seen = content(&daemon, &answer).await;
    assert_eq!(seen["headers"], json!({ "x-kind": "push", "x-api-key": "k" }));
}

async fn ask(daemon: &TestDaemon, path: &str, body: &[u8]) -> Answer {
    open("POST", path, "application/json", body).tcp(daemon.ingress()).await.unwrap()
}

fn responding(name: &str, respond: &str, steps: &str) -> String {
    format!("name: {name}\non:\n  webhook:\n    path: {name}\n    {OPEN}\n    respond: {respond}\n{steps}")
}

#[tokio::test]
async fn a_result_is_answered_when_the_run_has_ended() {
    let (daemon, acme) = acme().await;
    let steps = "steps:\n  - { id: sum, jq: \".event.body.lines | add\" }\n";
    acme.apply(&responding("usual", "result", steps)).await.unwrap();
    let own = "{ mode: result, status: \"${{ 201 if run.state == 'succeeded' else 422 }}\", \
               body: { sum: \"${{ steps.sum.output }}\", why: \"${{ run.error }}\" } }";
    acme.apply(&responding("own", own, steps)).await.unwrap();

    let answer = ask(&daemon, "usual", br#"{"lines": [1, 2, 39]}"#).await;
    let run = answer.header("tenantry-run").to_owned();
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("succeeded")), "{answer:?}");
    assert_eq!(answer.json()["run"], json!(run));
    assert_eq!(
        acme.run_view(&run).await.unwrap().event.to_string(),
        answer.json()["event"].as_str().unwrap()
    );
    let answer = ask(&daemon, "usual", br#"{"lines": [1, "x"]}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (500, &json!("failed")), "{answer:?}");
    assert!(answer.json().get("error").is_none(), "a stranger is not told why");

    let answer = ask(&daemon, "own", br#"{"lines": [4, 2]}"#).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (201, json!({ "sum": 6, "why": null })),
        "{answer:?}"
    );
    let answer = ask(&daemon, "own", br#"{"lines": [1, {}]}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["sum"]), (422, &Value::Null), "{answer:?}");
    assert!(answer.json()["why"].as_str().unwrap().contains("sum"), "{answer:?}");
}

#[tokio::test]
async fn a_result_that_takes_too_long_is_promised_and_its_run_goes_on() {
    let (daemon, acme) = acme().await;
    let receiver = tenantry_tests::receiver::Receiver::start().await.unwrap();
    let gate = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let open_gate = std::sync::Arc::clone(&gate);
    receiver.answer_by(move |_| {
        let is_open = gate.load(std::sync::atomic::Ordering::SeqCst);
        tenantry_tests::receiver::Reply::status(if is_open { 200 } else { 503 })
    });
    let steps = format!(
        "steps:\n  - id: a\n    http: {{ url: \"{}\" }}\n    retry: {{ attempts: 100, delay: 50ms, backoff: constant, jitter: false }}\n",
        receiver.url("/slow")
    );
    acme.apply(&responding("slow", "{ mode: result, timeout: 300ms }", &steps)).await.unwrap();
    let answer = ask(&daemon, "slow", b"{}").await;
    let run = answer.json()["run"].as_str().unwrap().to_owned();
    assert_eq!((answer.status.as_u16(), answer.header("tenantry-run")), (202, run.as_str()), "{answer:?}");

    // One that goes away while it waits changes nothing about its run either.
    let request = format!(
        "POST /hooks/acme/slow HTTP/1.1\r\nhost: x\r\nx-token: {}\r\ncontent-length: 2\r\n\r\n{{}}",
        tenantry_tests::tenant::HOOK_SECRET
    );
    let mut stream = std::net::TcpStream::connect(daemon.ingress()).unwrap();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    soon("its run begins", || async { acme.runs().await.ok().filter(|runs| runs.len() == 2) }).await;
    drop(stream);
    open_gate.store(true, std::sync::atomic::Ordering::SeqCst);
    for run in acme.runs().await.unwrap() {
        let run = acme.ended(&run.id.to_string()).await;
        assert_eq!(run.state, tenantry_protocol::state::RunState::Succeeded, "{run:?}");
    }
}

#[tokio::test]
async fn repeats_filters_and_words_of_the_answer() {
    let (daemon, acme) = acme().await;
    let dedupe = "result\n    dedupe: { key: \"${{ event.body.id }}\" }";
    let steps = "if: ${{ event.body.id != 'skip' }}\nsteps:\n  - { id: a, jq: .event.body.id }\n";
    acme.apply(&responding("once", dedupe, steps)).await.unwrap();
    let first = ask(&daemon, "once", br#"{"id": "a"}"#).await;
    let again = ask(&daemon, "once", br#"{"id": "a"}"#).await;
    assert_eq!(
        (first.status.as_u16(), first.json()),
        (again.status.as_u16(), again.json()),
        "the same run's result"
    );
    assert_eq!(acme.runs().await.unwrap().len(), 1);
    for status in [202, 200] {
        let answer = ask(&daemon, "once", br#"{"id": "skip"}"#).await;
        assert_eq!((answer.status.as_u16(), answer.header("tenantry-run")), (status, ""), "{answer:?}");
    }

    let said = "{ mode: ack, status: 200, body: \"<ok>${{ event.body.id }}</ok>\", content-type: text/xml }";
    acme.apply(&responding("said", said, steps)).await.unwrap();
    let answer = ask(&daemon, "said", br#"{"id": "b"}"#).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/xml"));
    assert_eq!(answer.body, "<ok>b</ok>");
    let answer = ask(&daemon, "said", br#"{"other": 1}"#).await;
    assert_eq!(told(&answer), (422, "expression-failed".to_owned()), "{answer:?}");
    assert_eq!(events(&daemon).await.len(), 4, "what could not be answered was taken all the same");
}
