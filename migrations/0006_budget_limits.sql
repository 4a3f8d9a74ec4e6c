-- What RingCX itself has said about its limit, for all replicas.
ALTER TABLE budgets ADD COLUMN limit_per_minute BIGINT NOT NULL DEFAULT 0;
ALTER TABLE budgets ADD COLUMN limit_until BIGINT NOT NULL DEFAULT 0;
