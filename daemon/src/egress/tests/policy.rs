//! Who may reach what: exceptions, rebinding, redirects, and connections that are not shared.

use http::HeaderValue;

use super::*;

fn policy(entries: &[&str]) -> TenantEgress {
    TenantEgress::parse(entries).unwrap()
}

fn denied(answer: &Result<OutResponse, EgressError>) -> bool {
    matches!(answer, Err(EgressError::Denied { .. }))
}

#[tokio::test]
async fn an_exception_opens_what_it_says_and_nothing_else() {
    let server = Server::start(|_| ok("inside")).await;
    let port = server.address.port();
    let other = Server::start(|_| ok("other")).await;
    let egress = simple_client();
    let opens = [
        format!("127.0.0.1:{port}"),
        "127.0.0.1".to_owned(),
        "127.0.0.1:*".to_owned(),
        "127.0.0.0/8".to_owned(),
        format!("127.0.0.0/30:{port}"),
        "0.0.0.0/0".to_owned(),
    ];
    for entry in &opens {
        let answer = egress.send(&policy(&[entry.as_str()]), get(server.url("/"))).await;
        assert_eq!(answer.unwrap().body, "inside", "{entry}");
    }
    let shuts = [
        format!("127.0.0.1:{}", other.address.port()),
        "127.0.0.2".to_owned(),
        "128.0.0.0/8".to_owned(),
        "localhost".to_owned(),
        "::1".to_owned(),
        "*.0.0.x".to_owned(),
    ];
    for entry in &shuts {
        assert!(denied(&egress.send(&policy(&[entry.as_str()]), get(server.url("/"))).await), "{entry}");
    }
}

#[tokio::test]
async fn an_exception_of_the_host_holds_for_every_tenant() {
    let server = Server::start(|_| ok("inside")).await;
    let entry = config::HostPort::parse(&server.address.to_string()).unwrap();
    let config = config::Egress { allow: vec![entry], ..config::Egress::default() };
    let egress = client(&config, Script::default());
    assert_eq!(egress.send(&TenantEgress::default(), get(server.url("/"))).await.unwrap().body, "inside");
}

#[tokio::test]
async fn localhost_opens_this_machine_and_other_names_do_not() {
    let server = Server::start(|_| ok("inside")).await;
    let port = server.address.port();
    let script = Script::default()
        .with("localhost", &[&["127.0.0.1"]])
        .with("app.localhost", &[&["127.0.0.1"]])
        .with("db.internal", &[&["127.0.0.1"]])
        .with("meta.internal", &[&["169.254.169.254"]]);
    let egress = client(&config::Egress::default(), script);
    let url = |host: &str| format!("http://{host}:{port}/");
    assert!(egress.send(&policy(&["localhost:*"]), get(url("localhost"))).await.is_ok());
    assert!(egress.send(&policy(&["*.localhost"]), get(url("app.localhost"))).await.is_ok());
    assert!(denied(&egress.send(&policy(&["*.localhost"]), get(url("localhost"))).await));
    assert!(denied(&egress.send(&policy(&["db.internal", "*.internal"]), get(url("db.internal"))).await));
    assert!(denied(&egress.send(&policy(&["meta.internal"]), get(url("meta.internal"))).await));
    let both = policy(&["db.internal", "127.0.0.1"]);
    assert!(egress.send(&both, get(url("db.internal"))).await.is_ok());
}

#[test]
fn a_named_exception_opens_private_networks_for_that_name_only() {
    let tenant = policy(&["db.internal:443", "*.corp"]);
    let guard = Guard { tenant: &tenant, host_wide: &[], listeners: &[] };
    let judge = |host: &str, port, address: &str| {
        let origin = Origin { tls: true, host: guard::Host::Name(host.into()), port };
        guard.judge(&origin, address.parse().unwrap(), |_| false)
    };
    assert_eq!(judge("db.internal", 443, "10.1.2.3"), Ok(()));
    assert_eq!(judge("db.internal", 443, "fd00::3"), Ok(()));
    assert_eq!(judge("a.corp", 80, "192.168.0.3"), Ok(()));
    assert!(judge("db.internal", 444, "10.1.2.3").is_err());
    assert!(judge("xdb.internal", 443, "10.1.2.3").is_err());
    assert!(judge("corp", 443, "10.1.2.3").is_err());
    assert!(judge("evilcorp", 443, "10.1.2.3").is_err());
    for never in ["127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "fe80::1", "::ffff:127.0.0.1"] {
        assert!(judge("db.internal", 443, never).is_err(), "{never}");
    }
}

#[test]
fn an_own_public_address_is_denied_unless_it_is_opened() {
    let origin = Origin { tls: true, host: guard::Host::Name("hooks.example".into()), port: 443 };
    let judge = |tenant: &TenantEgress, own: bool| {
        let guard = Guard { tenant, host_wide: &[], listeners: &[] };
        guard.judge(&origin, "93.184.215.14".parse().unwrap(), |_| own)
    };
    assert_eq!(judge(&TenantEgress::default(), false), Ok(()));
    assert_eq!(judge(&TenantEgress::default(), true), Err("this machine"));
    assert_eq!(judge(&policy(&["hooks.example:443"]), true), Ok(()));
}

#[tokio::test]
async fn the_daemon_s_own_doors_need_an_exception_with_their_port() {
    let server = Server::start(|_| ok("the daemon")).await;
    let port = server.address.port();
    let script = || Script::default().with("localhost", &[&["127.0.0.1"]]);
    for listener in
        [server.address, SocketAddr::from(([0, 0, 0, 0], port)), format!("[::]:{port}").parse().unwrap()]
    {
        let egress = client(&config::Egress::default(), script());
        assert!(egress.guard_listeners(vec![listener]));
        assert!(!egress.guard_listeners(Vec::new()), "said once only");
        for entry in ["127.0.0.0/8", "127.0.0.1", "127.0.0.1:*"] {
            assert!(
                denied(&egress.send(&policy(&[entry]), get(server.url("/"))).await),
                "{listener} {entry}"
            );
        }
        let url = format!("http://localhost:{port}/");
        assert!(denied(&egress.send(&policy(&["localhost"]), get(url)).await), "{listener}");
        let exact = format!("127.0.0.1:{port}");
        assert!(egress.send(&policy(&[exact.as_str()]), get(server.url("/"))).await.is_ok(), "{listener}");
    }
    let unspecified = format!("http://0.0.0.0:{port}/");
    let egress = simple_client();
    egress.guard_listeners(vec![server.address]);
    assert!(denied(&egress.send(&policy(&["0.0.0.0/8"]), get(unspecified)).await));
}

#[tokio::test]
async fn a_name_that_changes_its_meaning_is_judged_at_every_connection() {
    let server = Server::start(|_| {
        Reply::Last(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec())
    })
    .await;
    let script = Script::default().with("rebind.example", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let egress = client(&config::Egress::default(), script);
    let url = format!("http://rebind.example:{}/", server.address.port());
    let first = policy(&["127.0.0.1"]);
    assert!(egress.send(&first, get(&*url)).await.is_ok());
    assert!(denied(&egress.send(&first, get(&*url)).await), "the second lookup leads elsewhere");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn of_a_mixed_answer_only_what_passed_is_connected_to() {
    let server = Server::start(|_| ok("allowed")).await;
    let trap = Server::start_on(&format!("127.0.0.3:{}", server.address.port()), |_| ok("trap")).await;
    let script = Script::default().with("mixed.example", &[&["127.0.0.3", "10.0.0.1", "127.0.0.1"]]);
    let egress = client(&config::Egress::default(), script);
    let url = format!("http://mixed.example:{}/", server.address.port());
    let answer = egress.send(&policy(&["127.0.0.1"]), get(url)).await.unwrap();
    assert_eq!(answer.body, "allowed");
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_redirect_inside_is_denied_however_it_is_written() {
    let secret = Server::start(|_| ok("secret")).await;
    let inside = secret.address.port();
    let targets = [
        format!("http://127.0.0.1:{inside}/"),
        format!("//127.0.0.1:{inside}/"),
        format!("http://2130706433:{inside}/"),
        format!("http://[::ffff:127.0.0.1]:{inside}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://inside.example:{inside}/"),
        "http://10.0.0.1/".to_owned(),
    ];
    for target in targets {
        let location = target.clone();
        let open = Server::start(move |_| redirect(302, &location)).await;
        let script = Script::default().with("inside.example", &[&["127.0.0.1"]]);
        let egress = client(&config::Egress::default(), script);
        let only = format!("127.0.0.1:{}", open.address.port());
        let answer = egress.send(&policy(&[only.as_str()]), following(open.url("/"))).await;
        assert!(denied(&answer), "{target}");
        assert_eq!(open.seen().len(), 1, "the first hop is allowed");
    }
    for target in ["file:///etc/passwd", "gopher://127.0.0.1/", "http://user:pw@127.0.0.1/", "http://[::"] {
        let open = Server::start(move |_| redirect(301, target)).await;
        let answer = simple_client().send(&loopback(), following(open.url("/"))).await;
        assert!(matches!(answer, Err(EgressError::BadUrl { .. })), "{target}: {answer:?}");
    }
    assert_eq!(secret.seen().len(), 0);
}

#[tokio::test]
async fn a_secret_does_not_follow_to_another_origin() {
    let other = Server::start(|_| ok("other")).await;
    let elsewhere = other.url("/landing");
    let first = Server::start(move |seen| match seen.line() {
        line if line.contains("/away") => redirect(307, &elsewhere),
        line if line.contains("/stay") => redirect(307, "/end"),
        _ => ok("end"),
    })
    .await;
    let egress = simple_client();
    let request = |path: &str| {
        let mut request = following(first.url(path));
        request.method = Method::POST;
        request.body = Bytes::from_static(b"body");
        for name in ["authorization", "cookie", "x-api-key", "content-type", "user-agent"] {
            request.headers.insert(name, HeaderValue::from_static("mine"));
        }
        request
    };
    egress.send(&loopback(), request("/away")).await.unwrap();
    let seen = other.seen().remove(0);
    assert_eq!((seen.line(), &seen.body[..]), ("POST /landing HTTP/1.1", &b"body"[..]));
    for name in ["authorization", "cookie", "x-api-key"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!((seen.header("content-type"), seen.header("user-agent")), (Some("mine"), Some("mine")));

    egress.send(&loopback(), request("/stay")).await.unwrap();
    let seen = first.seen().pop().unwrap();
    assert_eq!(seen.line(), "POST /end HTTP/1.1");
    assert_eq!(seen.header("authorization"), Some("mine"));
}

#[tokio::test]
async fn a_connection_of_one_policy_never_serves_another() {
    let server = Server::start(|_| ok("inside")).await;
    let egress = simple_client();
    let exact = format!("127.0.0.1:{}", server.address.port());
    let allowed = policy(&[exact.as_str()]);
    for _ in 0..3 {
        egress.send(&allowed, get(server.url("/"))).await.unwrap();
    }
    assert_eq!((server.connections(), egress.idle_connections()), (1, 1));
    for other in [policy(&[]), policy(&["10.0.0.0/8"]), policy(&["127.0.0.1:1"])] {
        assert!(denied(&egress.send(&other, get(server.url("/"))).await));
    }
    assert_eq!(server.seen().len(), 3, "nothing reached the server for those who may not");
    let wider = loopback();
    egress.send(&wider, get(server.url("/"))).await.unwrap();
    assert_eq!(server.connections(), 2, "another policy opens its own connection");
    egress.send(&policy(&[exact.as_str(), exact.as_str()]), get(server.url("/"))).await.unwrap();
    assert_eq!(server.connections(), 2, "an equal policy shares");
}

#[tokio::test]
async fn the_environment_s_proxies_mean_nothing() {
    // Nothing here reads the environment; the structure is the proof, this is the witness that a direct
    // connection is made.
    let server = Server::start(|seen| ok(seen.line())).await;
    let answer = simple_client().send(&loopback(), get(server.url("/a?b=c#d"))).await.unwrap();
    assert_eq!(answer.body, "GET /a?b=c HTTP/1.1", "origin form, not the absolute form that proxies get");
}

/// A resolver that never answers and counts who waits.
struct Stuck(Arc<Mutex<usize>>);

impl Resolve for Stuck {
    fn resolve<'a>(&'a self, _: &'a str, turn: tokio::sync::OwnedSemaphorePermit) -> Lookup<'a> {
        *self.0.lock().unwrap() += 1;
        Box::pin(async move {
            let _held = turn;
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn a_tenant_whose_names_are_never_answered_leaves_room_for_others() {
    let waiting = Arc::new(Mutex::new(0));
    let resolver = Box::new(Stuck(Arc::clone(&waiting)));
    let egress = Egress::with_resolver(&config::Egress::default(), Clock::manual(0), resolver).unwrap();
    let (one, other) = (TenantEgress::default(), TenantEgress::default());
    let stuck = |tenant| {
        let requests = (0..10).map(|_| egress.send(tenant, get("http://slow.example/")));
        Box::pin(futures_util::future::join_all(requests.collect::<Vec<_>>()))
    };
    let (mut of_one, mut of_other) = (stuck(&one), stuck(&other));
    assert!(futures_util::poll!(&mut of_one).is_pending());
    assert_eq!(*waiting.lock().unwrap(), MAX_TENANT_LOOKUPS);
    assert!(futures_util::poll!(&mut of_other).is_pending());
    assert_eq!(*waiting.lock().unwrap(), 2 * MAX_TENANT_LOOKUPS, "an equal policy is still another tenant");
}
