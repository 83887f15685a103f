//! Requests and answers: what is on the wire, reuse, limits and time.

use http::HeaderValue;

use tenantry_workflow::retry::FailureClass;

use super::*;

#[tokio::test]
async fn a_request_arrives_as_it_was_meant() {
    let server =
        Server::start(|_| "HTTP/1.1 418 Teapot\r\nX-Answer: yes\r\ncontent-length: 5\r\n\r\nhello".into())
            .await;
    let egress = simple_client();
    let mut request = OutRequest::new(Method::PUT, server.url("/a%20b/c?x={y}&z=|#fragment"));
    request.headers.insert("x-custom", HeaderValue::from_static("value"));
    request.body = Bytes::from_static(b"payload");
    let answer = egress.send(&loopback(), request).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (418, &b"hello"[..]));
    assert_eq!(answer.headers["x-answer"], "yes");
    let seen = server.seen().remove(0);
    assert_eq!(seen.line(), "PUT /a%20b/c?x={y}&z=| HTTP/1.1");
    assert_eq!(seen.header("host"), Some(server.address.to_string().as_str()));
    assert_eq!(seen.header("content-length"), Some("7"));
    assert_eq!((seen.header("x-custom"), seen.header("user-agent")), (Some("value"), Some("tenantry")));
    assert_eq!(seen.body, b"payload");
}

#[tokio::test]
async fn an_empty_body_of_a_post_is_said_to_be_empty() {
    let server = Server::start(|_| ok("")).await;
    let egress = simple_client();
    egress.send(&loopback(), OutRequest::new(Method::POST, server.url("/"))).await.unwrap();
    egress.send(&loopback(), get(server.url("/"))).await.unwrap();
    let seen = server.seen();
    assert_eq!((seen[0].header("content-length"), seen[1].header("content-length")), (Some("0"), None));
}

#[tokio::test]
async fn what_is_not_the_sender_s_to_choose_is_refused() {
    let egress = simple_client();
    let names = [
        "host",
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "content-length",
        "expect",
        "proxy-authorization",
        "proxy-authenticate",
        "http2-settings",
    ];
    for name in names {
        let mut request = get("http://127.0.0.1:1/");
        request.headers.insert(name, HeaderValue::from_static("x"));
        let error = egress.send(&loopback(), request).await.unwrap_err();
        assert!(matches!(error, EgressError::BadRequest { .. }), "{name}: {error}");
    }
    for method in [Method::CONNECT, Method::TRACE] {
        let error =
            egress.send(&loopback(), OutRequest::new(method, "http://127.0.0.1:1/")).await.unwrap_err();
        assert!(matches!(error, EgressError::BadRequest { .. }), "{error}");
    }
    let mut request = get("http://127.0.0.1:1/");
    request.headers.insert("x-large", HeaderValue::from_bytes(&[b'a'; MAX_HEADER_BYTES]).unwrap());
    assert!(matches!(egress.send(&loopback(), request).await, Err(EgressError::BadRequest { .. })));
}

#[tokio::test]
async fn connections_are_reused_and_counted() {
    let server = Server::start(|_| ok("again")).await;
    let egress = simple_client();
    for _ in 0..20 {
        assert_eq!(egress.send(&loopback(), get(server.url("/"))).await.unwrap().body, "again");
    }
    assert_eq!((server.seen().len(), server.connections(), egress.idle_connections()), (20, 1, 1));
}

#[tokio::test]
async fn waiting_connections_are_bounded_by_origin_and_by_time() {
    let server = Server::start(|_| ok("")).await;
    let clock = Clock::manual(0);
    let config = config::Egress { pool_per_host: 2, pool_hosts: 1, ..config::Egress::default() };
    let egress = Egress::with_resolver(&config, clock.clone(), Box::new(Script::default())).unwrap();
    let policy = loopback();
    let requests = (0..5).map(|_| egress.send(&policy, get(server.url("/"))));
    for answer in futures_util::future::join_all(requests).await {
        answer.unwrap();
    }
    assert_eq!((server.connections(), egress.idle_connections()), (5, 2));

    let other = Server::start(|_| ok("")).await;
    egress.send(&policy, get(other.url("/"))).await.unwrap();
    assert_eq!(egress.idle_connections(), 1, "one host at a time");

    clock.advance(config.pool_idle.as_millis() as u64);
    egress.send(&policy, get(other.url("/"))).await.unwrap();
    assert_eq!(other.connections(), 2, "what waited too long is not used");
    clock.advance(config.pool_idle.as_millis() as u64);
    egress.sweep();
    assert_eq!(egress.idle_connections(), 0);
}

#[tokio::test]
async fn a_promise_of_the_other_side_is_believed() {
    let server = Server::start(|_| {
        "HTTP/1.1 200 OK\r\nkeep-alive: timeout=5, max=100\r\ncontent-length: 0\r\n\r\n".into()
    })
    .await;
    let clock = Clock::manual(0);
    let egress =
        Egress::with_resolver(&config::Egress::default(), clock.clone(), Box::new(Script::default()))
            .unwrap();
    for (pause_ms, connections) in [(0, 1), (3_999, 1), (4_000, 2)] {
        clock.advance(pause_ms);
        egress.send(&loopback(), get(server.url("/"))).await.unwrap();
        assert_eq!(server.connections(), connections, "after {pause_ms} ms");
    }
}

#[tokio::test]
async fn a_connection_that_died_while_it_waited_costs_no_request() {
    for method in [Method::GET, Method::POST] {
        let server = Server::start(|seen| match seen.connection {
            0 => Reply::Last(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()),
            _ => ok("second"),
        })
        .await;
        let egress = simple_client();
        egress.send(&loopback(), OutRequest::new(method.clone(), server.url("/"))).await.unwrap();
        // The close has arrived once the server's task is gone and the runtime has looked at its sockets.
        while server.supervisor.running().iter().any(|(name, _)| name == "test connection") {
            tokio::task::yield_now().await;
        }
        let probe = TcpStream::connect(server.address).await.unwrap();
        drop(probe);
        let answer = egress.send(&loopback(), OutRequest::new(method, server.url("/"))).await.unwrap();
        assert_eq!(answer.body, "second");
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_seen_is_repeated_only_if_that_changes_nothing() {
    let hangs_up = || {
        Server::start(|seen| match (seen.connection, seen.line().contains("/again")) {
            (0, true) => Reply::Hangup,
            _ => ok("fine"),
        })
    };
    let (server, egress) = (hangs_up().await, simple_client());
    egress.send(&loopback(), get(server.url("/first"))).await.unwrap();
    assert_eq!(egress.send(&loopback(), get(server.url("/again"))).await.unwrap().body, "fine");
    assert_eq!((server.seen().len(), server.connections()), (3, 2));

    let (server, egress) = (hangs_up().await, simple_client());
    egress.send(&loopback(), get(server.url("/first"))).await.unwrap();
    let error =
        egress.send(&loopback(), OutRequest::new(Method::POST, server.url("/again"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Lost { .. }) && error.failure() == FailureClass::Connect, "{error}");
    assert_eq!(server.seen().len(), 2, "a POST is not repeated behind the sender's back");

    let server = Server::start(|_| Reply::Hangup).await;
    let error = egress.send(&loopback(), get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Lost { .. }), "{error}");
    assert_eq!(server.seen().len(), 1, "a fresh connection is not retried");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_whether_it_says_so_or_not() {
    let limit = 100_000;
    let config = config::Egress { response_limit: config::Bytes(limit as u64), ..config::Egress::default() };
    let egress = client(&config, Script::default());
    let said = |length: usize| {
        let mut bytes = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
        bytes.resize(bytes.len() + length, b'a');
        bytes
    };
    let unsaid = |length: usize| {
        let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..length / 10 {
            bytes.extend_from_slice(b"a\r\naaaaaaaaaa\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    };
    let until_close = |length: usize| {
        let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        bytes.resize(bytes.len() + length, b'a');
        bytes
    };
    let forms: [&(dyn Fn(usize) -> Vec<u8> + Sync); 3] = [&said, &unsaid, &until_close];
    for (number, form) in forms.into_iter().enumerate() {
        let (fits, exceeds) = (form(limit), form(limit + 10));
        let server = Server::start(move |seen| {
            Reply::Last(if seen.line().contains("/fits") { fits.clone() } else { exceeds.clone() })
        })
        .await;
        let answer = egress.send(&loopback(), get(server.url("/fits"))).await.unwrap();
        assert!(answer.body.len() == limit && answer.body.iter().all(|byte| *byte == b'a'), "form {number}");
        let error = egress.send(&loopback(), get(server.url("/exceeds"))).await.unwrap_err();
        assert!(matches!(error, EgressError::TooLarge { limit: 100_000, .. }), "form {number}: {error}");
    }
    assert_eq!(egress.idle_connections(), 0, "a connection with an unread rest is not kept");
}

#[tokio::test]
async fn an_answer_nobody_asked_for_spoils_the_connection() {
    let server = Server::start(|seen| match seen.connection {
        0 => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirstHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison".into(),
        _ => ok("second"),
    })
    .await;
    let egress = simple_client();
    assert_eq!(egress.send(&loopback(), get(server.url("/"))).await.unwrap().body, "first");
    assert_eq!(egress.idle_connections(), 0);
    assert_eq!(egress.send(&loopback(), get(server.url("/"))).await.unwrap().body, "second");
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let server = Server::start(|_| {
        let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
        while bytes.len() < 2 * MAX_RESPONSE_HEAD {
            bytes.extend_from_slice(
                b"x-padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
            );
        }
        Reply::Bytes(bytes)
    })
    .await;
    let error = simple_client().send(&loopback(), get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    for bytes in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 banana\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let server = Server::start(move |_| Reply::Last(bytes.as_bytes().to_vec())).await;
        let error = simple_client().send(&loopback(), get(server.url("/"))).await.unwrap_err();
        assert!(matches!(error, EgressError::Protocol { .. }), "{bytes:?}: {error}");
    }
    let server =
        Server::start(|_| Reply::Last(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort".to_vec())).await;
    let error = simple_client().send(&loopback(), get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Lost { .. }), "{error}");
}

#[tokio::test]
async fn time_runs_out_once_for_everything() {
    let clock = Clock::manual(0);
    let server = Server::start(|_| Reply::Silence).await;
    let egress =
        Egress::with_resolver(&config::Egress::default(), clock.clone(), Box::new(Script::default()))
            .unwrap();
    let policy = loopback();
    let mut sending = std::pin::pin!(egress.send(&policy, get(server.url("/"))));
    while server.seen().is_empty() {
        assert!(futures_util::poll!(&mut sending).is_pending());
        tokio::task::yield_now().await;
    }
    clock.advance(29_999);
    assert!(futures_util::poll!(&mut sending).is_pending());
    clock.advance(1);
    let error = sending.await.unwrap_err();
    assert_eq!(error, EgressError::Timeout { host: "127.0.0.1".to_owned(), after_ms: 30_000 });
    assert_eq!((error.code(), error.failure()), (ErrorCode::ActionTimeout, FailureClass::Timeout));
    assert_eq!(egress.idle_connections(), 0);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let egress = simple_client();
    let error = egress.send(&loopback(), get(format!("http://{closed}/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Connect { .. }), "{error}");

    let error = egress.send(&loopback(), get("http://nowhere.example/")).await.unwrap_err();
    assert!(matches!(error, EgressError::Resolve { .. }), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let policy = loopback();
    let plain = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    };
    let (answer, ()) = tokio::join!(egress.send(&policy, get(url)), plain);
    let error = answer.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn redirects_follow_the_rules_of_their_status() {
    let server = Server::start(|seen| match seen.line() {
        line if line.contains("/loop") => redirect(302, "/loop"),
        line if line.contains("/from") => {
            let status = line.split("/from").nth(1).and_then(|rest| rest.get(..3)).unwrap();
            redirect(status.parse().unwrap(), "to")
        }
        line if line.contains("/bare") => "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n".into(),
        _ => ok("there"),
    })
    .await;
    let egress = simple_client();
    let cases = [
        (Method::POST, 301, "GET"),
        (Method::POST, 302, "GET"),
        (Method::POST, 303, "GET"),
        (Method::PUT, 303, "GET"),
        (Method::HEAD, 303, "HEAD"),
        (Method::PUT, 302, "PUT"),
        (Method::POST, 307, "POST"),
        (Method::POST, 308, "POST"),
        (Method::DELETE, 301, "DELETE"),
    ];
    for (method, status, then) in cases {
        let mut request = following(server.url(&format!("/from{status}")));
        request.method = method.clone();
        request.body = Bytes::from_static(b"body");
        egress.send(&loopback(), request).await.unwrap();
        let last = server.seen().pop().unwrap();
        assert_eq!(last.line(), format!("{then} /to HTTP/1.1"), "{method} {status}");
        assert_eq!(last.body.is_empty(), then == "GET", "{method} {status}");
    }
    let unfollowed = egress.send(&loopback(), get(server.url("/from302"))).await.unwrap();
    assert_eq!(unfollowed.status.as_u16(), 302);
    let bare = egress.send(&loopback(), following(server.url("/bare"))).await.unwrap();
    assert_eq!(bare.status.as_u16(), 302, "a redirect without a place is an answer");

    let before = server.seen().len();
    let error = egress.send(&loopback(), following(server.url("/loop"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Protocol { .. }), "{error}");
    assert_eq!(server.seen().len() - before, 1 + config::Egress::default().redirect_limit as usize);
}

#[tokio::test]
async fn no_message_tells_path_query_or_credentials() {
    let egress = simple_client();
    let urls = [
        "http://127.0.0.1:1/path-secret?query-secret#hash-secret",
        "http://user-secret:pass-secret@example.com/",
        "ftp://user-secret@example.com/path-secret",
        "http://[bad/path-secret",
        "http://nowhere.example/path-secret",
    ];
    for url in urls {
        for policy in [loopback(), TenantEgress::default()] {
            let error = egress.send(&policy, get(url)).await.unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}

#[tokio::test]
async fn the_machine_s_own_resolver_is_asked_and_its_addresses_are_tried_in_turn() {
    let server = Server::start(|_| ok("found")).await;
    let supervisor = Supervisor::new(Clock::system());
    let egress = Egress::new(&config::Egress::default(), Clock::system(), &supervisor).unwrap();
    let url = format!("http://localhost:{}/", server.address.port());
    assert!(matches!(
        egress.send(&TenantEgress::default(), get(&*url)).await,
        Err(EgressError::Denied { .. })
    ));
    let policy = TenantEgress::parse(["localhost"]).unwrap();
    assert_eq!(egress.send(&policy, get(url)).await.unwrap().body, "found");
    let error = egress.send(&policy, get("http://does-not-exist.invalid/")).await.unwrap_err();
    assert!(matches!(error, EgressError::Resolve { .. }), "{error}");

    let script = Script::default().with("two.example", &[&["127.0.0.9", "127.0.0.1"]]);
    let url = format!("http://two.example:{}/", server.address.port());
    let answer = client(&config::Egress::default(), script).send(&loopback(), get(url)).await.unwrap();
    assert_eq!(answer.body, "found", "nobody answers on the first address");
}
