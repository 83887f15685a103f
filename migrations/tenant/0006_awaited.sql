-- Events that were there before a step waited for them.

-- The event that a step with `wait` has taken: it is not taken again by a later step of its run.
alter table step add column took blob check (length(took) = 16);

create index step_took on step (run_id, took) where took is not null;

-- The emitted events of a name, in the order in which they were recorded.
create index event_emitted on event (source) where kind = 'emitted';
