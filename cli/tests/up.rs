//! A daemon of one's own: started, found again, used and stopped.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test that cannot start the program has failed")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs the program as a user whose home is a new folder.
fn tenantry(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(args)
        .env("HOME", home)
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_RUNTIME_DIR", home.join("run"))
        .env("NO_COLOR", "1")
        .env_remove("TENANTRY_TENANT")
        .env_remove("TENANTRY_SOCKET")
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

/// Stops the daemon even if the test fails.
struct Home(tempfile::TempDir);

impl Drop for Home {
    fn drop(&mut self) {
        tenantry(self.0.path(), &["down"]);
    }
}

#[test]
fn up_starts_one_and_finds_it_again_and_down_drains_it() {
    let home = Home(tempfile::tempdir().unwrap());
    let home = home.0.path();
    let up = ["up", "--ingress", "127.0.0.1:0", "-o", "json"];
    let first = json(&tenantry(home, &up));
    let second = json(&tenantry(home, &up));
    assert_eq!((&first["started"], &second["started"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(first["pid"], second["pid"]);
    assert!(first["data"].as_str().is_some_and(|data| Path::new(data) == home.join("state/tenantry")));

    json(&tenantry(home, &["tenant", "create", "acme", "-o", "json"]));
    assert_eq!(json(&tenantry(home, &["status", "-o", "json"]))["tenants"]["total"], 1);
    let doctor = json(&tenantry(home, &["doctor", "-o", "json"]));
    assert_eq!(doctor["ok"], true, "{doctor}");

    assert!(tenantry(home, &["down"]).status.success());
    assert_eq!(tenantry(home, &["status"]).status.code(), Some(69));
    assert!(tenantry(home, &["down"]).status.success(), "what does not run needs no stopping");

    // What was created is still there.
    json(&tenantry(home, &up));
    assert_eq!(json(&tenantry(home, &["tenant", "list", "-o", "json"]))["items"][0]["name"], "acme");
}

#[test]
fn a_daemon_that_cannot_start_is_told_with_its_last_words() {
    let home = Home(tempfile::tempdir().unwrap());
    let home = home.0.path();
    std::fs::create_dir_all(home.join("config/tenantry")).unwrap();
    let config = home.join("bad.toml");
    std::fs::write(&config, "[ingres]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let output = tenantry(home, &["up", "--config", &config.to_string_lossy()]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("error[daemon-failed]") && told.contains("ingres"), "{told}");
}
