//! Time, size, seats and the drain.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;

#[tokio::test]
async fn requests_are_answered_one_after_another() {
    let served = Served::start(limits(), |request, peer: Arc<PeerInfo>| async move {
        assert_eq!(peer.ip.map(|ip| ip.to_string()).as_deref(), Some("127.0.0.1"));
        text(request.uri().path())
    })
    .await;
    let mut stream = served.connect().await;
    assert!(ask(&mut stream).await.ends_with("\r\n\r\n/"));
    let two =
        b"GET /one HTTP/1.1\r\nhost: x\r\n\r\nGET /two HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(two).await.unwrap();
    let both = rest(&mut stream).await;
    assert!(both.find("/one").unwrap() < both.find("/two").unwrap(), "{both}");
    served.drained().await;
}

#[tokio::test]
async fn who_says_nothing_is_shown_out() {
    let served = Served::start(ListenLimits { first_byte_timeout: SHORT, ..limits() }, hello).await;
    let clock = Clock::system();
    let mut silent = served.connect().await;
    let since = clock.instant();
    assert_eq!(rest(&mut silent).await, "");
    assert!(clock.elapsed(since) >= SHORT / 2, "not before its time");
    let mut speaks = served.connect().await;
    assert!(ask(&mut speaks).await.starts_with("HTTP/1.1 200"));
}

/// Sends a head byte by byte until the other side has had enough; returns what it said.
async fn drip(stream: &mut TcpStream, clock: &Clock) -> String {
    let mut said = Vec::new();
    for byte in b"GET / HTTP/1.1\r\nx: ".iter().chain(std::iter::repeat(&b'a')).take(HEADER_BYTES / 2) {
        if stream.write_all(std::slice::from_ref(byte)).await.is_err() {
            break;
        }
        let read = clock.timeout(Duration::from_millis(5), stream.read_buf(&mut said)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            break;
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_head_has_its_own_time_however_slowly_it_drips() {
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let served = Served::start(ListenLimits { header_timeout: SHORT, ..limits() }, move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async { text("hello") }
    })
    .await;
    let clock = Clock::system();
    let since = clock.instant();
    let mut first = served.connect().await;
    assert_eq!(drip(&mut first, &clock).await, "");
    assert!(clock.elapsed(since) < LONG / 2, "the idle limit is not what ended it");

    // On a connection that has been used, the limit begins with the first byte of the next head.
    let mut second = served.connect().await;
    ask(&mut second).await;
    let since = clock.instant();
    assert_eq!(drip(&mut second, &clock).await, "");
    assert!(clock.elapsed(since) < LONG / 2);
    assert_eq!(handled.load(Ordering::SeqCst), 1);

    // A head that stops half way.
    let mut third = served.connect().await;
    third.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(rest(&mut third).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_own_time() {
    let served = Served::start(ListenLimits { idle_timeout: SHORT, ..limits() }, hello).await;
    let clock = Clock::system();
    let mut stream = served.connect().await;
    ask(&mut stream).await;
    let since = clock.instant();
    assert_eq!(rest(&mut stream).await, "");
    assert!(clock.elapsed(since) >= SHORT / 2);

    // The idle limit does not end a head that is on its way.
    let mut slow = served.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let early = clock.timeout(SHORT * 3, slow.read_u8()).await;
    assert!(early.is_err(), "{early:?}");
    slow.write_all(b"host: x\r\n\r\n").await.unwrap();
    assert!(answer(&mut slow).await.ends_with("hello"));
}

#[tokio::test]
async fn a_handler_may_take_longer_than_a_peer() {
    let all =
        ListenLimits { first_byte_timeout: SHORT, header_timeout: SHORT, idle_timeout: SHORT, ..limits() };
    let release = Arc::new(Notify::new());
    let handler = Arc::clone(&release);
    let served = Served::start(all, move |_, _| {
        let release = Arc::clone(&handler);
        async move {
            release.notified().await;
            text("at last")
        }
    })
    .await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // Every limit of a peer has passed, and it is still there.
    let early = Clock::system().timeout(SHORT * 3, stream.read_u8()).await;
    assert!(early.is_err(), "{early:?}");
    release.notify_one();
    assert!(answer(&mut stream).await.ends_with("at last"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let served = Served::start(limits(), hello).await;
    let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(HEADER_BYTES));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(MAX_HEADERS + 1));
    for head in [large, many] {
        let mut stream = served.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let fits = format!("GET / HTTP/1.1\r\n{}connection: close\r\n\r\n", "x: y\r\n".repeat(MAX_HEADERS - 1));
    let mut stream = served.connect().await;
    stream.write_all(fits.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn what_is_not_http_1_is_not_served() {
    let served = Served::start(limits(), hello).await;
    for bytes in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1, 2\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: a\r\n  folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nx : a\r\n\r\n",
    ] {
        let mut stream = served.connect().await;
        stream.write_all(bytes).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(!answer.contains(" 200 "), "{:?}: {answer}", String::from_utf8_lossy(bytes));
    }
}

/// Asks until there is a seat.
async fn admitted(served: &Served) -> TcpStream {
    soon(async {
        loop {
            let mut stream = served.connect().await;
            if ask(&mut stream).await.starts_with("HTTP/1.1 200") {
                return stream;
            }
        }
    })
    .await
}

#[tokio::test]
async fn without_a_seat_one_is_told_so() {
    for (limits, status) in [
        (ListenLimits { max_connections: 2, ..limits() }, "HTTP/1.1 503"),
        (ListenLimits { max_per_peer: 2, ..limits() }, "HTTP/1.1 429"),
    ] {
        let served = Served::start(limits, hello).await;
        let mut seated = vec![served.connect().await, served.connect().await];
        for stream in &mut seated {
            ask(stream).await;
        }
        let mut third = served.connect().await;
        let answer = rest(&mut third).await;
        assert!(answer.starts_with(status) && answer.contains("retry-after: 1"), "{answer}");
        drop(seated.pop());
        seated.push(admitted(&served).await);
        assert!(ask(&mut seated[0]).await.starts_with("HTTP/1.1 200"), "those seated notice nothing");
    }
}

#[tokio::test]
async fn the_drain_answers_who_has_asked_and_closes_the_idle() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (at, wait) = (Arc::clone(&arrived), Arc::clone(&go));
    let served = Served::start(limits(), move |request: Request<RequestBody>, _| {
        let (at, wait) = (Arc::clone(&at), Arc::clone(&wait));
        async move {
            if request.uri().path() == "/slow" {
                at.notify_one();
                wait.notified().await;
            }
            text("done")
        }
    })
    .await;
    let mut silent = served.connect().await;
    let mut idle = served.connect().await;
    ask(&mut idle).await;
    let mut busy = served.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    soon(arrived.notified()).await;

    served.stop.cancel();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut silent).await, "");
    let names: Vec<_> = served.supervisor.running().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["http connection", "listener"], "the listener waits for the busy one");
    go.notify_one();
    let answer = rest(&mut busy).await;
    assert!(answer.ends_with("done") && answer.contains("connection: close"), "{answer}");
    served.drained().await;
    assert!(TcpStream::connect(served.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_handler_that_panics_takes_only_its_own_connection() {
    let served = Served::start(limits(), |request: Request<RequestBody>, _| async move {
        assert!(request.uri().path() != "/panic", "as the test wants");
        text("fine")
    })
    .await;
    let mut other = served.connect().await;
    ask(&mut other).await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    assert!(ask(&mut other).await.ends_with("fine"));
    assert_eq!(served.supervisor.panics(), 1);
    drop(other);
    served.drained().await;
}
