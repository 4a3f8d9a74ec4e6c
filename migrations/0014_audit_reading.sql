-- `audit export` reads what is about a person, or a stretch of time, without going through the whole chain. A person's id is
-- nobody else's in any tenant.

DROP INDEX audit_person;
CREATE INDEX audit_person ON audit (person_id, id) WHERE person_id IS NOT NULL;
CREATE INDEX audit_at ON audit (at, id);
