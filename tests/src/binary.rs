//! The `tenantry` program that the tests run: the one of this build, fresh.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Where the sources of the program lie.
const SOURCES: &[&str] = &["cli", "daemon", "protocol", "runner", "tui", "workflow", "migrations", "config"];
/// The files among them that end up in it.
const EXTENSIONS: &[&str] = &["rs", "sql", "toml", "json", "yaml"];

/// The path of the program. Builds it first if it is missing or older than its sources.
///
/// `TENANTRY_BIN` names another one, such as an installed release.
#[expect(clippy::panic, reason = "without the program there is nothing to test")]
pub fn tenantry() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var_os("TENANTRY_BIN") {
        Some(path) => path.into(),
        None => fresh().unwrap_or_else(|error| panic!("build the tenantry program: {error}")),
    })
}

fn fresh() -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().map(|f| if f.ends_with("deps") { f.parent().unwrap_or(f) } else { f });
    let folder = folder.ok_or_else(|| std::io::Error::other("the test has no folder"))?;
    let program = folder.join("tenantry");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let newest = SOURCES.iter().filter_map(|name| newest(&root.join(name))).max();
    if let Ok(built) = program.metadata().and_then(|m| m.modified())
        && newest.is_none_or(|newest| newest <= built)
    {
        return Ok(program);
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--package", "tenantry", "--bin", "tenantry"]).current_dir(&root);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    if let Some(target) = folder.parent() {
        build.arg("--target-dir").arg(target);
    }
    let output = build.output()?;
    if output.status.success() {
        // Cargo leaves a program alone whose sources changed in time only; a new stamp saves the next look.
        std::fs::File::open(&program)?.set_modified(SystemTime::now())?;
        return Ok(program);
    }
    Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let meta = path.metadata().ok()?;
    if !meta.is_dir() {
        let source = path.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.contains(&e));
        return if source { meta.modified().ok() } else { None };
    }
    if path.ends_with("tests") {
        return None;
    }
    let entries = std::fs::read_dir(path).ok()?;
    entries.filter_map(Result::ok).filter_map(|entry| newest(&entry.path())).max()
}
