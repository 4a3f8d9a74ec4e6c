-- The first shape of the store, read by SQLite and PostgreSQL alike.
--
-- Every key begins with the tenant. Times are milliseconds since 1970 (BIGINT), ids and JSON are text. Text compares by
-- code point on both: SQLite does so by itself, and on PostgreSQL the migrator gives each TEXT column COLLATE "C".
-- Names are folded by the program before they come here, so no query needs lower() or LIKE.

CREATE TABLE people (
    tenant           TEXT    NOT NULL,
    id               TEXT    NOT NULL,
    user_name_key    TEXT    NOT NULL,
    external_id      TEXT,
    display_name_key TEXT,
    active           BOOLEAN NOT NULL,
    body             TEXT    NOT NULL, -- as the client wrote it, the last confirmed state
    answer           TEXT    NOT NULL, -- what a GET returns, without meta and groups
    version          BIGINT  NOT NULL,
    created_at       BIGINT  NOT NULL,
    modified_at      BIGINT  NOT NULL,
    state            TEXT    NOT NULL,
    last_error       TEXT,
    suspended        BOOLEAN NOT NULL,
    imported         BOOLEAN NOT NULL,
    deleted_at       BIGINT,           -- set on a tombstone, which keeps its id for ever
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX people_live ON people (tenant, id) WHERE deleted_at IS NULL;
CREATE INDEX people_user_name ON people (tenant, user_name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX people_external_id ON people (tenant, external_id, id) WHERE deleted_at IS NULL;
CREATE INDEX people_display_name ON people (tenant, display_name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX people_active ON people (tenant, active, id) WHERE deleted_at IS NULL;
CREATE INDEX people_modified ON people (tenant, modified_at, id) WHERE deleted_at IS NULL;
CREATE INDEX people_state ON people (tenant, state, id) WHERE deleted_at IS NULL;
CREATE INDEX people_tombstones ON people (tenant, user_name_key, deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE person_emails (
    tenant    TEXT NOT NULL,
    email_key TEXT NOT NULL,
    person_id TEXT NOT NULL,
    PRIMARY KEY (tenant, email_key, person_id)
);
CREATE INDEX person_emails_of ON person_emails (tenant, person_id);

-- Who holds a unique name, confirmed or pending.
CREATE TABLE names (
    tenant TEXT NOT NULL,
    kind   TEXT NOT NULL,
    key    TEXT NOT NULL,
    owner  TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, key)
);
CREATE INDEX names_of ON names (tenant, owner);

-- How many live people and groups a tenant has, so that a list need not count them.
CREATE TABLE counters (
    tenant TEXT   NOT NULL,
    name   TEXT   NOT NULL,
    value  BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE groups (
    tenant           TEXT    NOT NULL,
    id               TEXT    NOT NULL,
    name_key         TEXT    NOT NULL,
    external_id      TEXT,
    display_name     TEXT    NOT NULL,
    body             TEXT    NOT NULL,
    version          BIGINT  NOT NULL,
    created_at       BIGINT  NOT NULL,
    modified_at      BIGINT  NOT NULL,
    agent_group_id   BIGINT,
    agent_group_ours BOOLEAN NOT NULL,
    pinned_name      TEXT,            -- the name that a mapping matched first; a rename does not move people
    imported         BOOLEAN NOT NULL,
    deleted_at       BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX groups_live ON groups (tenant, id) WHERE deleted_at IS NULL;
CREATE INDEX groups_name ON groups (tenant, name_key, id) WHERE deleted_at IS NULL;
CREATE INDEX groups_external_id ON groups (tenant, external_id, id) WHERE deleted_at IS NULL;
CREATE INDEX groups_modified ON groups (tenant, modified_at, id) WHERE deleted_at IS NULL;
CREATE INDEX groups_agent_group ON groups (tenant, agent_group_id) WHERE deleted_at IS NULL;

CREATE TABLE members (
    tenant    TEXT   NOT NULL,
    group_id  TEXT   NOT NULL,
    member_id TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    display   TEXT,
    added_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, group_id, member_id)
);
CREATE INDEX members_of ON members (tenant, member_id, group_id);

-- What a person has in RingCX, and which of it is ours.
CREATE TABLE links (
    tenant    TEXT   NOT NULL,
    person_id TEXT   NOT NULL,
    agent_id  BIGINT,
    admin_id  BIGINT,
    link      TEXT   NOT NULL, -- all that is remembered of the two, as JSON
    saved_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, person_id)
);
CREATE UNIQUE INDEX links_agent ON links (tenant, agent_id);
CREATE UNIQUE INDEX links_admin ON links (tenant, admin_id);

CREATE TABLE revisions (
    tenant      TEXT   NOT NULL,
    person_id   TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    change      TEXT   NOT NULL,
    body        TEXT   NOT NULL,
    credential  TEXT   NOT NULL,
    request_id  TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    outcome     TEXT,
    detail      TEXT,
    finished_at BIGINT,
    PRIMARY KEY (tenant, person_id, seq)
);
CREATE INDEX revisions_waiting ON revisions (tenant, person_id, seq) WHERE outcome IS NULL;
CREATE INDEX revisions_finished ON revisions (finished_at) WHERE outcome IS NOT NULL;

-- One job per person at most. lease_until is 0 when nobody works on it.
CREATE TABLE jobs (
    tenant      TEXT   NOT NULL,
    person_id   TEXT   NOT NULL,
    lane        BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    generation  BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT NOT NULL,
    fence       BIGINT NOT NULL,
    last_error  TEXT,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, person_id)
);
CREATE INDEX jobs_next ON jobs (tenant, lane, due_at);

-- A row precedes every call that changes RingCX, so that a lost answer is looked up and never repeated blindly.
CREATE TABLE journal (
    tenant      TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    person_id   TEXT   NOT NULL,
    operation   TEXT   NOT NULL,
    intent      TEXT   NOT NULL,
    started_at  BIGINT NOT NULL,
    outcome     TEXT,
    finished_at BIGINT,
    upstream_id BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX journal_unfinished ON journal (tenant, person_id, id) WHERE outcome IS NULL;
CREATE INDEX journal_finished ON journal (finished_at) WHERE outcome IS NOT NULL;

-- What RingCX had when it was last listed.
CREATE TABLE inventory (
    tenant      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    upstream_id BIGINT  NOT NULL,
    name        TEXT    NOT NULL,
    name_key    TEXT    NOT NULL,
    email_key   TEXT,
    rc_user_id  BIGINT,
    external_id TEXT,
    group_id    BIGINT,
    active      BOOLEAN NOT NULL,
    seen_at     BIGINT  NOT NULL,
    PRIMARY KEY (tenant, kind, upstream_id)
);
CREATE INDEX inventory_name ON inventory (tenant, kind, name_key);
CREATE INDEX inventory_email ON inventory (tenant, kind, email_key);
CREATE INDEX inventory_rc_user ON inventory (tenant, kind, rc_user_id);
CREATE INDEX inventory_external ON inventory (tenant, kind, external_id);

CREATE TABLE facts (
    tenant TEXT   NOT NULL,
    name   TEXT   NOT NULL,
    value  TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- Bearer tokens by their SHA-256. A rotated token keeps its name until it ends, hence `replaced`.
CREATE TABLE tokens (
    tenant       TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    hash         TEXT    NOT NULL,
    scope        TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
CREATE UNIQUE INDEX tokens_name ON tokens (tenant, name) WHERE revoked_at IS NULL;

-- Append-only. A record is sealed (numbered and chained) within a second of its insertion.
CREATE TABLE audit (
    id         TEXT   NOT NULL,
    seq        BIGINT,
    tenant     TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    credential TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    person_id  TEXT,
    group_id   TEXT,
    action     TEXT   NOT NULL,
    detail     TEXT   NOT NULL,
    prev_hash  TEXT,
    hash       TEXT,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX audit_seq ON audit (seq);
CREATE INDEX audit_unsealed ON audit (id) WHERE seq IS NULL;
CREATE INDEX audit_person ON audit (tenant, person_id, id);

CREATE TABLE leases (
    name     TEXT   NOT NULL,
    owner    TEXT   NOT NULL,
    fence    BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE budgets (
    identity      TEXT   NOT NULL,
    tokens_milli  BIGINT NOT NULL,
    refilled_at   BIGINT NOT NULL,
    penalty_until BIGINT NOT NULL,
    PRIMARY KEY (identity)
);
