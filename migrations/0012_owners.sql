-- Which tenant an account in RingCX belongs to, so that two tenants on one RingCX account never touch the same one. `realms` says where
-- a tenant works; it is written at first contact, and the accounts that were linked before are entered then.
CREATE TABLE realms (
    tenant TEXT NOT NULL,
    kind   TEXT NOT NULL,
    realm  TEXT NOT NULL,
    PRIMARY KEY (tenant, kind)
);
CREATE TABLE owners (
    realm       TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    upstream_id BIGINT NOT NULL,
    tenant      TEXT   NOT NULL,
    person_id   TEXT   NOT NULL,
    PRIMARY KEY (realm, kind, upstream_id)
);
CREATE INDEX owners_of ON owners (tenant, kind, person_id);
