-- A token can belong to a person, for whom `/Me` then stands; and one that was replaced lives on until it ends, beside its successor.

ALTER TABLE tokens ADD COLUMN person_id TEXT;
ALTER TABLE tokens ADD COLUMN replaced_at BIGINT;
DROP INDEX tokens_name;
CREATE UNIQUE INDEX tokens_name ON tokens (tenant, name) WHERE revoked_at IS NULL AND replaced_at IS NULL;
