//! What commands read: files, standard input, hidden answers on the terminal. Everything has a limit.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::{Map, Value};

use crate::failure::{Failure, Local};
use crate::output::Output;

/// The largest text that a command reads, in bytes.
pub(crate) const TEXT_LIMIT: u64 = 4 << 20;
/// The largest secret or key, in bytes, a line feed at the end included.
const SECRET_LIMIT: u64 = (16 << 10) + 2;

/// The text of a file, or of standard input for `-`.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    read(path, TEXT_LIMIT)
}

/// The key in a file, or on standard input for `-`.
pub(crate) fn key_file(path: &Path) -> Result<String, Failure> {
    let key = read(path, SECRET_LIMIT)?.trim().to_owned();
    if key.is_empty() {
        return Err(Failure::usage(format!("{} holds no key", path.display())));
    }
    Ok(key)
}

/// A value that must not be seen: from a file, from a pipe, or typed without echo. One line feed at the end is not
/// part of it.
pub(crate) async fn hidden(prompt: &str, file: Option<&Path>, output: Output) -> Result<String, Failure> {
    let value = match file {
        Some(path) => read(path, SECRET_LIMIT)?,
        None if io::stdin().is_terminal() => {
            output.warn(&format!("{prompt}: "));
            let echo = EchoOff::new();
            let line = tokio::task::spawn_blocking(|| {
                let mut line = String::new();
                io::stdin().read_line(&mut line).map(|_| line)
            });
            let line = line.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            drop(echo);
            output.warn("\n");
            line.map_err(|error| Failure::file("read", Path::new("-"), &error))?
        }
        None => read(Path::new("-"), SECRET_LIMIT)?,
    };
    let value = value.strip_suffix('\n').unwrap_or(&value);
    Ok(value.strip_suffix('\r').unwrap_or(value).to_owned())
}

/// Asks before something is destroyed. A script has to say `--yes`; only the word `yes` counts as one.
pub(crate) async fn confirm(question: &str, yes: bool, output: Output) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let failure = Failure::local(Local::NotConfirmed, format!("{question} Nobody is here to answer"));
        return Err(failure.with_hint("give --yes if you mean it"));
    }
    output.warn(&format!("{} Type yes to go on: ", tenantry_protocol::printable::printable(question)));
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await.unwrap_or_else(|error| Err(io::Error::other(error))).unwrap_or_default();
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::local(Local::NotConfirmed, "nothing was done"))
}

/// `key=value`, where the value is text.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// JSON from the command line: the text itself, `@FILE`, or `-` for standard input.
pub(crate) fn json(argument: &str) -> Result<Value, Failure> {
    let text = match argument.strip_prefix('@') {
        Some(path) => text(Path::new(path))?,
        None if argument == "-" => text(Path::new("-"))?,
        None => argument.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("not valid JSON: {error}"))
            .with_hint("give JSON, @FILE, or - for standard input; quote it for the shell: '{\"a\": 1}'")
    })
}

/// Inputs of a run: an object of JSON below `-i key=value` pairs. A value that begins with `@` is the text of that file
/// (`@-` for standard input), `@@` stands for one `@`.
pub(crate) fn inputs(
    document: Option<&str>,
    pairs: Vec<(String, String)>,
) -> Result<Map<String, Value>, Failure> {
    let mut inputs = match document.map(json).transpose()? {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(Failure::usage("--input-json is an object: {\"name\": value}")),
    };
    for (key, value) in pairs {
        let value = match value.strip_prefix('@') {
            Some(rest) if rest.starts_with('@') => rest.to_owned(),
            Some(path) => text(Path::new(path)).map_err(|failure| failure.about(&format!("input {key}")))?,
            None => value,
        };
        inputs.insert(key, Value::String(value));
    }
    Ok(inputs)
}

fn read(path: &Path, limit: u64) -> Result<String, Failure> {
    let failed = |error: &io::Error| Failure::file("read", path, error);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    } else {
        let file = File::open(path).map_err(|error| failed(&error))?;
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    }
    if bytes.len() as u64 > limit {
        let message = format!("{} is larger than {}", path.display(), crate::moment::bytes(limit));
        return Err(Failure::local(Local::File, message));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::local(Local::File, format!("{} is not UTF-8 text", path.display())))
}

/// What is typed is not shown until this is dropped.
struct EchoOff(Option<Termios>);

impl EchoOff {
    fn new() -> Self {
        let Ok(before) = tcgetattr(io::stdin()) else { return Self(None) };
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let done = tcsetattr(io::stdin(), OptionalActions::Flush, &hidden);
        Self(done.ok().map(|()| before))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            tcsetattr(io::stdin(), OptionalActions::Flush, before).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_win_over_the_document() {
        let pairs = vec![parse_pair("b=x=y").unwrap(), parse_pair("c=").unwrap()];
        let inputs = inputs(Some("{\"a\": 1, \"b\": 2}"), pairs).unwrap();
        assert_eq!(Value::from(inputs), serde_json::json!({ "a": 1, "b": "x=y", "c": "" }));
    }

    #[test]
    fn an_input_may_be_a_file_and_a_failure_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.json");
        std::fs::write(&path, "[1]\n").unwrap();
        let pair = |value: String| vec![("orders".to_owned(), value)];
        let read = inputs(None, pair(format!("@{}", path.display()))).unwrap();
        assert_eq!(Value::from(read), serde_json::json!({ "orders": "[1]\n" }));
        let at = inputs(None, pair("@@ada".to_owned())).unwrap();
        assert_eq!(Value::from(at), serde_json::json!({ "orders": "@ada" }));
        let missing = inputs(None, pair(format!("@{}/absent", folder.path().display()))).unwrap_err();
        assert!(missing.message.contains("input orders"), "{}", missing.message);
    }

    #[test]
    fn what_is_no_object_or_no_pair_is_refused() {
        assert!(inputs(Some("[1]"), Vec::new()).is_err());
        assert!(inputs(Some("{"), Vec::new()).is_err());
        assert!(parse_pair("=x").is_err() && parse_pair("x").is_err());
    }

    #[test]
    fn files_have_a_limit_and_are_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "x".repeat(20 << 10)).unwrap();
        assert!(key_file(&path).is_err_and(|failure| failure.message.contains("larger")));
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert!(text(&path).is_err_and(|failure| failure.message.contains("UTF-8")));
        std::fs::write(&path, " \n").unwrap();
        assert!(key_file(&path).is_err_and(|failure| failure.message.contains("no key")));
        std::fs::write(&path, "tnk_1\n").unwrap();
        assert_eq!(key_file(&path).unwrap(), "tnk_1");
        assert!(text(&folder.path().join("absent")).is_err());
    }
}
