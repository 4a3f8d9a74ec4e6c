-- Accounts that RingCX showed no more, and whose they were: one that comes back is dealt with as its person is.
CREATE TABLE lost_accounts (
    tenant      TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    upstream_id BIGINT NOT NULL,
    person_id   TEXT   NOT NULL,
    link        TEXT   NOT NULL, -- what was remembered of it, as JSON
    lost_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, upstream_id)
);
