-- Events of schedules and files. The event table is made anew because SQLite cannot change a check.

create table event_next (
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

insert into event_next (
    id, kind, source, method, content_type, headers, query, body, body_blob, received_at, depth, actor
)
select id, kind, source, method, content_type, headers, query, body, body_blob, received_at, depth, actor
from event
order by rowid;

drop table event;

alter table event_next rename to event;

-- For the cleaner: whether a payload in blobs/ is still named.
create index event_by_blob on event (body_blob) where body_blob is not null;

-- The entries of `on.schedule` of the workflows' present revisions. A fire, its event and the new cursor are one
-- transaction: that is why the place in time is here and not in control.db.
create table schedule (
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

create index schedule_by_next on schedule (next_at) where next_at is not null;

-- Fires that wait until the run before has ended.
create table held_fire (
    workflow_id  blob    not null check (length(workflow_id) = 16),
    at           integer not null,
    key          text    not null,
    primary key (workflow_id, at, key)
) strict, without rowid;

-- The entries of `on.file` of the enabled workflows' present revisions.
create table file_trigger (
    workflow_id  blob    not null check (length(workflow_id) = 16),
    pattern      text    not null,
    stable_ms    integer not null check (stable_ms >= 0),
    primary key (workflow_id, pattern)
) strict, without rowid;

-- Files in processing/ whose runs have not all ended.
create table open_file (
    event_id  blob    not null primary key check (length(event_id) = 16),
    name      text    not null,
    seq       integer not null,
    job_id    blob    not null check (length(job_id) = 16)
) strict, without rowid;
