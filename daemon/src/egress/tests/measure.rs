//! What a request costs. Not a test of anything: `cargo test --release -- --ignored --nocapture egress_request`.

use std::io::{Read, Write};

use super::*;

const REQUESTS: u32 = 50_000;

/// Nanoseconds that this thread has been on a processor (proc(5), `schedstat`).
fn on_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Answers every request on every connection with the same few bytes, on a thread of its own.
fn answering(supervisor: &Supervisor) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move |_| {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|length| length > 0) {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
            stream.write_all(answer).unwrap();
        }
    };
    supervisor.thread("answering", serve).unwrap();
    address
}

#[test]
#[ignore = "a measurement, meaningful only in a release build on a quiet machine"]
fn egress_request() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let supervisor = Supervisor::new(Clock::system());
        let url = format!("http://{}/webhook?x=1", answering(&supervisor));
        let (egress, policy) = (simple_client(), loopback());
        let body = Bytes::from(vec![b'a'; 500]);
        let request = || {
            let mut request = OutRequest::new(Method::POST, url.as_str());
            request.headers.insert("content-type", http::HeaderValue::from_static("application/json"));
            request.body = body.clone();
            request
        };
        for _ in 0..1_000 {
            egress.send(&policy, request()).await.unwrap();
        }
        let (cpu, wall) = (on_cpu_ns(), Clock::system().instant());
        for _ in 0..REQUESTS {
            egress.send(&policy, request()).await.unwrap();
        }
        let cpu_ns = (on_cpu_ns() - cpu) / u64::from(REQUESTS);
        let wall_ns = Clock::system().elapsed(wall).as_nanos() / u128::from(REQUESTS);
        println!("one egress request: {cpu_ns} ns on the processor, {wall_ns} ns on the wall");
    });
}
