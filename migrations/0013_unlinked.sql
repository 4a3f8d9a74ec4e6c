-- Agents that wait for their RingCentral extension are found without reading everybody's accounts.
ALTER TABLE links ADD COLUMN unlinked_since BIGINT;
CREATE INDEX links_unlinked ON links (tenant, unlinked_since);
