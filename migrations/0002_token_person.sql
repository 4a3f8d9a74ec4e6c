-- A token can belong to a person, for whom `/Me` then stands.

ALTER TABLE tokens ADD COLUMN person_id TEXT;
