//! The audit log of a file, the same in control.db and in every tenant's file: an RFC 6962 tree whose leaves are the
//! rows of `audit`. The maths is in `tenantry_protocol::merkle`.
//!
//! **Invariant:** a record is appended in the transaction of the change that it tells about, and never changed.
//! The tree's right edge lives in memory beside the writer and is stored once a batch by the committer.

use rusqlite::{Row, params};
use serde_json::Value;
use tenantry_protocol::audit::{AuditVerified, AuditView};
use tenantry_protocol::id::RequestId;
use tenantry_protocol::merkle::note::{self, VerifyingKey};
use tenantry_protocol::merkle::record::{self, Checkpoint, Verifier, canonical, to_hex};
use tenantry_protocol::merkle::{self, Hash, TreeHead};

use crate::error::{Error, Result};
use crate::store::row::page;
use crate::store::{ReadTx, WriteTx};

/// What was done.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Unix milliseconds.
    pub at: i64,
    /// Who acted: `host:uid-0`, `key:pri_…`, `system:trigger`.
    pub actor: &'a str,
    /// `noun.verb`.
    pub verb: &'a str,
    /// On what.
    pub resource: &'a str,
    /// `ok` or an error code.
    pub outcome: &'a str,
    /// Joins it with the answer and the telemetry.
    pub request_id: RequestId,
    /// What else is to know; never a secret.
    pub detail: &'a Value,
}

const INSERT: &str = "
insert into audit (seq, at, actor, verb, resource, outcome, request_id, detail, leaf)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// Appends a record; answers its place in the log, from 0.
pub fn append(tx: &WriteTx, record: &Record) -> Result<u64> {
    let Record { at, actor, verb, resource, outcome, request_id, detail } = *record;
    let (request_id, detail) = (request_id.to_string(), canonical(detail));
    let seq = tx.frontier.borrow().size();
    let leaf =
        record::Record { seq, at, actor, verb, resource, outcome, request_id: &request_id, detail: &detail };
    let leaf = leaf.leaf();
    let row = params![signed(seq), at, actor, verb, resource, outcome, request_id, detail, leaf];
    tx.execute(INSERT, row)?;
    tx.frontier.borrow_mut().push(leaf);
    Ok(seq)
}

/// Size and root of the log, with what this transaction appended.
pub fn head(tx: &WriteTx) -> TreeHead {
    let frontier = tx.frontier.borrow();
    TreeHead { size: frontier.size(), root: frontier.root() }
}

/// Which records a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Only verbs that start with this.
    pub verb: Option<&'a str>,
    /// Only this resource.
    pub resource: Option<&'a str>,
}

const LIST: &str = "
select seq, at, actor, verb, resource, outcome, request_id, detail, leaf
from audit
where seq < ?1
  and (?2 is null or substr(verb, 1, length(?2)) = ?2)
  and (?3 is null or resource = ?3)
order by seq desc
limit ?4";

/// Records, newest first, before the cursor.
pub fn list(tx: &ReadTx, filter: Filter, cursor: Option<u64>, limit: u32) -> Result<Vec<AuditView>> {
    let before = cursor.map_or(i64::MAX, signed);
    Ok(tx.all(LIST, params![before, filter.verb, filter.resource, page(limit)], view)?)
}

const EXPORT: &str = "
select seq, at, actor, verb, resource, outcome, request_id, detail, leaf
from audit
where seq >= ?1
order by seq
limit ?2";

/// Records, oldest first, from `from` on: the lines of an export.
pub fn export(tx: &ReadTx, from: u64, limit: u32) -> Result<Vec<AuditView>> {
    Ok(tx.all(EXPORT, params![signed(from), page(limit)], view)?)
}

fn view(row: &Row<'_>) -> rusqlite::Result<AuditView> {
    let detail: String = row.get(7)?;
    Ok(AuditView {
        seq: row.get::<_, i64>(0)?.unsigned_abs(),
        at: row.get(1)?,
        actor: row.get(2)?,
        verb: row.get(3)?,
        resource: row.get(4)?,
        outcome: row.get(5)?,
        request_id: row.get(6)?,
        detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
        leaf: to_hex(&row.get::<_, Hash>(8)?),
    })
}

const LAST_CHECKPOINT: &str = "select size from audit_checkpoint order by size desc limit 1";

const INSERT_CHECKPOINT: &str = "
insert into audit_checkpoint (size, root, at, note) values (?1, ?2, ?3, ?4)";

/// Signs the present tree, unless the last checkpoint already did. `origin` names the log; `sign` answers the 64
/// bytes of an Ed25519 signature by `key`. Answers the note.
pub fn checkpoint(
    tx: &WriteTx,
    origin: &str,
    key: &VerifyingKey,
    at: i64,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
) -> Result<Option<String>> {
    let head = head(tx);
    let last: Option<i64> = tx.one(LAST_CHECKPOINT, [], |row| row.get(0))?;
    if head.size == 0 || last.is_some_and(|size| size == signed(head.size)) {
        return Ok(None);
    }
    let body = note::body(origin, &head);
    let note = note::seal(&body, key, &sign(body.as_bytes())?);
    tx.execute(INSERT_CHECKPOINT, params![signed(head.size), head.root, at, note])?;
    Ok(Some(note))
}

const CHECKPOINTS: &str = "select size, note from audit_checkpoint where size > ?1 order by size limit ?2";

/// Checkpoints by size, after the cursor.
pub fn checkpoints(tx: &ReadTx, after: u64, limit: u32) -> Result<Vec<Checkpoint>> {
    Ok(tx.all(CHECKPOINTS, params![signed(after), page(limit)], stored_checkpoint)?)
}

fn stored_checkpoint(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    Ok(Checkpoint { size: row.get::<_, i64>(0)?.unsigned_abs(), note: row.get(1)? })
}

const ALL: &str = "
select seq, at, actor, verb, resource, outcome, request_id, detail, leaf from audit order by seq";

const ALL_CHECKPOINTS: &str = "select size, note from audit_checkpoint order by size";

/// Recomputes every leaf and the tree, and compares every checkpoint. Signatures are checked where a key is given.
pub fn verify(tx: &ReadTx, key: Option<&VerifyingKey>) -> Result<AuditVerified> {
    let checkpoints = tx.all(ALL_CHECKPOINTS, [], stored_checkpoint)?;
    let mut verifier = Verifier::new(checkpoints, key);
    tx.each(ALL, [], |row| {
        let (actor, verb, resource): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let (outcome, request_id, detail): (String, String, String) = (row.get(5)?, row.get(6)?, row.get(7)?);
        let record = record::Record {
            seq: row.get::<_, i64>(0)?.unsigned_abs(),
            at: row.get(1)?,
            actor: &actor,
            verb: &verb,
            resource: &resource,
            outcome: &outcome,
            request_id: &request_id,
            detail: &detail,
        };
        verifier.record(&record, Some(&row.get(8)?));
        Ok(())
    })?;
    Ok(verifier.finish())
}

const LEAVES: &str = "select leaf from audit where seq < ?1 order by seq";

fn leaves(tx: &ReadTx, size: u64) -> Result<Vec<Hash>> {
    let leaves: Vec<Hash> = tx.all(LEAVES, [signed(size)], |row| row.get(0))?;
    if leaves.len() as u64 == size { Ok(leaves) } else { Err(Error::not_found("audit log of size", size)) }
}

/// The path from record `seq` to the root of the tree over the first `size` records.
pub fn inclusion_proof(tx: &ReadTx, seq: u64, size: u64) -> Result<Vec<Hash>> {
    let index = usize::try_from(seq).unwrap_or(usize::MAX);
    let leaves = leaves(tx, size)?;
    merkle::inclusion_proof(&leaves, index).ok_or_else(|| Error::not_found("audit record", seq))
}

/// The path that shows that the log of size `old` is the beginning of the log of size `new`.
pub fn consistency_proof(tx: &ReadTx, old: u64, new: u64) -> Result<Vec<Hash>> {
    let from = usize::try_from(old).unwrap_or(usize::MAX);
    let leaves = leaves(tx, new)?;
    merkle::consistency_proof(&leaves, from).ok_or_else(|| Error::not_found("audit log of size", old))
}

/// Sizes and places are counted in rowids.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
