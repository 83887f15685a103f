-- Runs that are kept only so long, run again, wait for each other, and variables of the tenant.

-- Who brought it, as in the audit log.
alter table event add column actor text;
-- For the cleaner: whether a payload in blobs/ is still named.
create index event_by_blob on event (body_blob) where body_blob is not null;

-- A run that repeats another one: how, and which.
alter table run add column origin text check (origin in ('retry', 'replay'));
alter table run add column of_run blob check (length(of_run) = 16);
-- The run whose idempotency keys a retry uses: what it does outside is what that run meant to do.
alter table run add column key_run blob check (length(key_run) = 16);
-- Who asked for the repetition, as in the audit log.
alter table run add column actor text;
-- What repeats an event's run. A run that an event started by itself is found by its id.
create index run_repeats on run (event_id) where of_run is not null;

-- SHA-256 of an output that lies in blobs/ because it is too large for a row.
alter table step add column output_blob blob check (length(output_blob) = 32);
create index step_by_blob on step (output_blob) where output_blob is not null;

create table variable (
    name        text    not null primary key check (length(name) between 1 and 63),
    value       text    not null check (json_valid(value)),
    updated_at  integer not null,
    -- Who wrote it, as in the audit log.
    updated_by  text    not null
) strict, without rowid;

-- The place of a run in its concurrency group, from the moment it asks for one until it has ended.
create table place (
    run_id       blob    not null primary key check (length(run_id) = 16),
    workflow_id  blob    not null check (length(workflow_id) = 16),
    -- The text of the group.
    key          text    not null,
    state        text    not null check (state in ('held', 'waiting')),
    -- The group's limit, as the run's own revision says.
    cap          integer not null check (cap >= 1)
) strict, without rowid;

-- Ids of runs sort by the age of their events, so this is the order in which they are promoted.
create index place_by_group on place (workflow_id, key, state, run_id);

-- How far ahead the runs of a throttle are booked.
create table throttle (
    workflow_id  blob    not null check (length(workflow_id) = 16),
    key          text    not null,
    -- The theoretical arrival of the next run; unix microseconds.
    arrival_us   integer not null,
    primary key (workflow_id, key)
) strict, without rowid;

create index throttle_by_arrival on throttle (arrival_us);

-- Events that wait for others before a run takes them: a debounce keeps the last one, a batch all of them.
create table gathering (
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

create unique index gathering_open on gathering (workflow_id, key) where open = 1;

create table gathered (
    gathering_id  blob    not null check (length(gathering_id) = 16),
    number        integer not null check (number >= 1),
    event_id      blob    not null check (length(event_id) = 16),
    primary key (gathering_id, number)
) strict, without rowid;

create index gathered_by_event on gathered (event_id);
