//! Every connection has the settings of the house, and the schema says what the code says.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use tempfile::TempDir;
use tenantry_protocol::channel::NotificationState;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::permission::Role;
use tenantry_protocol::run::LogStream;
use tenantry_protocol::state::{EventKind, JobState, RunState, StageName, StepState, TenantState};

use crate::config;
use crate::store::connection::{self, APPLICATION_ID, Sizes, Use};
use crate::store::migrate::{self, CONTROL, TENANT};

fn sizes() -> Sizes {
    Sizes::new(&config::Store::default())
}

fn migrated(steps: &[migrate::Step]) -> (TempDir, Connection) {
    let folder = TempDir::new().expect("a temp folder");
    let path = folder.path().join("some.db");
    migrate::apply(&path, steps, sizes(), 7).expect("migrated");
    let connection = connection::open(&path, Use::Write, sizes()).expect("opened");
    (folder, connection)
}

fn number(connection: &Connection, pragma: &str) -> i64 {
    connection.pragma_query_value(None, pragma, |row| row.get(0)).expect("a number")
}

#[test]
fn every_connection_has_the_settings_of_the_house() {
    let (folder, writer) = migrated(TENANT);
    let path = folder.path().join("some.db");
    let reader = connection::open(&path, Use::Read, sizes()).expect("opened");
    let keeper = connection::open(&path, Use::Maintain, sizes()).expect("opened");
    for connection in [&writer, &reader, &keeper] {
        let mode: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("a mode");
        assert_eq!(mode, "wal");
        for (pragma, value) in [
            ("application_id", i64::from(APPLICATION_ID)),
            ("user_version", TENANT.len() as i64),
            ("synchronous", 2),
            ("busy_timeout", 5_000),
            ("foreign_keys", 1),
            ("mmap_size", 0),
            ("cell_size_check", 1),
            ("trusted_schema", 0),
            ("temp_store", 2),
            ("auto_vacuum", 2),
            ("wal_autocheckpoint", 0),
            ("journal_size_limit", 16 * 1024 * 1024),
            ("cache_size", -2_048),
            ("page_size", 4_096),
        ] {
            assert_eq!(number(connection, pragma), value, "{pragma}");
        }
        for (config, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        ] {
            assert_eq!(connection.db_config(config), Ok(on), "{config:?}");
        }
        assert_eq!(connection.limit(Limit::SQLITE_LIMIT_LENGTH), Ok(16 * 1024 * 1024));
        assert_eq!(connection.limit(Limit::SQLITE_LIMIT_VARIABLE_NUMBER), Ok(250));
        connection::check_build(connection).expect("the right build");
    }
    assert_eq!(number(&reader, "query_only"), 1);
    assert_eq!(writer.limit(Limit::SQLITE_LIMIT_ATTACHED), Ok(0));
    assert_eq!(keeper.limit(Limit::SQLITE_LIMIT_ATTACHED), Ok(1));
}

#[test]
fn files_and_folders_are_ours_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, writer) = migrated(TENANT);
    writer.execute("update head set batch = 1", []).expect("written");
    for name in ["some.db", "some.db-wal", "some.db-shm"] {
        let mode = folder.path().join(name).metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let inner = folder.path().join("a").join("b");
    connection::create_folder(&inner).expect("made");
    assert_eq!(inner.metadata().expect("a folder").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_reader_can_do_nothing_but_read() {
    let (folder, _writer) = migrated(TENANT);
    let reader = connection::open(&folder.path().join("some.db"), Use::Read, sizes()).expect("opened");
    for sql in [
        "delete from run",
        "update head set batch = 9",
        "attach database ':memory:' as other",
        "create table x (a)",
        "pragma query_only = 0",
        "vacuum",
        "drop table run",
    ] {
        assert!(reader.execute_batch(sql).is_err(), "{sql}");
    }
    assert!(reader.query_row("select count(*) from run", [], |row| row.get::<_, i64>(0)).is_ok());
}

#[test]
fn audit_records_cannot_be_changed_even_by_the_writer() {
    let (_folder, writer) = migrated(CONTROL);
    let insert = "insert into audit values (0, 1, 'a', 'b', 'c', 'ok', 'r', '{}', zeroblob(32))";
    writer.execute(insert, []).expect("appended");
    for sql in ["update audit set actor = 'x'", "delete from audit"] {
        let error = writer.execute(sql, []).expect_err(sql);
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

/// The words in the CHECK list of `column` in the DDL of `table`.
fn check_list(connection: &Connection, table: &str, column: &str) -> BTreeSet<String> {
    let ddl: String = connection
        .query_row("select sql from sqlite_schema where type = 'table' and name = ?1", [table], |row| {
            row.get(0)
        })
        .expect("the table");
    let opening = format!("check ({column} = ");
    let (_, rest) = ddl.split_once(&opening).unwrap_or_else(|| panic!("{table}.{column} has no list"));
    let (list, _) = rest.split_once(')').expect("an end");
    let again = format!("{column} = ");
    let list = list.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = list.split(" or ").map(|word| word.trim().trim_start_matches(&again));
    words.map(|word| word.trim_matches('\'').to_owned()).collect()
}

fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> BTreeSet<String> {
    all.iter().map(|each| word(*each).to_owned()).collect()
}

#[test]
fn check_lists_are_the_vocabularies() {
    let (_folder, tenant) = migrated(TENANT);
    let (_other, control) = migrated(CONTROL);
    let stages = words(StageName::ALL, StageName::as_str);
    let roles = words(Role::ALL, Role::as_str);
    for (connection, table, column, expected) in [
        (&tenant, "run", "state", words(RunState::ALL, RunState::as_str)),
        (&tenant, "step", "state", words(StepState::ALL, StepState::as_str)),
        (&tenant, "job", "state", words(JobState::ALL, JobState::as_str)),
        (&tenant, "job", "stage", stages.clone()),
        (&tenant, "event", "kind", words(EventKind::ALL, EventKind::as_str)),
        (&tenant, "notification", "state", words(NotificationState::ALL, NotificationState::as_str)),
        (&tenant, "log_line", "stream", words(LogStream::ALL, LogStream::as_str)),
        (&tenant, "principal", "role", roles.clone()),
        (&tenant, "credential", "role", roles.clone()),
        (&control, "principal", "role", roles.clone()),
        (&control, "credential", "role", roles),
        (&control, "tenant", "state", words(TenantState::ALL, TenantState::as_str)),
        (&control, "due", "stage", stages),
    ] {
        assert_eq!(check_list(connection, table, column), expected, "{table}.{column}");
    }
}

fn schema(connection: &Connection) -> String {
    let mut statement = connection
        .prepare("select sql from sqlite_schema where sql is not null order by type desc, name")
        .expect("prepared");
    let ddl: Vec<String> =
        statement.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("texts");
    ddl.join(";\n\n") + ";\n"
}

/// Compares with the snapshot beside the migrations; writes it where `TENANTRY_BLESS` was set at compile time.
fn assert_snapshot(folder: &str, present: &str) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(folder).join("schema.snapshot.sql");
    if option_env!("TENANTRY_BLESS").is_some() {
        std::fs::write(&path, present).expect("blessed");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, present, "{}: rebuild with TENANTRY_BLESS=1 to accept", path.display());
}

#[test]
fn the_schema_is_the_one_in_the_snapshot() {
    let (_folder, tenant) = migrated(TENANT);
    let (_other, control) = migrated(CONTROL);
    assert_snapshot("tenant", &schema(&tenant));
    assert_snapshot("control", &schema(&control));
}

#[test]
fn the_tables_that_both_files_have_are_the_same() {
    let (_folder, tenant) = migrated(TENANT);
    let (_other, control) = migrated(CONTROL);
    let (tenant, control) = (schema(&tenant), schema(&control));
    for table in ["principal", "credential", "session", "audit", "audit_checkpoint", "head", "migration"] {
        let start = format!("CREATE TABLE {table} (");
        let ddl = |schema: &str| schema.split(";\n\n").find(|ddl| ddl.starts_with(&start)).map(str::to_owned);
        assert!(ddl(&tenant).is_some(), "{table}");
        assert_eq!(ddl(&tenant), ddl(&control), "{table}");
    }
}

#[test]
fn the_hot_statements_never_scan() {
    let (_folder, tenant) = migrated(TENANT);
    for (table, sql) in [
        (
            "job",
            "select seq from job where stage = ?1 and available_at <= ?2 and state = 'ready' order by available_at, seq limit ?3",
        ),
        ("job", "delete from job where seq = ?1 and lease_token = ?2"),
        ("job", "update job set lease_until = ?3 where seq = ?1 and lease_token = ?2"),
        (
            "job",
            "select available_at from job where stage = ?1 and state = 'ready' order by available_at limit 1",
        ),
        ("job", "select seq from job where state = 'dead' and id > ?1 order by id limit ?2"),
        ("run", "update run set state = ?3 where id = ?1 and state = ?2"),
        ("run", "select id from run where workflow_id = ?3 and id < ?1 order by id desc limit ?2"),
        ("step", "update step set state = ?4 where run_id = ?1 and idx = ?2 and state = ?3"),
        ("step", "select idx from step where run_id = ?1 order by idx"),
        ("log_line", "select number from log_line where run_id = ?1 order by number desc limit 1"),
        ("event", "select body from event where id = ?1"),
        ("dedupe", "select event_id from dedupe where key = ?1"),
        (
            "notification",
            "select id from notification where channel_id = ?3 and id < ?1 order by id desc limit ?2",
        ),
    ] {
        let mut statement = tenant.prepare(&format!("explain query plan {sql}")).expect(sql);
        let count = statement.parameter_count();
        let values = rusqlite::params_from_iter((0..count).map(|_| rusqlite::types::Null));
        let plan: Vec<String> = statement
            .query_map(values, |row| row.get(3))
            .expect("a plan")
            .collect::<Result<_, _>>()
            .expect("a plan");
        let plan = plan.join("; ");
        assert!(plan.contains(&format!("SEARCH {table} USING")), "{sql}\n{plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
}

fn code(result: crate::error::Result<()>) -> ErrorCode {
    result.expect_err("refused").code()
}

/// Where two files differ.
fn changed(before: &[u8], after: &[u8]) -> Vec<usize> {
    assert_eq!(before.len(), after.len());
    (0..before.len()).filter(|place| before[*place] != after[*place]).collect()
}

#[test]
fn a_newer_a_foreign_and_a_broken_file_are_refused_and_left_alone() {
    let (folder, writer) = migrated(TENANT);
    let path = folder.path().join("some.db");
    writer.pragma_update(None, "user_version", 99).expect("set");
    drop(writer);
    let before = std::fs::read(&path).expect("bytes");
    assert_eq!(code(migrate::apply(&path, TENANT, sizes(), 1)), ErrorCode::StoreNewer);
    assert_eq!(changed(&before, &std::fs::read(&path).expect("bytes")), Vec::<usize>::new());

    let foreign = folder.path().join("foreign.db");
    let other = connection::open(&foreign, Use::Maintain, sizes()).expect("opened");
    other.execute_batch("create table theirs (a)").expect("made");
    drop(other);
    assert_eq!(code(migrate::apply(&foreign, TENANT, sizes(), 1)), ErrorCode::StoreForeign);

    let broken = folder.path().join("broken.db");
    std::fs::write(&broken, [0x5a; 8_192]).expect("written");
    assert_eq!(code(migrate::apply(&broken, TENANT, sizes(), 1)), ErrorCode::StoreCorrupt);
    assert_eq!(changed(&[0x5a; 8_192], &std::fs::read(&broken).expect("bytes")), Vec::<usize>::new());
}

#[test]
fn an_existing_file_is_copied_before_it_is_migrated() {
    let (folder, writer) = migrated(TENANT);
    writer.execute("insert into meta values ('colour', 'blue')", []).expect("written");
    drop(writer);
    let path = folder.path().join("some.db");
    let mut steps = TENANT.to_vec();
    steps.push(migrate::Step::for_tests("tenant/9999_test", "create table later (a integer) strict;"));
    migrate::apply(&path, &steps, sizes(), 8).expect("migrated");
    let copy = folder.path().join(format!("some.db.before-{:04}", steps.len()));
    let copy = connection::open(&copy, Use::Maintain, sizes()).expect("opened");
    let before = i64::try_from(TENANT.len()).expect("few");
    assert_eq!(number(&copy, "user_version"), before);
    let colour: String =
        copy.query_row("select value from meta where name = 'colour'", [], |row| row.get(0)).expect("blue");
    assert_eq!(colour, "blue");
    let now = connection::open(&path, Use::Maintain, sizes()).expect("opened");
    assert_eq!(number(&now, "user_version"), before + 1);
    // The release before does not touch it.
    assert_eq!(code(migrate::apply(&path, TENANT, sizes(), 9)), ErrorCode::StoreNewer);
}

#[test]
fn events_of_the_first_release_learn_their_method_and_depth() {
    let (folder, writer) = migrated(&TENANT[..1]);
    let insert = "insert into event (id, kind, source, headers, received_at) values (?1, ?2, 's', ?3, 1)";
    for (id, kind, headers) in [
        ([1_u8; 16], "webhook", "{\"a\":\"b\"}"),
        ([2; 16], "emitted", "{\"tenantry-chain\":\"7\"}"),
        ([3; 16], "manual", "{}"),
    ] {
        writer.execute(insert, rusqlite::params![id, kind, headers]).expect("written");
    }
    drop(writer);
    let path = folder.path().join("some.db");
    migrate::apply(&path, TENANT, sizes(), 8).expect("migrated");
    let now = connection::open(&path, Use::Maintain, sizes()).expect("opened");
    let mut rows =
        now.prepare("select kind, method, depth, headers from event order by rowid").expect("prepared");
    let rows = rows.query_map([], |row| {
        let row = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok::<(String, Option<String>, u32, String), _>(row)
    });
    let rows: Vec<_> = rows.expect("read").map(|row| row.expect("a row")).collect();
    let row = |kind: &str, method: Option<&str>, depth, headers: &str| {
        (kind.to_owned(), method.map(str::to_owned), depth, headers.to_owned())
    };
    assert_eq!(
        rows,
        [
            row("webhook", Some("POST"), 0, "{\"a\":\"b\"}"),
            row("emitted", None, 7, "{}"),
            row("manual", None, 0, "{}")
        ]
    );
}
