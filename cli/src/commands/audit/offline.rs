//! Verifying an export of an audit log without the daemon, on any machine.
//!
//! An export holds one JSON object a line: audit records, oldest first, and checkpoints as `{"checkpoint": NOTE}`.
//! **Invariant:** a line that is neither is a fault, never skipped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use tenantry_protocol::audit::AuditVerified;
use tenantry_protocol::merkle::note::{Note, VerifyingKey};
use tenantry_protocol::merkle::record::{Checkpoint, Verifier};

use crate::failure::{Failure, Local};

/// The longest line that is read, in bytes.
const LINE_LIMIT: u64 = 4 << 20;

/// A line that carries a checkpoint.
#[derive(Deserialize)]
struct CheckpointLine {
    checkpoint: String,
}

/// A line that carries a record.
#[derive(Deserialize)]
struct RecordLine {
    seq: u64,
}

/// The place of the record on a line; `None` if the line carries none.
pub(super) fn seq(line: &str) -> Option<u64> {
    serde_json::from_str(line).ok().map(|RecordLine { seq }| seq)
}

/// Verifies the file. Without a key the checkpoints' signatures are not checked, only that they fit the records.
pub(super) fn verify(path: &Path, key: Option<&str>) -> Result<AuditVerified, Failure> {
    let key = key.map(parse_key).transpose()?;
    // Twice through the file: the checkpoints have to be known before the records are counted.
    let mut checkpoints = Vec::new();
    each_line(path, |line| checkpoints.extend(checkpoint(line)))?;
    let mut verifier = Verifier::new(checkpoints, key.as_ref());
    each_line(path, |line| {
        if checkpoint(line).is_none() {
            verifier.line(line);
        }
    })?;
    Ok(verifier.finish())
}

fn parse_key(text: &str) -> Result<VerifyingKey, Failure> {
    VerifyingKey::parse(text).ok_or_else(|| {
        Failure::usage("--key is not the public key of an audit log").with_hint(
            "it looks like tenantry/host+1a2b3c4d+AY…; `tenantry tenant show NAME` shows it as audit key",
        )
    })
}

/// The checkpoint on a line. One whose note cannot be read counts as made at size 0, where it is found wrong.
fn checkpoint(line: &str) -> Option<Checkpoint> {
    let CheckpointLine { checkpoint: note } = serde_json::from_str(line).ok()?;
    let size = Note::parse(&note).map_or(0, |note| note.head.size);
    Some(Checkpoint { size, note })
}

fn each_line(path: &Path, mut take: impl FnMut(&str)) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| Failure::file("read", path, error);
    let mut reader = BufReader::new(File::open(path).map_err(|error| failed(&error))?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line);
        match read.map_err(|error| failed(&error))? as u64 {
            0 => return Ok(()),
            LINE_LIMIT => {
                let message =
                    format!("{} is no export: a line is longer than {LINE_LIMIT} bytes", path.display());
                return Err(Failure::local(Local::File, message));
            }
            _ => {}
        }
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            take(text.trim_end_matches(['\r', '\n']));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_protocol::audit::AuditView;
    use tenantry_protocol::merkle::record::{Record, to_hex};

    fn record(seq: u64, verb: &str) -> String {
        let record = Record {
            seq,
            at: 5,
            actor: "host:uid-0",
            verb,
            resource: "secret/GITHUB",
            outcome: "ok",
            request_id: "req_1",
            detail: "null",
        };
        let view = AuditView {
            seq,
            at: 5,
            actor: record.actor.to_owned(),
            verb: verb.to_owned(),
            resource: record.resource.to_owned(),
            outcome: record.outcome.to_owned(),
            request_id: record.request_id.to_owned(),
            detail: serde_json::Value::Null,
            leaf: to_hex(&record.leaf()),
        };
        serde_json::to_string(&view).unwrap()
    }

    fn verified(lines: &[String]) -> AuditVerified {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.jsonl");
        std::fs::write(&path, lines.join("\n")).unwrap();
        verify(&path, None).unwrap()
    }

    #[test]
    fn an_untouched_export_holds() {
        let found = verified(&[record(0, "secret.put"), record(1, "secret.delete")]);
        assert!(found.ok, "{found:?}");
        assert_eq!(found.records, 2);
    }

    #[test]
    fn what_was_changed_or_left_out_or_put_in_is_found() {
        let lines = [record(0, "secret.put"), record(1, "secret.put"), record(2, "secret.put")];
        let changed = lines[1].replace("host:uid-0", "host:uid-7");
        assert!(!verified(&[lines[0].clone(), changed, lines[2].clone()]).ok);
        assert!(!verified(&[lines[0].clone(), lines[2].clone()]).ok);
        assert!(!verified(&[lines[0].clone(), "{\"hello\": 1}".to_owned()]).ok);
        assert!(!verified(&[lines[0].clone(), "{\"checkpoint\": \"no note\"}".to_owned()]).ok);
    }

    #[test]
    fn a_key_that_is_none_is_told() {
        assert!(
            verify(Path::new("/dev/null"), Some("AYkk"))
                .is_err_and(|failure| failure.message.contains("--key"))
        );
    }
}
