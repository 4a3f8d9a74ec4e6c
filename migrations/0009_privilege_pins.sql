-- The first group that gave what lets its holder gain more keeps the grant, whatever other groups are named.
CREATE TABLE privilege_pins (
    tenant    TEXT   NOT NULL,
    grant_key TEXT   NOT NULL, -- the mapping, or the name, by which the group gives it
    group_id  TEXT   NOT NULL,
    pinned_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, grant_key)
);
