-- Surveillance: where it stands, by which rules and lists it judges, what it found, and what people made of it.
-- docs/surveillance.md describes every table. Nothing here is made of the chain alone, and no digest is over it.
CREATE SCHEMA watch;

CREATE TABLE watch.cursor (
    one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one),
    chain_id TEXT NOT NULL,
    height BIGINT NOT NULL,
    block_hash BYTEA NOT NULL,
    -- The list whose holders have been looked through.
    list BYTEA,
    updated TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Every version of a rule that has judged, from this height on.
CREATE TABLE watch.rules (
    digest BYTEA PRIMARY KEY,
    rule TEXT NOT NULL,
    definition JSONB NOT NULL,
    since BIGINT NOT NULL
);

CREATE TABLE watch.lists (
    hash BYTEA PRIMARY KEY,
    source TEXT NOT NULL,
    since BIGINT NOT NULL
);

CREATE TABLE watch.findings (
    id BYTEA PRIMARY KEY,
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    rule TEXT NOT NULL,
    rule_digest BYTEA NOT NULL REFERENCES watch.rules,
    list BYTEA,
    grade TEXT NOT NULL CHECK (grade IN ('note', 'alert', 'propose-freeze')),
    judged BOOLEAN NOT NULL,
    subject_kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    asset TEXT NOT NULL,
    evidence JSONB NOT NULL,
    numbers JSONB NOT NULL,
    explanation TEXT NOT NULL,
    reference TEXT NOT NULL,
    found TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX findings_height ON watch.findings (height, place);
CREATE INDEX findings_rule ON watch.findings (rule_digest, height);
CREATE INDEX findings_subject ON watch.findings (subject, height);

-- What people did about a finding. Each step's hash is over the one before, the first one's over the finding's id.
CREATE TABLE watch.trail (
    finding BYTEA NOT NULL REFERENCES watch.findings,
    step BIGINT NOT NULL,
    act TEXT NOT NULL CHECK (act IN ('acknowledge', 'comment', 'close')),
    person TEXT NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (finding, step)
);

CREATE FUNCTION watch.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON watch.findings
    FOR EACH STATEMENT EXECUTE FUNCTION watch.refuse();
CREATE TRIGGER added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON watch.trail
    FOR EACH STATEMENT EXECUTE FUNCTION watch.refuse();
CREATE TRIGGER added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON watch.rules
    FOR EACH STATEMENT EXECUTE FUNCTION watch.refuse();
CREATE TRIGGER added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON watch.lists
    FOR EACH STATEMENT EXECUTE FUNCTION watch.refuse();

GRANT USAGE ON SCHEMA watch TO concordat_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA watch TO concordat_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA watch GRANT SELECT ON TABLES TO concordat_reader;
