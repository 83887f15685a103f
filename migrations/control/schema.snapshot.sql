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

CREATE TABLE due (
    tenant_id  blob    not null check (length(tenant_id) = 16),
    stage      text    not null check (stage = 'trigger' or stage = 'action' or stage = 'logging'
                                       or stage = 'notification'),
    at         integer not null,
    primary key (tenant_id, stage)
) strict, without rowid;

CREATE TABLE head (
    id              integer not null primary key check (id = 1),
    batch           integer not null,
    audit_size      integer not null,
    audit_frontier  blob    not null check (length(audit_frontier) % 32 = 0)
) strict;

CREATE TABLE migration (
    number  integer not null primary key,
    sha256  blob    not null check (length(sha256) = 32),
    at      integer not null
) strict;

CREATE TABLE principal (
    id          blob    not null primary key check (length(id) = 16),
    name        text    not null unique check (length(name) between 1 and 63),
    role        text    not null
                check (role = 'viewer' or role = 'operator' or role = 'editor' or role = 'admin'
                       or role = 'host-admin'),
    created_at  integer not null
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

CREATE TABLE signing_key (
    kid             text    not null primary key,
    purpose         text    not null,
    public          blob    not null,
    sealed_private  blob    not null,
    created_at      integer not null,
    retire_at       integer
) strict, without rowid;

CREATE TABLE tenant (
    id          blob    not null primary key check (length(id) = 16),
    name        text    not null check (length(name) between 1 and 63),
    title       text    not null,
    state       text    not null check (state = 'active' or state = 'suspended' or state = 'quarantined'),
    -- Share of a stage's capacity, relative to the other tenants.
    weight      integer not null check (weight between 1 and 1000),
    -- Queue quotas, rates and the egress allow-list as one JSON object.
    limits      text    not null check (json_valid(limits)),
    created_at  integer not null,
    updated_at  integer not null,
    deleted_at  integer
) strict, without rowid;

CREATE INDEX credential_by_principal on credential (principal_id);

CREATE INDEX due_by_time on due (at);

CREATE INDEX session_by_credential on session (credential_id);

CREATE INDEX session_by_expiry on session (expires_at);

CREATE INDEX session_by_principal on session (principal_id);

CREATE UNIQUE INDEX tenant_by_live_name on tenant (name) where deleted_at is null;
