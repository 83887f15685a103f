//! Whatever comes in, the answer is a clear error with a code, nothing is lost, and the others do not notice.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::health::Status;
use tenantry_protocol::path::{Operation, hook};
use tenantry_protocol::principal::Login;
use tenantry_tests::daemon::{Home, TestDaemon};
use tenantry_tests::http::{Call, raw};
use tenantry_tests::sign;
use tenantry_tests::tenant::{HOOK_SECRET, TestTenant, signed_hook};

use crate::{refused, with_job, workflow};

/// Text that no name or id is: each is tried wherever a name or an id stands.
fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "..",
        ".",
        "../../etc/passwd",
        "a/b",
        "a\\b",
        "a b",
        "A",
        "-",
        "",
        " ",
        "'",
        "\"",
        ";",
        "%",
        "%2e%2e",
        "*",
        "\u{0}",
        "a\u{0}b",
        "\n",
        "\r\nx: y",
        "\u{202e}",
        "é",
        "🦀",
        "ａｃｍｅ",
        "null",
        "run_",
        "run_zz",
        "run_0000",
        "ten_01990000000070008000000000000000x",
        "' or 1=1 --",
        "$(id)",
        "${{ secrets.HOOK }}",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("a".repeat(64));
    texts.push("a".repeat(10_000));
    texts
}

async fn token(daemon: &TestDaemon) -> String {
    daemon.stranger().login(&Login::Peer).await.unwrap().token
}

/// The daemon still serves and its tenant still works.
async fn assert_well(daemon: &TestDaemon, tenant: &TestTenant) {
    let answer =
        tenant.hook(daemon, "job", &format!("{:?}", std::time::Instant::now()), b"{}").await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let run = tenant.run_of_event(answer.json()["event"].as_str().unwrap()).await.unwrap();
    assert!(tenant.ended(&run.id.to_string()).await.error.is_none());
    let status: Status = daemon.client().get(Operation::HostStatus, &[], &()).await.unwrap();
    assert_eq!(status.degraded_tasks, []);
}

#[tokio::test]
async fn hostile_ids_in_paths() {
    let (daemon, acme) = with_job().await;
    let token = token(&daemon).await;
    for operation in Operation::ALL.iter().filter(|op| op.path().contains('{')) {
        let parameters = operation.path().matches('{').count();
        for text in hostile() {
            for at in 0..parameters {
                let mut values = vec!["acme"; parameters];
                values[at] = &text;
                if values[0] == "acme" && *operation == Operation::TenantDelete {
                    continue;
                }
                let mut call = Call::new(operation.method().as_str(), operation.fill(&values)).bearer(&token);
                if !["GET", "DELETE"].contains(&operation.method().as_str()) {
                    call = call.json(&json!({}));
                }
                let answer = call.unix(&daemon.socket()).await.unwrap();
                let what = format!("{} with {:.40?} at {at}: {answer:?}", operation.name(), text);
                assert!((400..500).contains(&answer.status.as_u16()), "{what}");
                assert!(!answer.code().is_empty() || answer.status == 414 || answer.status == 431, "{what}");
            }
        }
    }
    // What is not even text once it is decoded.
    for path in
        ["/v1/tenants/%ff", "/v1/tenants/%", "/v1/tenants/acme/runs/%c0%af", "/v1/tenants/acme/runs/%00"]
    {
        let answer = Call::new("GET", path).bearer(&token).unix(&daemon.socket()).await.unwrap();
        assert!((400..500).contains(&answer.status.as_u16()), "{path}: {answer:?}");
        assert!(!answer.code().is_empty(), "{path}: {answer:?}");
    }
    assert_well(&daemon, &acme).await;
}

#[tokio::test]
async fn hostile_names_in_bodies() {
    let (daemon, acme) = with_job().await;
    let token = token(&daemon).await;
    let refuse = async |operation: Operation, path: &[&str], body: Value| {
        let call = Call::new(operation.method().as_str(), operation.fill(path)).bearer(&token).json(&body);
        let answer = call.unix(&daemon.socket()).await.unwrap();
        let shown: String = body.to_string().chars().take(80).collect();
        assert!((400..500).contains(&answer.status.as_u16()), "{} {shown}: {answer:?}", operation.name());
        assert!(!answer.code().is_empty(), "{} {shown}: {answer:?}", operation.name());
    };
    for text in hostile().iter().filter(|text| *text != "null") {
        refuse(Operation::TenantCreate, &[], json!({"name": text})).await;
        refuse(Operation::KeyCreate, &["acme"], json!({"name": text, "role": "viewer"})).await;
        refuse(Operation::EventEmit, &["acme"], json!({"name": text, "data": 1})).await;
    }
    for body in
        [json!(null), json!([]), json!("x"), json!(7), json!({"name": 5}), json!({"name": "a", "nam": 1})]
    {
        refuse(Operation::TenantCreate, &[], body).await;
    }
    refuse(Operation::SecretPut, &["acme", "SHORT"], json!({"value": "x"})).await;
    refuse(Operation::SecretPut, &["acme", "lower"], json!({"value": "long enough"})).await;
    refuse(Operation::KeyCreate, &["acme"], json!({"name": "k", "role": "host-admin"})).await;
    assert_well(&daemon, &acme).await;
}

#[tokio::test]
async fn malformed_bodies_and_types() {
    let (daemon, acme) = with_job().await;
    let token = token(&daemon).await;
    let path = Operation::WorkflowApply.fill(&["acme"]);
    let deep = "[".repeat(100_000);
    for body in ["", "{", "{\"source\": ", "\u{0}", "nul", "{\"source\": \"\\ud800\"}", deep.as_str(), "{}{}"]
    {
        let call = Call::post(&path, body).header("content-type", "application/json").bearer(&token);
        let answer = call.unix(&daemon.socket()).await.unwrap();
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{body:.20?}: {answer:?}");
        assert!(!answer.code().is_empty(), "{body:.20?}: {answer:?}");
    }
    let call = Call::post(&path, vec![0xff, 0xfe]).header("content-type", "application/json").bearer(&token);
    assert_eq!(call.unix(&daemon.socket()).await.unwrap().status, 400);
    let call = Call::post(&path, "{}").header("content-type", "text/plain").bearer(&token);
    let answer = call.unix(&daemon.socket()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (415, "unsupported-media"));
    assert_well(&daemon, &acme).await;
}

/// Answered before the body is whole: the sender hears why all the same, again and again.
#[tokio::test]
async fn a_sender_of_too_much_learns_why() {
    let (daemon, acme) = with_job().await;
    let token = token(&daemon).await;
    let path = Operation::WorkflowApply.fill(&["acme"]);
    let big = vec![b'x'; 6 << 20];
    for round in 0..10 {
        let call = Call::post(&path, big.clone()).header("content-type", "application/json").bearer(&token);
        let answer = call.unix(&daemon.socket()).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body-too-large"), "{round}");
        let answer = signed_hook("acme", "job", "big", &big).tcp(daemon.ingress()).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body-too-large"), "{round}");
        // Refused for another reason, with as much still under way.
        let answer = Call::post(&path, big.clone()).unix(&daemon.socket()).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "auth-required"), "{round}");
        let answer = Call::post(hook("acme", "absent"), big.clone()).tcp(daemon.ingress()).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "hook-not-found"), "{round}");
    }
    assert_well(&daemon, &acme).await;
}

#[tokio::test]
async fn malformed_workflows_are_refused_with_places() {
    let (daemon, acme) = with_job().await;
    for (source, line) in [
        ("", 0),
        ("name: [", 1),
        ("\tname: x", 1),
        ("name: ok\non: { manual: {} }\nsteps:\n  - { id: a, jqq: \"1\" }\n", 4),
        ("name: ok\non: { manual: {} }\nsteps:\n  - { id: a, needs: [zz], jq: \"1\" }\n", 4),
        ("name: ok\non: { manual: {} }\nsteps:\n  - { id: a, run: \"echo ${{ event.body.x }}\" }\n", 4),
        ("name: ok\non: { manual: {} }\nsteps:\n  - { id: a, if: \"${{ 1 + }}\", jq: \"1\" }\n", 4),
        ("name: ../x\non: { manual: {} }\nsteps:\n  - { id: a, jq: \"1\" }\n", 1),
        ("a: &a [*a, *a]\nname: x\n", 1),
    ] {
        match acme.apply(source).await {
            Err(tenantry_protocol::client::ClientError::Problem(problem)) => {
                assert_eq!(problem.code, ErrorCode::InvalidWorkflow, "{source:?}: {problem:?}");
                assert!(!problem.findings.is_empty(), "{source:?}: {problem:?}");
                if line > 0 {
                    assert!(problem.findings.iter().any(|f| f.line == line), "{source:?}: {problem:?}");
                }
            }
            other => panic!("{source:?} gave {other:?}"),
        }
    }
    let laughs = (0..20).fold("a0: &a0 [lol]\n".to_owned(), |text, n| {
        let next = n + 1;
        let many = vec![format!("*a{n}"); 10].join(", ");
        text + &format!("a{next}: &a{next} [{many}]\n")
    });
    assert_eq!(refused(acme.apply(&laughs).await), ErrorCode::InvalidWorkflow);
    assert_eq!(refused(acme.apply(&format!("{}x", "[".repeat(50_000))).await), ErrorCode::InvalidWorkflow);
    assert_well(&daemon, &acme).await;
}

#[tokio::test]
async fn forged_webhooks_and_unknown_places() {
    let (daemon, acme) = with_job().await;
    let body = br#"{"n": 1}"#;
    let good = sign::github(HOOK_SECRET, body);
    let post = |path: &str, signature: Option<&str>| {
        let call = Call::post(path, &body[..])
            .header("x-github-delivery", "d")
            .header("content-type", "application/json");
        match signature {
            Some(signature) => call.header("x-hub-signature-256", signature),
            None => call,
        }
    };
    let url = hook("acme", "job");
    let flipped = good.replace(['0', '1'], "2");
    for bad in [
        None,
        Some(""),
        Some("sha256="),
        Some("sha256=zz"),
        Some(flipped.as_str()),
        Some(&good["sha256=".len()..]),
        Some(&good[..good.len() - 2]),
        Some("sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        Some(&sign::github("another secret", body)),
        Some(&sign::github(HOOK_SECRET, b"another body")),
        Some(&"f".repeat(8_000)),
    ] {
        let answer = post(&url, bad).tcp(daemon.ingress()).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (401, "signature-invalid"),
            "{bad:.60?}: {answer:?}"
        );
    }
    for path in [
        hook("acme", "absent"),
        hook("absent", "job"),
        "/hooks".to_owned(),
        "/hooks/acme".to_owned(),
        "/".to_owned(),
    ] {
        let answer = post(&path, Some(&good)).tcp(daemon.ingress()).await.unwrap();
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    let foreign = post(&hook("acme", "absent"), Some(&good)).tcp(daemon.ingress()).await.unwrap();
    let absent = post(&hook("absent", "absent"), Some(&good)).tcp(daemon.ingress()).await.unwrap();
    assert_eq!((foreign.status, foreign.code()), (absent.status, absent.code()), "tenants cannot be guessed");
    for text in hostile().iter().filter(|text| !text.is_empty()) {
        let mut encoded = String::new();
        tenantry_protocol::path::encode_into(&mut encoded, text);
        for path in [hook(&encoded, "job"), hook("acme", &encoded)] {
            let answer = post(&path, Some(&good)).tcp(daemon.ingress()).await.unwrap();
            assert!(matches!(answer.status.as_u16(), 400 | 404 | 414 | 431), "{text:.40?}: {answer:?}");
        }
    }
    let answer = Call::new("GET", &url).tcp(daemon.ingress()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (405, "method-not-allowed"));
    assert_eq!(post(&url, Some(&good)).tcp(daemon.ingress()).await.unwrap().status, 202);
    assert_well(&daemon, &acme).await;
}

#[tokio::test]
async fn webhook_bodies_of_every_kind() {
    let (daemon, acme) = with_job().await;
    let send = async |name: &str, body: &[u8]| {
        signed_hook("acme", "job", name, body).tcp(daemon.ingress()).await.unwrap()
    };
    // A body that is not JSON is kept as it is: what it means is the workflow's affair.
    for (name, body) in
        [("text", &b"not json"[..]), ("bytes", &[0xff, 0x00, 0xfe]), ("empty", b""), ("cut", b"{\"a\":")]
    {
        let answer = send(name, body).await;
        assert!(matches!(answer.status.as_u16(), 202 | 400), "{name}: {answer:?}");
    }
    let large = format!("\"{}\"", "x".repeat(200 << 10)).into_bytes();
    assert_eq!(send("large", &large).await.status, 202, "over 64 KiB goes into a blob");
    let answer = send("too-large", &vec![b'x'; (1 << 20) + 1]).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body-too-large"));
    assert_well(&daemon, &acme).await;
}

#[tokio::test]
async fn requests_that_no_client_would_send() {
    let (daemon, acme) = with_job().await;
    let long_header = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "b".repeat(200_000));
    let many_headers = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    for bytes in [
        b"\0\0\0\0\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /hooks/acme/job HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n",
        b"POST /hooks/acme/job HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /hooks/acme/job HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /hooks/acme/job HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n",
        long_header.as_bytes(),
        many_headers.as_bytes(),
        long_path.as_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let answer = raw(daemon.ingress(), bytes).await.unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let fine = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
        assert!(fine, "{shown:?}: {answer}");
        assert!(!answer.contains("HTTP/1.1 202"), "{shown:?}: {answer}");
    }
    assert_well(&daemon, &acme).await;
}

#[tokio::test]
async fn silent_connections_are_closed_and_cost_nobody_else() {
    let home = Home::new("").unwrap();
    let path = home.path().join("tenantry.toml");
    let text =
        std::fs::read_to_string(&path).unwrap().replace("[ingress]", "[ingress]\nheader-timeout = \"300ms\"");
    std::fs::write(&path, text).unwrap();
    let daemon = TestDaemon::start_in(home).await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    let mut silent = Vec::new();
    for number in 0..100 {
        let mut stream = std::net::TcpStream::connect(daemon.ingress()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        if number % 2 == 0 {
            stream.write_all(b"POST /hooks/acme/job HTTP/1.1\r\nhost: x\r\n").unwrap();
        }
        silent.push(stream);
    }
    assert_well(&daemon, &acme).await;
    for mut stream in silent {
        let ended = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
        assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
    }
}
