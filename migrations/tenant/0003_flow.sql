-- Groups, items, `finally`, waits, approvals and runs that start runs.

-- A row of `step` is a step, or one item of a step with `foreach`: item i of step s of n steps has idx (i + 1) * n + s.
-- Attempts and log lines name their row in the same way.

-- JSON: the item that the row is for.
alter table step add column item text;
-- JSON: how far the items of the step are.
alter table step add column items text;

-- JSON: what a run that succeeded has left behind.
alter table run add column outputs text;
-- Why the run ends early: what is under way was cut off, and `finally` may still be at work.
alter table run add column stop text check (stop in ('cancel', 'time-out'));
-- The row of `step` that started the run.
alter table run add column parent_run_id blob check (length(parent_run_id) = 16);
alter table run add column parent_idx integer check (parent_idx >= 0);
-- How many runs stand above it.
alter table run add column depth integer not null default 0 check (depth >= 0);

-- The runs that a run has started.
create index run_by_parent on run (parent_run_id) where parent_run_id is not null;

-- What steps wait for. The step's job is put aside in the action queue; whoever brings what is waited for makes it due.
create table waiter (
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

create index waiter_by_event on waiter (name) where name is not null;
create index waiter_of_kind on waiter (kind, run_id, idx);
