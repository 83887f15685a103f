//! A real daemon, seen from outside: the program, the socket, the listener, the files.
//!
//! One binary, so that it links once; one module a subject. Each test has a daemon and a folder of its own.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod bad_disk;
mod bad_input;
mod cli;
mod flow;
mod lifecycle;
mod pace;
mod quarantine;
mod queues;
mod refusals;
mod repeat;
mod stages;
mod tenancy;
mod triggers;
mod waiting;
mod watched;
mod webhooks;
mod workbench;

use tenantry_protocol::client::ClientError;
use tenantry_protocol::error::ErrorCode;
use tenantry_tests::daemon::TestDaemon;
use tenantry_tests::tenant::TestTenant;

/// The code of a refused call.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> ErrorCode {
    match answer {
        Ok(value) => panic!("this should have been refused, and was answered {value:?}"),
        Err(error) => error.code(),
    }
}

/// A workflow that a signed webhook at `/hook` or a person starts, with these steps and notifications.
fn workflow(name: &str, steps: &str, notify: &str) -> String {
    let verify = "{ scheme: github, secret: \"${{ secrets.HOOK }}\" }";
    let notify = if notify.is_empty() { String::new() } else { format!("notify:\n{notify}") };
    format!(
        "name: {name}\non:\n  webhook: {{ path: {name}, verify: {verify} }}\n  manual: {{}}\nsteps:\n{steps}{notify}"
    )
}

/// Whether these bytes lie in any file below a folder.
fn disk_contains(folder: &std::path::Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return disk_contains(&path, needle);
        }
        std::fs::read(&path).unwrap_or_default().windows(needle.len()).any(|window| window == needle)
    })
}

/// A daemon with the tenant `acme`, whose workflow `job` does next to nothing.
async fn with_job() -> (TestDaemon, TestTenant) {
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    acme.apply(&workflow("job", "  - { id: a, jq: \"1\" }\n", "")).await.unwrap();
    (daemon, acme)
}
