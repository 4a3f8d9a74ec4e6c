-- What an operator is to be told, until the webhook has taken it, and for a while after, so that nobody is told twice.
CREATE TABLE alerts (
    tenant    TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    subject   TEXT   NOT NULL, -- an id, never a name of a person
    text      TEXT   NOT NULL,
    raised_at BIGINT NOT NULL,
    due_at    BIGINT,          -- none once it was sent
    attempts  BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, subject)
);
CREATE INDEX alerts_due ON alerts (due_at) WHERE due_at IS NOT NULL;
