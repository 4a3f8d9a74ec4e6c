-- One request, one story: who it was (the same across rotations of a token), which request id the client gave itself, and the
-- requests that a job or a record belongs to.

ALTER TABLE audit ADD COLUMN actor TEXT;
ALTER TABLE audit ADD COLUMN client_request_id TEXT;
ALTER TABLE audit ADD COLUMN also TEXT; -- the other requests that the record belongs to, as a JSON array
CREATE INDEX audit_request ON audit (request_id, id);
CREATE INDEX audit_client_request ON audit (client_request_id, id) WHERE client_request_id IS NOT NULL;
CREATE INDEX audit_hash ON audit (hash);

-- Finds records by the requests in `also`; what the chain proves is the record itself.
CREATE TABLE audit_also (
    request_id TEXT NOT NULL,
    audit_id   TEXT NOT NULL,
    PRIMARY KEY (request_id, audit_id)
);

ALTER TABLE revisions ADD COLUMN actor TEXT;
ALTER TABLE jobs ADD COLUMN causes TEXT; -- who asked for what the job carries out: one JSON object a line
