-- What a tenant in a dry run would change in RingCX. The rows of a subject are always those of its last plan.
CREATE TABLE planned (
    tenant     TEXT   NOT NULL,
    subject    TEXT   NOT NULL, -- a person, or a group as jobs name it
    number     BIGINT NOT NULL,
    step       TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    detail     TEXT   NOT NULL,
    calls      BIGINT NOT NULL, -- about how many it takes
    planned_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, subject, number)
);
