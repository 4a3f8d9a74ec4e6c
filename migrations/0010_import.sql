-- The import of what RingCX has already: what was read of each account, what each run has made, what a person has decided.

ALTER TABLE inventory ADD COLUMN detail TEXT;
ALTER TABLE inventory ADD COLUMN detail_at BIGINT;

-- A membership that the import made shows where an agent is; it gives nothing until a client names the member.
ALTER TABLE members ADD COLUMN imported BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE imports (
    tenant TEXT   NOT NULL,
    id     TEXT   NOT NULL, -- ascends with time
    at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- What a run has made, so that it can be taken back.
CREATE TABLE import_items (
    tenant    TEXT   NOT NULL,
    import_id TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    item_id   TEXT   NOT NULL,
    version   BIGINT NOT NULL, -- of a person who was there before, as the run left it
    PRIMARY KEY (tenant, kind, item_id)
);
CREATE INDEX import_items_of ON import_items (tenant, import_id);

CREATE TABLE import_decisions (
    tenant    TEXT NOT NULL,
    account   TEXT NOT NULL, -- as in agent:5001
    choice    TEXT NOT NULL, -- as in link:PERSON
    import_id TEXT NOT NULL,
    PRIMARY KEY (tenant, account)
);
