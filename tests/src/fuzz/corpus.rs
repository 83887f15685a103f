//! What mutations begin from: the fixtures and examples of the repository, and genuine deliveries.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Target;
use super::targets::signatures;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// The inputs of a target, in an order that does not change.
pub(super) fn of(target: Target) -> io::Result<Vec<Vec<u8>>> {
    let inputs = match target {
        Target::Yaml => texts()?,
        Target::Expression => expressions(&texts()?),
        Target::Signatures => signatures::genuine(),
        Target::Cron => CRON.iter().map(|text| text.as_bytes().to_vec()).collect(),
    };
    if inputs.is_empty() {
        return Err(io::Error::other(format!("there is no corpus for {target}")));
    }
    Ok(inputs)
}

fn texts() -> io::Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    for name in ["workflow/tests/valid", "workflow/tests/invalid", "config/workflows"] {
        for entry in fs::read_dir(folder(name))? {
            paths.push(entry?.path());
        }
    }
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// What stands in `${{ }}` anywhere in the texts.
fn expressions(texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for text in texts {
        for piece in String::from_utf8_lossy(text).split("${{").skip(1) {
            let expression = piece.split("}}").next().unwrap_or_default().trim();
            if !expression.is_empty() {
                found.push(expression.as_bytes().to_vec());
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

const CRON: &[&str] = &[
    "* * * * *",
    "15 2 * * *",
    "*/5 9-17 * * mon-fri",
    "0 0 L * *",
    "0 12 * * 5#3",
    "0 0 1,15 JAN,jun ?",
    "30 4 1-7/2 * sunL",
    "0 0 29 2 *",
    "10 */3 0-12 * * 7",
    "@daily",
    "@hourly",
    "@yearly",
];

/// Words that mean something to the target.
pub(super) fn words(target: Target) -> Vec<&'static [u8]> {
    let words = match target {
        Target::Yaml => YAML_WORDS,
        Target::Expression => EXPRESSION_WORDS,
        Target::Signatures => SIGNATURE_WORDS,
        Target::Cron => CRON_WORDS,
    };
    words.iter().map(|word| word.as_bytes()).collect()
}

const YAML_WORDS: &[&str] = &[
    "${{ ",
    " }}",
    "\n  - ",
    "\n",
    ": ",
    "{ ",
    " }",
    "[",
    "]",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "# ",
    "---\n",
    "...\n",
    "\t",
    "on:",
    "steps:",
    "name:",
    "webhook:",
    "verify:",
    "scheme: hmac",
    "secret:",
    "event:",
    "if: ",
    "needs: ",
    "run: ",
    "http:",
    "jq:",
    "foreach:",
    "retry:",
    "schedule:",
    "cron:",
    "respond:",
    "null",
    "~",
    "true",
    "1e3",
    "0x1f",
    "30s",
    "\u{feff}",
    "\u{2028}",
    "é",
];

const EXPRESSION_WORDS: &[&str] = &[
    "event",
    ".body",
    ".headers",
    "['x-a']",
    "[0]",
    "[-1]",
    "steps.a.output",
    "secrets.A",
    "inputs",
    "run.id",
    " and ",
    " or ",
    " not ",
    " in ",
    " is defined",
    " is none",
    " if ",
    " else ",
    " | ",
    "default('x')",
    "first",
    "sort",
    "join(',')",
    "map(attribute='a')",
    "select('gt', 1)",
    "batch(2)",
    "tojson",
    "fromJSON('[1]')",
    "contains(",
    "success()",
    "~",
    " ** ",
    " // ",
    " % ",
    "==",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "'",
    "\"",
    ",",
    ":",
    "loop",
    "self",
    "__",
    "range(9)",
];

const SIGNATURE_WORDS: &[&str] = &[
    "v1=",
    "v1a,",
    "v1,",
    "t=",
    "sha256=",
    "v0=",
    ",",
    " ",
    "=",
    "\n",
    "webhook-id: ",
    "webhook-timestamp: ",
    "webhook-signature: ",
    "svix-id: ",
    "x-hub-signature-256: ",
    "stripe-signature: ",
    "x-slack-signature: ",
    "x-slack-request-timestamp: ",
    "x-shopify-hmac-sha256: ",
    "authorization: ",
    "Bearer ",
    "x-sign: ",
    "x-time: ",
    "1614265330",
    "\n\n",
    "==",
    "whsec_",
    "whpk_",
];

const CRON_WORDS: &[&str] = &[
    "*", "*/", "-", ",", "/", "L", "#", "W", "?", " ", "@", "mon", "SUN", "jan", "DEC", "@daily", "0", "59",
    "60", "31", "7", "\t",
];
