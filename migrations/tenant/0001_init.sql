-- tenant.db: everything of one tenant.
-- Times are Unix milliseconds UTC; ids are the 16 bytes of a UUIDv7, so that they sort by age.
--
-- The tables that every run writes (event, run, step, attempt, job, log_line) carry no foreign keys and as few
-- indexes as their readers can bear: each one is paid for by every run. Their owners write them together, in one
-- transaction, through the store's table modules.
--
-- A CHECK spells its words out with `or`: for a list of three or more, SQLite builds a b-tree at every insert.

create table meta (
    name   text not null primary key,
    value  text not null
) strict, without rowid;

create table workflow (
    id          blob    not null primary key check (length(id) = 16),
    name        text    not null check (length(name) between 1 and 63),
    enabled     integer not null check (enabled in (0, 1)),
    -- The revision that new runs take.
    revision    integer not null check (revision >= 1),
    created_at  integer not null,
    updated_at  integer not null,
    deleted_at  integer
) strict, without rowid;

create unique index workflow_by_live_name on workflow (name) where deleted_at is null;

create table revision (
    workflow_id  blob    not null references workflow (id) on delete cascade,
    number       integer not null check (number >= 1),
    format       text    not null check (format = 'yaml' or format = 'toml' or format = 'json'),
    source       text    not null,
    sha256       blob    not null check (length(sha256) = 32),
    created_at   integer not null,
    -- Who wrote it, as in the audit log.
    created_by   text    not null,
    primary key (workflow_id, number)
) strict, without rowid;

-- A rowid table on purpose: bodies are large, and appending to a rowid tree is cheaper than splitting an index.
create table event (
    id            blob    not null primary key check (length(id) = 16),
    kind          text    not null check (kind = 'webhook' or kind = 'manual' or kind = 'emitted'),
    -- The webhook path, the emitted name, or the workflow started by hand.
    source        text    not null,
    content_type  text,
    headers       text    not null,
    query         text,
    body          blob,
    -- SHA-256 of a body that lies in blobs/ because it is too large for a row.
    body_blob     blob    check (length(body_blob) = 32),
    received_at   integer not null,
    check (body is null or body_blob is null)
) strict;

create table dedupe (
    key         blob    not null primary key check (length(key) = 32),
    event_id    blob    not null check (length(event_id) = 16),
    expires_at  integer not null
) strict, without rowid;

-- For the cleaner that forgets expired keys.
create index dedupe_by_expiry on dedupe (expires_at);

create table run (
    id           blob    not null primary key check (length(id) = 16),
    workflow_id  blob    not null check (length(workflow_id) = 16),
    revision     integer not null check (revision >= 1),
    event_id     blob    check (length(event_id) = 16),
    state        text    not null
                 check (state = 'queued' or state = 'running' or state = 'succeeded' or state = 'failed'
                        or state = 'cancelled' or state = 'timed-out'),
    inputs       text,
    error        text,
    -- When the event was accepted; the run's age counts from here.
    accepted_at  integer not null,
    created_at   integer not null,
    started_at   integer,
    ended_at     integer,
    logged_at    integer,
    notified_at  integer,
    check ((ended_at is null) = (state = 'queued' or state = 'running'))
) strict, without rowid;

-- Lists of one workflow's runs, newest first.
create index run_by_workflow on run (workflow_id, id);
-- Runs that have not ended: limits, cancelling, the overview. Small at any time.
create index run_live on run (workflow_id) where ended_at is null;
-- What a person looks for; costs nothing for runs that succeed.
create index run_unsuccessful on run (id) where state = 'failed' or state = 'cancelled' or state = 'timed-out';

create table step (
    run_id      blob    not null check (length(run_id) = 16),
    idx         integer not null check (idx >= 0),
    id          text    not null,
    state       text    not null
                check (state = 'pending' or state = 'running' or state = 'retrying' or state = 'succeeded'
                       or state = 'failed' or state = 'skipped' or state = 'cancelled'
                       or state = 'interrupted'),
    -- How many attempts were started.
    attempt     integer not null default 0 check (attempt >= 0),
    output      text,
    error       text,
    started_at  integer,
    ended_at    integer,
    primary key (run_id, idx)
) strict, without rowid;

create table attempt (
    run_id      blob    not null check (length(run_id) = 16),
    idx         integer not null check (idx >= 0),
    number      integer not null check (number >= 1),
    outcome     text    not null,
    error       text,
    detail      text,
    started_at  integer not null,
    ended_at    integer not null,
    primary key (run_id, idx, number)
) strict, without rowid;

create table job (
    seq           integer not null primary key,
    id            blob    not null check (length(id) = 16),
    stage         text    not null check (stage = 'trigger' or stage = 'action' or stage = 'logging'
                                          or stage = 'notification'),
    state         text    not null check (state = 'ready' or state = 'leased' or state = 'dead'),
    -- Not before this time.
    available_at  integer not null,
    -- How many times it was claimed.
    attempt       integer not null check (attempt >= 0),
    lease_token   blob    check (length(lease_token) = 16),
    lease_until   integer,
    run_id        blob    check (length(run_id) = 16),
    payload       blob    not null,
    created_at    integer not null,
    error         text,
    check ((lease_token is not null) = (state = 'leased')),
    check ((lease_until is not null) = (state = 'leased'))
) strict;

-- The queue proper. A job that is handed over in memory is born leased and never enters it.
create index job_due on job (stage, available_at, seq) where state = 'ready';
-- The dead letters, oldest first (ids sort by age).
create index job_dead on job (id) where state = 'dead';

create table log_line (
    run_id   blob    not null check (length(run_id) = 16),
    -- Counted from 1 within the run.
    number   integer not null check (number >= 1),
    idx      integer,
    attempt  integer,
    at       integer not null,
    stream   text    not null check (stream = 'stdout' or stream = 'stderr' or stream = 'system'),
    text     text    not null,
    primary key (run_id, number)
) strict, without rowid;

create table channel (
    id          blob    not null primary key check (length(id) = 16),
    name        text    not null unique check (length(name) between 1 and 63),
    kind        text    not null,
    config      text    not null check (json_valid(config)),
    created_at  integer not null,
    updated_at  integer not null
) strict, without rowid;

create table notification (
    id            blob    not null primary key check (length(id) = 16),
    channel_id    blob    not null check (length(channel_id) = 16),
    run_id        blob    check (length(run_id) = 16),
    state         text    not null check (state = 'pending' or state = 'delivered' or state = 'failed'),
    title         text    not null,
    body          text    not null,
    created_at    integer not null,
    delivered_at  integer,
    read_at       integer,
    attempt       integer not null default 0 check (attempt >= 0),
    error         text,
    check ((delivered_at is not null) = (state = 'delivered'))
) strict, without rowid;

-- The inbox, and the deliveries of one channel, newest first.
create index notification_by_channel on notification (channel_id, id);

create table data_key (
    version     integer not null primary key check (version >= 1),
    -- The tenant's data key, sealed with the host key.
    wrapped     blob    not null,
    created_at  integer not null
) strict;

create table secret (
    name         text    not null primary key check (length(name) between 1 and 63),
    version      integer not null check (version >= 1),
    key_version  integer not null references data_key (version),
    sealed       blob    not null,
    updated_at   integer not null,
    updated_by   text    not null
) strict, without rowid;

-- What the dashboard draws, by the hour, so that it never counts runs.
create table rollup (
    workflow_id  blob    not null check (length(workflow_id) = 16),
    -- Hours since the epoch.
    hour         integer not null,
    succeeded    integer not null default 0,
    failed       integer not null default 0,
    cancelled    integer not null default 0,
    timed_out    integer not null default 0,
    -- Sum over the ended runs, from acceptance to end.
    total_ms     integer not null default 0,
    max_ms       integer not null default 0,
    primary key (workflow_id, hour)
) strict, without rowid;

create index rollup_by_hour on rollup (hour);

-- Who may act on what this file holds. The same three tables stand in control.db (for the host) and in every
-- tenant.db (for the tenant): an erased tenant takes its keys with it.
create table principal (
    id          blob    not null primary key check (length(id) = 16),
    name        text    not null unique check (length(name) between 1 and 63),
    role        text    not null
                check (role = 'viewer' or role = 'operator' or role = 'editor' or role = 'admin'
                       or role = 'host-admin'),
    created_at  integer not null
) strict, without rowid;

create table credential (
    id            blob    not null primary key check (length(id) = 16),
    principal_id  blob    not null references principal (id) on delete cascade,
    name          text    not null check (length(name) between 1 and 63),
    -- SHA-256 of the key's 256 random bits; the key itself is stored nowhere.
    hash          blob    not null unique check (length(hash) = 32),
    role          text    not null
                  check (role = 'viewer' or role = 'operator' or role = 'editor' or role = 'admin'
                         or role = 'host-admin'),
    created_at    integer not null,
    expires_at    integer,
    last_used_at  integer,
    revoked_at    integer
) strict, without rowid;

create index credential_by_principal on credential (principal_id);

-- One login and the family of refresh tokens that grew from it: they are revoked together.
create table session (
    id                     blob    not null primary key check (length(id) = 16),
    principal_id           blob    not null references principal (id) on delete cascade,
    credential_id          blob    references credential (id) on delete cascade,
    created_at             integer not null,
    expires_at             integer not null,
    revoked_at             integer,
    refresh_hash           blob    check (length(refresh_hash) = 32),
    refreshed_at           integer,
    -- The refresh token before the present one: seen again after a short grace, it revokes the session.
    previous_refresh_hash  blob    check (length(previous_refresh_hash) = 32)
) strict, without rowid;

create index session_by_principal on session (principal_id);
create index session_by_credential on session (credential_id);
create index session_by_expiry on session (expires_at);

-- The RFC 6962 log of what was done here: leaf n of the tree is the record with seq n (counted from 0).
create table audit (
    seq         integer not null primary key,
    at          integer not null,
    actor       text    not null,
    verb        text    not null,
    resource    text    not null,
    outcome     text    not null,
    request_id  text    not null,
    detail      text    not null,
    leaf        blob    not null check (length(leaf) = 32)
) strict;

create trigger audit_is_never_changed before update on audit
begin
    select raise(abort, 'audit records are append-only');
end;

create trigger audit_is_never_deleted before delete on audit
begin
    select raise(abort, 'audit records are append-only');
end;

create table audit_checkpoint (
    size  integer not null primary key,
    root  blob    not null check (length(root) = 32),
    at    integer not null,
    -- A C2SP signed note: origin, size, root, and the signature line.
    note  text    not null
) strict;

create trigger audit_checkpoint_is_never_changed before update on audit_checkpoint
begin
    select raise(abort, 'checkpoints are append-only');
end;

create trigger audit_checkpoint_is_never_deleted before delete on audit_checkpoint
begin
    select raise(abort, 'checkpoints are append-only');
end;

-- One row, written once a batch: how far this file has come. `batch` lets the committer find out after a failed
-- COMMIT whether the batch landed; size and frontier are the audit tree's right edge.
create table head (
    id              integer not null primary key check (id = 1),
    batch           integer not null,
    audit_size      integer not null,
    audit_frontier  blob    not null check (length(audit_frontier) % 32 = 0)
) strict;

insert into head (id, batch, audit_size, audit_frontier) values (1, 0, 0, x'');
