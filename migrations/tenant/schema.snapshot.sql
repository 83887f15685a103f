CREATE TRIGGER audit_checkpoint_is_never_changed before update on audit_checkpoint
begin
    select raise(abort, 'checkpoints are append-only');
end;

CREATE TRIGGER audit_checkpoint_is_never_deleted before delete on audit_checkpoint
begin
    select raise(abort, 'checkpoints are append-only');
end;

CREATE TRIGGER audit_is_never_changed before update on audit
begin
    select raise(abort, 'audit records are append-only');
end;

CREATE TRIGGER audit_is_never_deleted before delete on audit
begin
    select raise(abort, 'audit records are append-only');
end;

CREATE TABLE attempt (
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

CREATE TABLE audit (
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

CREATE TABLE audit_checkpoint (
    size  integer not null primary key,
    root  blob    not null check (length(root) = 32),
    at    integer not null,
    -- A C2SP signed note: origin, size, root, and the signature line.
    note  text    not null
) strict;

CREATE TABLE channel (
    id          blob    not null primary key check (length(id) = 16),
    name        text    not null unique check (length(name) between 1 and 63),
    kind        text    not null,
    config      text    not null check (json_valid(config)),
    created_at  integer not null,
    updated_at  integer not null
) strict, without rowid;

CREATE TABLE credential (
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

CREATE TABLE data_key (
    version     integer not null primary key check (version >= 1),
    -- The tenant's data key, sealed with the host key.
    wrapped     blob    not null,
    created_at  integer not null
) strict;

CREATE TABLE dedupe (
    key         blob    not null primary key check (length(key) = 32),
    event_id    blob    not null check (length(event_id) = 16),
    expires_at  integer not null
) strict, without rowid;

CREATE TABLE "event" (
    id            blob    not null primary key check (length(id) = 16),
    kind          text    not null
                  check (kind = 'webhook' or kind = 'manual' or kind = 'emitted' or kind = 'workflow'
                         or kind = 'schedule' or kind = 'file'),
    -- The webhook path, the emitted name, the workflow started by hand or by its schedule, the workflow whose run ended,
    -- or the file's name.
    source        text    not null,
    -- Of a webhook.
    method        text,
    content_type  text,
    headers       text    not null,
    query         text,
    body          blob,
    -- SHA-256 of a body that lies in blobs/ because it is too large for a row or no text.
    body_blob     blob    check (length(body_blob) = 32),
    received_at   integer not null,
    -- How many events it follows from.
    depth         integer not null default 0 check (depth >= 0),
    -- Who brought it, as in the audit log.
    actor         text,
    check (body is null or body_blob is null)
) strict;

CREATE TABLE file_trigger (
    workflow_id  blob    not null check (length(workflow_id) = 16),
    pattern      text    not null,
    stable_ms    integer not null check (stable_ms >= 0),
    primary key (workflow_id, pattern)
) strict, without rowid;

CREATE TABLE gathered (
    gathering_id  blob    not null check (length(gathering_id) = 16),
    number        integer not null check (number >= 1),
    event_id      blob    not null check (length(event_id) = 16),
    primary key (gathering_id, number)
) strict, without rowid;

CREATE TABLE gathering (
    -- Names the event that the run of a batch will have.
    id           blob    not null primary key check (length(id) = 16),
    workflow_id  blob    not null check (length(workflow_id) = 16),
    key          text    not null,
    kind         text    not null check (kind in ('debounce', 'batch')),
    -- Whether it still takes events.
    open         integer not null check (open in (0, 1)),
    count        integer not null check (count >= 0),
    bytes        integer not null check (bytes >= 0),
    first_at     integer not null,
    due_at       integer not null
) strict, without rowid;

CREATE TABLE head (
    id              integer not null primary key check (id = 1),
    batch           integer not null,
    audit_size      integer not null,
    audit_frontier  blob    not null check (length(audit_frontier) % 32 = 0)
) strict;

CREATE TABLE held_fire (
    workflow_id  blob    not null check (length(workflow_id) = 16),
    at           integer not null,
    key          text    not null,
    primary key (workflow_id, at, key)
) strict, without rowid;

CREATE TABLE job (
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

CREATE TABLE log_line (
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

CREATE TABLE meta (
    name   text not null primary key,
    value  text not null
) strict, without rowid;

CREATE TABLE migration (
    number  integer not null primary key,
    sha256  blob    not null check (length(sha256) = 32),
    at      integer not null
) strict;

CREATE TABLE notification (
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

CREATE TABLE open_file (
    event_id  blob    not null primary key check (length(event_id) = 16),
    name      text    not null,
    seq       integer not null,
    job_id    blob    not null check (length(job_id) = 16)
) strict, without rowid;

CREATE TABLE place (
    run_id       blob    not null primary key check (length(run_id) = 16),
    workflow_id  blob    not null check (length(workflow_id) = 16),
    -- The text of the group.
    key          text    not null,
    state        text    not null check (state in ('held', 'waiting')),
    -- The group's limit, as the run's own revision says.
    cap          integer not null check (cap >= 1)
) strict, without rowid;

CREATE TABLE principal (
    id          blob    not null primary key check (length(id) = 16),
    name        text    not null unique check (length(name) between 1 and 63),
    role        text    not null
                check (role = 'viewer' or role = 'operator' or role = 'editor' or role = 'admin'
                       or role = 'host-admin'),
    created_at  integer not null
) strict, without rowid;

CREATE TABLE revision (
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

CREATE TABLE rollup (
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

CREATE TABLE run (
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
    notified_at  integer, origin text check (origin in ('retry', 'replay')), of_run blob check (length(of_run) = 16), key_run blob check (length(key_run) = 16), actor text, outputs text, stop text check (stop in ('cancel', 'time-out')), parent_run_id blob check (length(parent_run_id) = 16), parent_idx integer check (parent_idx >= 0), depth integer not null default 0 check (depth >= 0),
    check ((ended_at is null) = (state = 'queued' or state = 'running'))
) strict, without rowid;

CREATE TABLE schedule (
    workflow_id  blob    not null check (length(workflow_id) = 16),
    -- When and where: names the entry over all revisions.
    key          text    not null,
    -- The entry, so that nothing must be compiled to know what is due.
    spec         text    not null check (json_valid(spec)),
    -- The last fire that was decided about, or when the entry began.
    cursor       integer not null,
    -- When to look at it; null while the workflow is disabled, and when there are no more fires.
    next_at      integer,
    -- The fire that last started a run, its event, and the job that carries the event to the trigger stage.
    last_fire    integer,
    last_event   blob    check (length(last_event) = 16),
    last_seq     integer,
    last_job     blob    check (length(last_job) = 16),
    started      integer not null default 0 check (started >= 0),
    -- Fires that came too late.
    missed       integer not null default 0 check (missed >= 0),
    last_missed  integer,
    -- Fires that found the run before still there.
    skipped      integer not null default 0 check (skipped >= 0),
    primary key (workflow_id, key),
    check ((last_fire is null) = (last_event is null))
) strict, without rowid;

CREATE TABLE secret (
    name         text    not null primary key check (length(name) between 1 and 63),
    version      integer not null check (version >= 1),
    key_version  integer not null references data_key (version),
    sealed       blob    not null,
    updated_at   integer not null,
    updated_by   text    not null
) strict, without rowid;

CREATE TABLE session (
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

CREATE TABLE step (
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
    ended_at    integer, output_blob blob check (length(output_blob) = 32), item text, items text, took blob check (length(took) = 16),
    primary key (run_id, idx)
) strict, without rowid;

CREATE TABLE throttle (
    workflow_id  blob    not null check (length(workflow_id) = 16),
    key          text    not null,
    -- The theoretical arrival of the next run; unix microseconds.
    arrival_us   integer not null,
    primary key (workflow_id, key)
) strict, without rowid;

CREATE TABLE variable (
    name        text    not null primary key check (length(name) between 1 and 63),
    value       text    not null check (json_valid(value)),
    updated_at  integer not null,
    -- Who wrote it, as in the audit log.
    updated_by  text    not null
) strict, without rowid;

CREATE TABLE waiter (
    run_id      blob    not null check (length(run_id) = 16),
    idx         integer not null check (idx >= 0),
    kind        text    not null check (kind in ('event', 'approval', 'run')),
    -- The job of the step.
    seq         integer not null,
    -- Of an event: its name, or the beginning of its name and `*`.
    name        text,
    -- JSON: which of those events; who may decide and what is asked; the run that was started.
    detail      text    not null check (json_valid(detail)),
    created_at  integer not null,
    primary key (run_id, idx),
    check ((name is not null) = (kind = 'event'))
) strict, without rowid;

CREATE TABLE workflow (
    id          blob    not null primary key check (length(id) = 16),
    name        text    not null check (length(name) between 1 and 63),
    enabled     integer not null check (enabled in (0, 1)),
    -- The revision that new runs take.
    revision    integer not null check (revision >= 1),
    created_at  integer not null,
    updated_at  integer not null,
    deleted_at  integer
) strict, without rowid;

CREATE INDEX credential_by_principal on credential (principal_id);

CREATE INDEX dedupe_by_expiry on dedupe (expires_at);

CREATE INDEX event_by_blob on event (body_blob) where body_blob is not null;

CREATE INDEX event_emitted on event (source) where kind = 'emitted';

CREATE INDEX gathered_by_event on gathered (event_id);

CREATE UNIQUE INDEX gathering_open on gathering (workflow_id, key) where open = 1;

CREATE INDEX job_dead on job (id) where state = 'dead';

CREATE INDEX job_due on job (stage, available_at, seq) where state = 'ready';

CREATE INDEX notification_by_channel on notification (channel_id, id);

CREATE INDEX place_by_group on place (workflow_id, key, state, run_id);

CREATE INDEX rollup_by_hour on rollup (hour);

CREATE INDEX run_by_parent on run (parent_run_id) where parent_run_id is not null;

CREATE INDEX run_by_workflow on run (workflow_id, id);

CREATE INDEX run_live on run (workflow_id) where ended_at is null;

CREATE INDEX run_repeats on run (event_id) where of_run is not null;

CREATE INDEX run_unsuccessful on run (id) where state = 'failed' or state = 'cancelled' or state = 'timed-out';

CREATE INDEX schedule_by_next on schedule (next_at) where next_at is not null;

CREATE INDEX session_by_credential on session (credential_id);

CREATE INDEX session_by_expiry on session (expires_at);

CREATE INDEX session_by_principal on session (principal_id);

CREATE INDEX step_by_blob on step (output_blob) where output_blob is not null;

CREATE INDEX step_took on step (run_id, took) where took is not null;

CREATE INDEX throttle_by_arrival on throttle (arrival_us);

CREATE INDEX waiter_by_event on waiter (name) where name is not null;

CREATE INDEX waiter_of_kind on waiter (kind, run_id, idx);

CREATE UNIQUE INDEX workflow_by_live_name on workflow (name) where deleted_at is null;
