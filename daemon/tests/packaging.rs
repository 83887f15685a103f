//! The shipped systemd units: systemd itself reads them, and says how much they leave open.
//!
//! Where a tool of systemd is missing its part is skipped and says so; the texts are compared everywhere.

#![expect(clippy::panic, clippy::expect_used, reason = "a test may stop where it cannot go on")]

#[path = "../../tests/src/skip.rs"]
#[expect(
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "shared by crates that do not know each other"
)]
mod skip;

use std::path::{Path, PathBuf};
use std::process::Command;

use tenantry_daemon::config::Config;
use tenantry_daemon::vault::host_key::CREDENTIAL;

/// What `systemd-analyze security` may say at most, in tenths: the runner's namespaces are worth about one point.
const EXPOSURE_MAX: &str = "28";

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

fn read(name: &str) -> String {
    let path = packaging().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a tool and returns whether it succeeded and what it printed; `None` where it is not installed.
fn run(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip::skipped(&format!("what {program} looks at"), "it is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// The value of a key, which must stand there once.
fn value_of(unit: &str, key: &str) -> String {
    let text = read(&format!("systemd/{unit}"));
    let mut values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = values.next().unwrap_or_else(|| panic!("{unit} sets no {key}"));
    assert_eq!(values.next(), None, "{unit} sets {key} twice");
    value.to_owned()
}

/// The installed program is not there while the tests run, so `/bin/true` stands in for it.
fn staged() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for unit in ["tenantry.service", "tenantry-api.socket", "tenantry-ingress.socket"] {
        let text = read(&format!("systemd/{unit}")).replace("/usr/bin/tenantry daemon", "/bin/true");
        std::fs::write(folder.path().join(unit), text).expect("own folder");
    }
    folder
}

#[test]
fn systemd_understands_every_line() {
    let folder = staged();
    for unit in ["tenantry.service", "tenantry-api.socket", "tenantry-ingress.socket"] {
        let path = folder.path().join(unit);
        let path = path.to_str().expect("a path in UTF-8");
        if let Some((good, said)) = run("systemd-analyze", &["verify", "--man=no", path]) {
            let about_ours: Vec<_> = said.lines().filter(|line| line.contains("tenantry")).collect();
            assert!(good && about_ours.is_empty(), "{unit}: {said}");
        }
    }
}

#[test]
fn the_service_leaves_no_more_open_than_agreed() {
    let folder = staged();
    let path = folder.path().join("tenantry.service");
    let path = path.to_str().expect("a path in UTF-8");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold, path];
    if let Some((good, said)) = run("systemd-analyze", &arguments) {
        assert!(good, "{}", said.lines().last().unwrap_or_default());
    }
}

#[test]
fn the_user_can_be_made() {
    let path = packaging().join("sysusers.d/tenantry.conf");
    let path = path.to_str().expect("a path in UTF-8");
    if let Some((good, said)) = run("systemd-sysusers", &["--dry-run", path]) {
        assert!(good, "{said}");
    }
}

/// The same things have the same names in units, code and configuration.
#[test]
fn units_and_daemon_agree() {
    assert_eq!(value_of("tenantry-api.socket", "FileDescriptorName"), "api");
    assert_eq!(value_of("tenantry-ingress.socket", "FileDescriptorName"), "ingress");
    assert_eq!(value_of("tenantry-api.socket", "ListenStream"), "/run/tenantry/api.sock");
    assert_eq!(value_of("tenantry.service", "Environment"), "TENANTRY_RUNTIME_DIR=/run/tenantry");
    let defaults = Config::default();
    assert_eq!(value_of("tenantry-ingress.socket", "ListenStream"), defaults.ingress.listen.to_string());
    let stop = value_of("tenantry.service", "TimeoutStopSec");
    let stop: u64 = stop.trim_end_matches('s').parse().expect("seconds");
    assert!(stop > defaults.drain.deadline.as_secs() + 10, "the drain must fit into the time to stop");
    assert!(value_of("host-key.conf", "LoadCredentialEncrypted").starts_with(&format!("{CREDENTIAL}:")));
    assert!(read("tmpfiles.d/tenantry.conf").contains("d /run/tenantry 0750 tenantry tenantry -"));
}

#[test]
fn proxies_point_at_the_default_listener_and_let_its_bodies_through() {
    let defaults = Config::default().ingress;
    for (name, limit) in [("Caddyfile", "max_size 1MiB"), ("nginx.conf", "client_max_body_size 1m;")] {
        let text = read(&format!("reverse-proxy/{name}"));
        assert!(text.contains(&defaults.listen.to_string()), "{name}");
        assert!(text.contains(limit) && defaults.body_limit.0 == 1 << 20, "{name}");
    }
}

/// `/bin/true` stands in for the program.
#[test]
fn the_debian_package_is_complete_and_the_same_twice() {
    if run("dpkg-deb", &["--version"]).is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let build = packaging().join("deb/build");
    let packages = ["first", "second"].map(|name| {
        let output = folder.path().join(name);
        let built = Command::new(&build)
            .args(["1.2.3", "/bin/true"])
            .arg(&output)
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .output()
            .expect("it starts");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut found =
            std::fs::read_dir(&output).expect("a folder").map(|entry| entry.expect("a file").path());
        found.next().expect("a package")
    });
    let bytes = packages.each_ref().map(|path| std::fs::read(path).expect("a file"));
    assert!(bytes[0] == bytes[1], "the same input gives the same package");
    let (_, listing) =
        run("dpkg-deb", &["-c", packages[0].to_str().expect("a path in UTF-8")]).expect("installed");
    for path in [
        "./usr/bin/tenantry",
        "./lib/systemd/system/tenantry.service",
        "./lib/systemd/system/tenantry-api.socket",
        "./lib/systemd/system/tenantry-ingress.socket",
        "./usr/lib/sysusers.d/tenantry.conf",
        "./usr/lib/tmpfiles.d/tenantry.conf",
        "./etc/tenantry/tenantry.toml",
        "./usr/share/doc/tenantry/copyright",
        "./usr/share/bash-completion/completions/tenantry",
    ] {
        assert!(listing.lines().any(|line| line.ends_with(path)), "{path} is missing:\n{listing}");
    }
    assert!(listing.lines().all(|line| line.contains("root/root")), "{listing}");
}
