//! Bodies: size, time and framing.

use super::*;

const LIMIT: usize = 1_000;

async fn reading(timeout: Duration) -> Served {
    Served::start(limits(), move |request: Request<RequestBody>, _| async move {
        match read_body(request.into_body(), LIMIT, timeout, &Clock::system()).await {
            Ok(bytes) => {
                text(&format!("{} {}", bytes.len(), bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>()))
            }
            Err(error) => text(&format!("{error} ({})", error.code())),
        }
    })
    .await
}

async fn post(served: &Served, head: &str, body: &[u8]) -> String {
    let mut stream = served.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let answer = answer(&mut stream).await;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap()
}

fn chunked(chunks: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in chunks {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

#[tokio::test]
async fn a_body_is_read_whole_however_it_is_framed() {
    let served = reading(LONG).await;
    let body: Vec<u8> = (0..LIMIT).map(|number| (number % 251) as u8).collect();
    let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
    let expected = format!("{LIMIT} {sum}");
    assert_eq!(post(&served, "content-length: 1000", &body).await, expected);
    let (a, b) = body.split_at(333);
    let (b, c) = b.split_at(1);
    let framed = chunked(&[a, b, c]);
    assert_eq!(post(&served, "transfer-encoding: chunked", &framed).await, expected);
    assert_eq!(post(&served, "content-length: 0", b"").await, "0 0");
    assert_eq!(post(&served, "x: no body at all", b"").await, "0 0");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_and_by_its_bytes() {
    let served = reading(LONG).await;
    let refusal = "the body is larger than 1000 bytes (body-too-large)";
    assert_eq!(post(&served, "content-length: 1001", b"not even sent").await, refusal);
    assert_eq!(post(&served, "content-length: 18446744073709551613", b"").await, refusal);
    let large = chunked(&[&[1; 600], &[1; 401]]);
    assert_eq!(post(&served, "transfer-encoding: chunked", &large).await, refusal);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let served = reading(SHORT).await;
    let refusal = "the body did not arrive within 150 ms (timeout)";
    assert_eq!(post(&served, "content-length: 10", b"half").await, refusal);
    assert_eq!(post(&served, "transfer-encoding: chunked", b"5\r\nha").await, refusal);
}

/// A body of frames, for what cannot be brought about over a socket with certainty.
struct Frames(Vec<Result<Bytes, Infallible>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let next = (!self.0.is_empty()).then(|| self.0.remove(0).map(http_body::Frame::data));
        std::task::Poll::Ready(next)
    }
}

#[tokio::test]
async fn a_body_in_one_piece_is_not_copied() {
    let piece = Bytes::from(vec![7; 100]);
    let read = read_body(Frames(vec![Ok(piece.clone())]), 100, LONG, &Clock::manual(0)).await.unwrap();
    assert_eq!(read.as_ptr(), piece.as_ptr());
    let pieces = vec![Ok(piece.clone()), Ok(Bytes::new()), Ok(piece)];
    assert_eq!(read_body(Frames(pieces), 200, LONG, &Clock::manual(0)).await.unwrap(), vec![7; 200]);
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_body_is_noticed() {
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let served = Served::start(limits(), move |request: Request<RequestBody>, _| {
        let told = told.clone();
        async move {
            drop(told.send(read_body(request.into_body(), LIMIT, LONG, &Clock::system()).await));
            text("")
        }
    })
    .await;
    let mut stream = served.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    drop(stream);
    assert_eq!(soon(hears.recv()).await, Some(Err(BodyError::Lost)));
}

/// Answers without looking at the body.
async fn refusing(linger: LingerLimits) -> Served {
    Served::start(ListenLimits { linger, ..limits() }, |_, _| async { text("no") }).await
}

/// Sends a head and so much of a body, as a client does that reads only when everything is sent.
async fn send(served: &Served, says: usize, sends: usize) -> (TcpStream, std::io::Result<()>) {
    let mut stream = served.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {says}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let sent = soon(stream.write_all(&vec![b'x'; sends])).await;
    (stream, sent)
}

#[tokio::test]
async fn who_sends_all_before_reading_gets_the_answer() {
    let served = refusing(LINGER).await;
    let size = 12 << 20;
    let (mut stream, sent) = send(&served, size, size).await;
    sent.unwrap();
    assert!(rest(&mut stream).await.ends_with("\r\n\r\nno"));
    drop(stream);
    served.drained().await;
}

#[tokio::test]
async fn a_body_is_not_dropped_for_ever() {
    let served = refusing(LingerLimits { bytes: 1 << 20, time: LONG }).await;
    let size = 256 << 20;
    let (stream, sent) = send(&served, size, size).await;
    assert!(sent.is_err(), "256 MiB were taken with a limit of one");
    drop(stream);
    served.drained().await;

    let served = refusing(LingerLimits { bytes: usize::MAX, time: SHORT }).await;
    let (mut stream, sent) = send(&served, 1_000, 10).await;
    sent.unwrap();
    assert!(rest(&mut stream).await.ends_with("\r\n\r\nno"));
    // The client keeps its side open and is not waited for.
    served.drained().await;
    drop(stream);
}

#[tokio::test]
async fn who_was_read_whole_is_not_waited_for() {
    let linger = LingerLimits { bytes: usize::MAX, time: LONG };
    let served =
        Served::start(ListenLimits { linger, ..limits() }, |request: Request<RequestBody>, _| async {
            read_body(request.into_body(), LIMIT, LONG, &Clock::system()).await.unwrap();
            text("yes")
        })
        .await;
    let mut stream = served.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody").await.unwrap();
    assert!(answer(&mut stream).await.ends_with("yes"));
    let clock = Clock::system();
    let since = clock.instant();
    served.drained().await;
    assert!(clock.elapsed(since) < LONG / 4);
    drop(stream);
}
