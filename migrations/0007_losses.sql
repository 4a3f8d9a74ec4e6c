-- Who has lost access by the identity provider's word, and who is about to: what the mass-change guard counts, blocks and can undo.
CREATE TABLE losses (
    tenant    TEXT    NOT NULL,
    person_id TEXT    NOT NULL,
    at        BIGINT  NOT NULL,
    base      BIGINT  NOT NULL, -- how many people were active then
    counts    BOOLEAN NOT NULL,
    rule      TEXT,             -- which rule blocks it; none where it went through
    group_id  TEXT,             -- the group that the rule is about
    since_at  BIGINT,           -- when the window of the rule began
    former    TEXT    NOT NULL, -- what the person had, as JSON, to give it back
    PRIMARY KEY (tenant, person_id)
);
CREATE INDEX losses_window ON losses (tenant, at) WHERE counts;
CREATE INDEX losses_blocked ON losses (tenant, person_id) WHERE rule IS NOT NULL;

-- One row per tenant, locked by whoever counts.
CREATE TABLE breakers (
    tenant TEXT NOT NULL,
    PRIMARY KEY (tenant)
);
