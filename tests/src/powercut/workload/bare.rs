//! The workload done with SQLite alone.

use std::io;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use super::Acks;
use crate::powercut::oracle::Subject;

/// The same tables written through SQLite alone. At FULL it shows that the method passes a store that keeps its word,
/// at NORMAL that it catches one that does not.
pub const SUBJECT: Subject = Subject {
    database: "queue.db",
    present: "select lane * 2, number from events union all select lane * 2 + 1, number from runs",
    rules: &[
        (
            "an event has exactly its job or its run",
            "select count(*) from events e where \
          (select count(*) from jobs j where j.event = e.id and j.stage = 'trigger') + \
          (select count(*) from runs r where r.event = e.id) <> 1",
        ),
        (
            "a run has its action job",
            "select count(*) from runs r where not exists \
          (select 1 from jobs j where j.event = r.event and j.stage = 'action')",
        ),
        ("audit records have no gap", "select count(*) <> coalesce(max(seq), 0) from audit"),
        ("every run is audited", "select abs((select count(*) from audit) - (select count(*) from runs))"),
    ],
};

const TABLES: &str = "
    create table events (id integer primary key, lane integer not null, number integer not null, body text not null) strict;
    create table jobs (id integer primary key, event integer not null, stage text not null) strict;
    create index jobs_by_event on jobs (event, stage);
    create table runs (id integer primary key, event integer not null, lane integer not null, number integer not null) strict;
    create index runs_by_event on runs (event);
    create table audit (seq integer primary key, what text not null) strict;
";

/// Makes `commits` commits with SQLite alone at the given `synchronous`.
pub fn run(folder: &Path, acks: &Acks, commits: u32, synchronous: &str) -> rusqlite::Result<()> {
    let mut db = Connection::open(folder.join("queue.db"))?;
    db.execute_batch(&format!("pragma journal_mode=wal; pragma synchronous={synchronous};"))?;
    let setup = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    setup.execute_batch(TABLES)?;
    setup.commit()?;
    let body = "x".repeat(500);
    let failed = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    for number in 1..=commits / 2 {
        let accept = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        accept
            .execute("insert into events (lane, number, body) values (0, ?1, ?2)", params![number, body])?;
        let event = accept.last_insert_rowid();
        accept.execute("insert into jobs (event, stage) values (?1, 'trigger')", [event])?;
        accept.commit()?;
        acks.mark(0, number).map_err(failed)?;

        let settle = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        settle.execute("delete from jobs where event = ?1 and stage = 'trigger'", [event])?;
        settle
            .execute("insert into runs (event, lane, number) values (?1, 0, ?2)", params![event, number])?;
        settle.execute("insert into jobs (event, stage) values (?1, 'action')", [event])?;
        settle.execute("insert into audit (what) values ('run started')", [])?;
        settle.commit()?;
        acks.mark(1, number).map_err(failed)?;
    }
    Ok(())
}
