//! The senders' own client libraries against the real ingress: what they sign is taken, what they refuse is refused.
//!
//! The libraries are npm packages of `tests/providers`, fixed by its lock file and installed by `.ci/run`; by hand:
//! `npm ci --prefix tests/providers --ignore-scripts`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tenantry_tests::daemon::TestDaemon;
use tenantry_tests::skip::skipped;
use tenantry_tests::tenant::TestTenant;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const PROVIDERS: &[&str] = &["standard-webhooks", "github", "stripe", "slack", "shopify"];
/// How long the script may take for everything.
const SCRIPT_LIMIT: Duration = Duration::from_secs(50);

/// One delivery as the script tells it.
#[derive(Debug, Deserialize)]
struct Told {
    provider: String,
    what: String,
    /// Whether the sender's library takes it.
    #[serde(default)]
    library: Option<bool>,
    status: u16,
    code: Option<String>,
    duplicate: Option<bool>,
}

struct Script {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    fn start(folder: &Path, daemon: &TestDaemon, secrets: &Value) -> Self {
        let mut child = Command::new("node")
            .arg(folder.join("send.mjs"))
            .env("INGRESS", daemon.ingress().to_string())
            .env("TENANT", "acme")
            .env("SECRETS", secrets.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(SCRIPT_LIMIT, self.lines.next_line()).await.unwrap().unwrap();
        line.map(|line| serde_json::from_str(&line).unwrap())
    }

    async fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").await.unwrap();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("providers")
}

/// What is missing for this test, if anything is.
fn missing() -> Option<&'static str> {
    let node = std::process::Command::new("node").arg("--version").output();
    if !node.is_ok_and(|output| output.status.success()) {
        return Some("there is no node");
    }
    let installed = folder().join("node_modules/standardwebhooks/package.json").is_file();
    (!installed).then_some("run `npm ci --prefix tests/providers --ignore-scripts` first")
}

/// Two good secrets and a bad one of each provider, in its usual form.
fn secrets() -> BTreeMap<&'static str, [&'static str; 3]> {
    let text = ["a secret of the sender", "the secret that replaces it", "a secret that was guessed"];
    let standard = [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_b2xkIHNlY3JldCBvZiB0aGUgaG9vaw==",
        "whsec_Z3Vlc3NlZCBzZWNyZXQ=",
    ];
    let stripe = ["whsec_5WzGlVyGYkqW4DQ5", "whsec_Zr8mPn1Lk2Vd0Qs7", "whsec_guessed"];
    PROVIDERS
        .iter()
        .map(|provider| match *provider {
            "standard-webhooks" => (*provider, standard),
            "stripe" => (*provider, stripe),
            _ => (*provider, text),
        })
        .collect()
}

async fn listen(acme: &TestTenant, path: &str, scheme: &str, names: &[&str]) {
    let secrets: Vec<_> = names.iter().map(|name| format!("\"${{{{ secrets.{name} }}}}\"")).collect();
    let verify = format!("{{ scheme: {scheme}, secret: [{}] }}", secrets.join(", "));
    let source = format!(
        "name: {path}\non: {{ webhook: {{ path: {path}, verify: {verify} }} }}\nsteps:\n  - {{ id: a, jq: \"1\" }}\n"
    );
    acme.apply(&source).await.unwrap();
}

#[tokio::test]
async fn the_senders_own_libraries_agree_with_the_ingress() {
    if let Some(why) = missing() {
        return skipped("providers", why);
    }
    let daemon = TestDaemon::start().await.unwrap();
    let acme = TestTenant::start(&daemon, "acme").await.unwrap();
    for (provider, [first, second, _]) in secrets() {
        let name = provider.replace('-', "_").to_uppercase();
        let names = [format!("{name}_1"), format!("{name}_2")];
        acme.secret(&names[0], first).await.unwrap();
        acme.secret(&names[1], second).await.unwrap();
        listen(&acme, provider, provider, &[&names[0], &names[1]]).await;
    }
    let mut script = Script::start(&folder(), &daemon, &json!(secrets()));
    let mut told = 0;
    while let Some(line) = script.line().await {
        if let Some(public) = line["public"].as_str() {
            acme.secret("PUBLIC", public).await.unwrap();
            listen(&acme, "asymmetric", "standard-webhooks", &["PUBLIC"]).await;
            script.go_on().await;
            continue;
        }
        judge(&serde_json::from_value(line).unwrap());
        told += 1;
    }
    assert!(script.child.wait().await.unwrap().success());
    // Five of each provider, two more where the time is signed, and two by a key pair.
    assert_eq!(told, 5 * PROVIDERS.len() + 2 * 3 + 2);
}

fn judge(told: &Told) {
    let Told { provider, what, library, status, code, duplicate } = told;
    let (wanted, refusal) = match what.as_str() {
        "genuine" | "rotated" => (202, None),
        "repeated" => (200, None),
        "tampered" | "forged" => (401, Some("signature-invalid")),
        "stale" | "future" => (401, Some("signature-stale")),
        other => unreachable!("the script does not send {other}"),
    };
    assert_eq!((*status, code.as_deref()), (wanted, refusal), "{told:?}");
    assert_eq!(*duplicate == Some(true), what == "repeated", "{told:?}");
    // Stripe's and Slack's libraries look into the past only; the ingress looks both ways.
    let only_past = what == "future" && matches!(provider.as_str(), "stripe" | "slack");
    if let Some(library) = library {
        assert_eq!(*library, wanted < 300 || only_past, "{told:?}");
    }
}
