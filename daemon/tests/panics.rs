//! Its own process, because the hook of panics and the interest in telemetry are those of a whole process.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tenantry_daemon::clock::Clock;
use tenantry_daemon::supervise::Supervisor;
use tenantry_daemon::telemetry::log_panics;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::Error::other("a panic while it was held"))?.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_is_told_once_with_its_place_and_what_was_at_work() {
    let captured = Captured::default();
    let sink = captured.clone();
    let text = tracing_subscriber::fmt().with_ansi(false).with_writer(move || sink.clone()).finish();
    log_panics();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    tracing::subscriber::with_default(text, || {
        runtime.block_on(async {
            let supervisor = Supervisor::new(Clock::system());
            let lost = supervisor.spawn_once("kettle", async { panic!("boiled over") }).join().await;
            assert!(lost.is_err());
        });
        // Nobody stands around this one.
        let alone = std::panic::catch_unwind(|| panic!("nobody is told but the hook"));
        assert!(alone.is_err());
    });
    drop(std::panic::take_hook());
    let bytes = captured.0.lock().expect("no panic while held").clone();
    let told = String::from_utf8(bytes).expect("text");
    assert_eq!(told.matches("boiled over").count(), 1, "{told}");
    let line = told.lines().find(|line| line.contains("boiled over")).unwrap_or_default();
    assert!(line.contains("kettle") && line.contains("panics.rs:"), "{told}");
    assert_eq!(told.matches("nobody is told but the hook").count(), 1, "{told}");
}
