-- Events know the method they were sent with and how many events they follow from, and the end of a run can be one.
-- The table is made anew because SQLite cannot change a check.

create table event_next (
    id            blob    not null primary key check (length(id) = 16),
    kind          text    not null
                  check (kind = 'webhook' or kind = 'manual' or kind = 'emitted' or kind = 'workflow'),
    -- The webhook path, the emitted name, the workflow started by hand, or the workflow whose run ended.
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
select id, kind, source, case kind when 'webhook' then 'POST' end, content_type,
       case kind when 'emitted' then '{}' else headers end, query, body, body_blob, received_at,
       case kind when 'emitted' then coalesce(cast(headers ->> '$."tenantry-chain"' as integer), 0) else 0 end,
       actor
from event
order by rowid;

drop table event;

alter table event_next rename to event;

-- For the cleaner: whether a payload in blobs/ is still named.
create index event_by_blob on event (body_blob) where body_blob is not null;
