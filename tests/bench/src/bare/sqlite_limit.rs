//! The row writes of W1 in bare SQLite: the store's own schema and settings, its statements, prepared; no savepoints,
//! no hashing, no JSON, no hand-over between threads. Eight files, written by four threads, as the daemon does.
//!
//! The row writes of one run, by the transaction that makes them:
//!
//! | accept | dedupe, event, job, audit | 4 |
//! | trigger settles | job away, run, step, job | 4 |
//! | action settles | job away, step, run, job | 4 |
//! | logging settles | job away, attempt, roll-up, run, audit, notification, job | 7 |
//! | notification settles | job away, notification, run, audit | 4 |
//!
//! and one update of `head` a commit. A run whose event need not queue up (`service::prompt`) makes two writes and one
//! transaction less; under load most of them queue up, so that is what is compared with. **Invariant:** when a stage writes more or less, this file says so too.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

const SCHEMA: &str = include_str!("../../../../migrations/tenant/0001_init.sql");
const FILES: usize = 8;
const THREADS: usize = 4;
const SETTINGS: &str = "
pragma auto_vacuum = 2; pragma journal_mode = wal; pragma synchronous = 2; pragma foreign_keys = 1;
pragma trusted_schema = 0; pragma temp_store = 2; pragma secure_delete = 2; pragma cell_size_check = 1;
pragma mmap_size = 0; pragma cache_size = -2048; pragma journal_size_limit = 16777216;";

const DEDUPE: &str = "insert into dedupe (key, event_id, expires_at) values (?1, ?2, ?3)";
const EVENT: &str = "
insert into event (id, kind, source, content_type, headers, query, body, body_blob, received_at)
values (?1, 'webhook', 'w1', 'application/json', ?2, null, ?3, null, ?4)";
const JOB: &str = "
insert into job (id, stage, state, available_at, attempt, run_id, payload, created_at, lease_token, lease_until)
values (?1, ?2, 'leased', ?3, 1, ?4, ?5, ?3, ?1, ?3)";
const SETTLE: &str = "delete from job where seq = ?1 and lease_token = ?2";
const AUDIT: &str = "
insert into audit (seq, at, actor, verb, resource, outcome, request_id, detail, leaf)
values (?1, ?2, 'system:logging', 'run.end', 'run_019b0000-0000-7000-8000-000000000000', 'ok',
        'req_019b0000-0000-7000-8000-000000000000', ?3, ?4)";
const RUN: &str = "
insert into run (id, workflow_id, revision, event_id, state, inputs, accepted_at, created_at, started_at)
values (?1, ?2, 1, ?1, 'running', null, ?3, ?3, ?3)";
const STEP: &str = "
insert into step (run_id, idx, id, state, attempt, started_at, ended_at) values (?1, 0, 'call', 'running', 1, ?2, null)";
const STEP_END: &str = "
update step set state = 'succeeded', output = ?2, error = null, attempt = 1, ended_at = ?3
where run_id = ?1 and idx = 0 and state = 'running'";
const RUN_END: &str = "
update run set state = 'succeeded', error = null, ended_at = ?2 where id = ?1 and state = 'running'";
const ATTEMPT: &str = "
insert into attempt (run_id, idx, number, outcome, error, detail, started_at, ended_at)
values (?1, 0, 1, 'succeeded', null, null, ?2, ?2) on conflict (run_id, idx, number) do nothing";
const ROLLUP: &str = "
insert into rollup (workflow_id, hour, succeeded, failed, cancelled, timed_out, total_ms, max_ms)
values (?1, 1, 1, 0, 0, 0, ?2, ?2)
on conflict (workflow_id, hour) do update set succeeded = succeeded + 1, total_ms = total_ms + excluded.total_ms";
const LOGGED: &str = "update run set logged_at = ?2 where id = ?1 and logged_at is null";
const NOTIFICATION: &str = "
insert into notification (id, channel_id, run_id, state, title, body, created_at)
values (?1, ?2, ?1, 'pending', 'w1', '0000000001', ?3)";
const DELIVERED: &str = "
update notification set state = 'delivered', delivered_at = ?2, attempt = 1, error = null
where id = ?1 and state = 'pending'";
const NOTIFIED: &str = "update run set notified_at = ?2 where id = ?1";
const HEAD: &str = "update head set batch = batch + 1, audit_size = ?1, audit_frontier = ?2";

const HEADERS: &str = r#"{"content-type":"application/json","user-agent":"GitHub-Hookshot/bench","x-github-delivery":"0000000001","x-github-event":"push"}"#;
const PAYLOAD: &[u8] =
    br#"{"v":1,"event":"evt_019b0000-0000-7000-8000-000000000000","started-at":1790000000000}"#;
const DETAIL: &str = r#"{"created-at":1790000000000,"ended-at":1790000000000,"error":null,"event":"evt_019b0000-0000-7000-8000-000000000000","revision":1,"workflow":"w1"}"#;
const OUTPUT: &str = r#"{"body":{"ok":true},"headers":{"content-length":"11","content-type":"application/json"},"status":200}"#;

/// Runs a second when each commit takes `group` closures.
pub(crate) fn measure(folder: &Path, group: usize, window: Duration) -> rusqlite::Result<f64> {
    let begun = Instant::now();
    let runs = std::thread::scope(|scope| {
        let work = |thread: usize| {
            let mut files = Vec::new();
            for index in (thread..FILES).step_by(THREADS) {
                files.push(File::open(&folder.join(format!("{index}.db")))?);
            }
            let mut runs = 0;
            while begun.elapsed() < window {
                for file in &mut files {
                    runs += file.round(group)?;
                }
            }
            Ok::<_, rusqlite::Error>(runs)
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(0)));
        ended.sum::<rusqlite::Result<u64>>()
    })?;
    Ok(runs as f64 / begun.elapsed().as_secs_f64())
}

/// One tenant's file.
struct File {
    connection: Connection,
    runs: u64,
    audits: i64,
}

impl File {
    fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(SETTINGS)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection, runs: 0, audits: 0 })
    }

    /// As many runs as a commit takes closures, through all five transactions; answers how many.
    fn round(&mut self, group: usize) -> rusqlite::Result<u64> {
        let first = self.runs;
        self.runs += group as u64;
        let seqs = self.commit(group, |file, at| file.accept(id(first + at as u64)))?;
        let seqs = self.commit(group, |file, at| file.trigger(id(first + at as u64), seqs[at]))?;
        let seqs = self.commit(group, |file, at| file.action(id(first + at as u64), seqs[at]))?;
        let seqs = self.commit(group, |file, at| file.logging(id(first + at as u64), seqs[at]))?;
        self.commit(group, |file, at| file.notification(id(first + at as u64), seqs[at]))?;
        Ok(group as u64)
    }

    fn commit(
        &mut self,
        group: usize,
        mut write: impl FnMut(&mut Self, usize) -> rusqlite::Result<i64>,
    ) -> rusqlite::Result<Vec<i64>> {
        self.connection.execute_batch("begin immediate")?;
        let seqs = (0..group).map(|at| write(self, at)).collect::<rusqlite::Result<Vec<_>>>()?;
        self.run(HEAD, params![self.audits, [7_u8; 32 * 12]])?;
        self.connection.execute_batch("commit")?;
        Ok(seqs)
    }

    fn run(&self, sql: &str, row: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(row)
    }

    fn enqueue(&self, id: [u8; 16], stage: &str) -> rusqlite::Result<i64> {
        self.run(JOB, params![id, stage, NOW, id, PAYLOAD])?;
        Ok(self.connection.last_insert_rowid())
    }

    fn audit(&mut self) -> rusqlite::Result<()> {
        self.run(AUDIT, params![self.audits, NOW, DETAIL, [9_u8; 32]])?;
        self.audits += 1;
        Ok(())
    }

    fn accept(&mut self, id: [u8; 16]) -> rusqlite::Result<i64> {
        // A hash lies anywhere in its index; so must this.
        let low = u64::from_be_bytes([id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]]);
        let mut key = [1_u8; 32];
        key[..8].copy_from_slice(&low.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        self.run(DEDUPE, params![key, id, NOW])?;
        self.run(EVENT, params![id, HEADERS, [b'x'; 500], NOW])?;
        self.audit()?;
        self.enqueue(id, "trigger")
    }

    fn trigger(&mut self, id: [u8; 16], seq: i64) -> rusqlite::Result<i64> {
        self.run(SETTLE, params![seq, id])?;
        self.run(RUN, params![id, WORKFLOW, NOW])?;
        self.run(STEP, params![id, NOW])?;
        self.enqueue(id, "action")
    }

    fn action(&mut self, id: [u8; 16], seq: i64) -> rusqlite::Result<i64> {
        self.run(SETTLE, params![seq, id])?;
        self.run(STEP_END, params![id, OUTPUT, NOW])?;
        self.run(RUN_END, params![id, NOW])?;
        self.enqueue(id, "logging")
    }

    fn logging(&mut self, id: [u8; 16], seq: i64) -> rusqlite::Result<i64> {
        self.run(SETTLE, params![seq, id])?;
        self.run(ATTEMPT, params![id, NOW])?;
        self.run(ROLLUP, params![WORKFLOW, 3])?;
        self.run(LOGGED, params![id, NOW])?;
        self.audit()?;
        self.run(NOTIFICATION, params![id, WORKFLOW, NOW])?;
        self.enqueue(id, "notification")
    }

    fn notification(&mut self, id: [u8; 16], seq: i64) -> rusqlite::Result<i64> {
        self.run(SETTLE, params![seq, id])?;
        self.run(DELIVERED, params![id, NOW])?;
        self.run(NOTIFIED, params![id, NOW])?;
        self.audit()?;
        Ok(seq)
    }
}

const NOW: i64 = 1_790_000_000_000;
const WORKFLOW: [u8; 16] = [3; 16];

/// Ids grow, as UUIDv7 do.
fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_leaves_finished_runs_and_no_jobs() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::open(&folder.path().join("a.db")).unwrap();
        assert_eq!((file.round(3).unwrap(), file.round(2).unwrap()), (3, 2));
        let count = |sql: &str| file.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("select count(*) from job"), 0);
        assert_eq!(
            count("select count(*) from run where notified_at is not null and state = 'succeeded'"),
            5
        );
        assert_eq!(count("select count(*) from notification where state = 'delivered'"), 5);
        assert_eq!(count("select count(*) from audit"), 15);
        assert_eq!(count("select batch from head"), 10);
    }
}
