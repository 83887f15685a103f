//! A process without a free file descriptor goes on serving, and does not spin until it has one again.

use std::fs::File;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// Nanoseconds that this thread has been on a processor (proc(5), `schedstat`).
fn on_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn running_out_of_descriptors_is_survived() {
    let own = std::env::current_exe().unwrap();
    let arguments = ["--exact", "http::listen::tests::exhaustion::without_descriptors", "--ignored"];
    let output = std::process::Command::new(own).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "takes all descriptors of its process; the test above runs it in one of its own"]
fn without_descriptors() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let served = Served::start(limits(), hello).await;
        let mut seated = served.connect().await;
        ask(&mut seated).await;

        let hard = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: hard }).unwrap();
        let mut ballast = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            ballast.push(file);
        }
        // One for this end of a connection, none for the other end.
        drop(ballast.pop());
        let mut waiting = served.connect().await;
        waiting.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let early = Clock::system().timeout(SHORT, waiting.read_u8()).await;
        assert!(early.is_err(), "nobody can have accepted: {early:?}");
        assert!(ask(&mut seated).await.ends_with("hello"), "those who are in are served");

        // Reading the time takes a descriptor, so one is lent for it and taken back before the other end gets it.
        drop(ballast.pop());
        let before = on_cpu_ns();
        ballast.push(File::open("/dev/null").unwrap());
        let clock = Clock::system();
        drop(clock.timeout(SHORT * 3, waiting.read_u8()).await);
        drop(ballast.pop());
        let spent = Duration::from_nanos(on_cpu_ns() - before);
        assert!(spent < SHORT, "{spent:?} of {:?} spent on trying", SHORT * 3);

        drop(ballast);
        assert!(answer(&mut waiting).await.ends_with("hello"), "who waited is served at last");
    });
}
