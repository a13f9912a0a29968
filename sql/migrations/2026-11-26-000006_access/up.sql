-- The log of what supervisors read, and the paths by which they read it. docs/regulator-api.md describes both.
CREATE SCHEMA IF NOT EXISTS access;

-- Only ever added to: each entry's hash is over the one before, so that none can be altered, dropped or slipped in.
CREATE TABLE access.reads (
    seq BIGINT PRIMARY KEY,
    time_ms BIGINT NOT NULL,
    account BYTEA,
    organisation TEXT,
    certificate BYTEA,
    purpose TEXT NOT NULL,
    case_ref TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    as_of BIGINT,
    previous BYTEA NOT NULL,
    hash BYTEA NOT NULL
);
CREATE INDEX reads_account ON access.reads (account, seq);
CREATE INDEX reads_certificate ON access.reads (certificate, seq);
CREATE INDEX reads_organisation ON access.reads (organisation, seq);

CREATE FUNCTION access.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log of reads is only ever added to';
END
$$;
CREATE TRIGGER reads_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON access.reads
    FOR EACH STATEMENT EXECUTE FUNCTION access.refuse_change();

-- The service's role: reads the ledger, adds to the log.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'concordat_service') THEN
        CREATE ROLE concordat_service NOLOGIN;
    END IF;
END
$$;
GRANT concordat_reader TO concordat_service;
GRANT USAGE ON SCHEMA access TO concordat_service;
GRANT SELECT, INSERT ON access.reads TO concordat_service;
GRANT SELECT ON public.__diesel_schema_migrations TO concordat_service;

-- What the service's filters go by, besides the indexes that are there.
CREATE INDEX blocks_proposer ON ledger.blocks (proposer, height);
CREATE INDEX commit_signatures_validator ON ledger.commit_signatures (validator, height);
CREATE INDEX transactions_outcome ON ledger.transactions (outcome, height);
CREATE INDEX transactions_contract ON ledger.transactions (contract_address, height)
    WHERE contract_address IS NOT NULL;
CREATE INDEX logs_topic0 ON ledger.logs (topic0, height);
CREATE INDEX token_transfers_token ON ledger.token_transfers (token, height);
CREATE INDEX token_balances_token ON ledger.token_balances (token, holder, token_id, height);
CREATE INDEX alerts_organisation ON ledger.alerts (organisation, height);
CREATE INDEX alerts_contract ON ledger.alerts (contract, height);
CREATE INDEX account_standings_status ON ledger.account_standings (status, account, height);
CREATE INDEX account_standings_role ON ledger.account_standings (role, account, height);
CREATE INDEX account_standings_authority ON ledger.account_standings (authority, account, height);
CREATE INDEX identities_identity ON ledger.identities (identity, account, height);
CREATE INDEX authorities_organisation ON ledger.authorities (organisation, authority, height);
CREATE INDEX validators_organisation ON ledger.validators (organisation, consensus_key, height);
CREATE INDEX organisations_status ON ledger.organisations (status, organisation, height);
CREATE INDEX regulators_organisation ON ledger.regulators (organisation, identity, height);
CREATE INDEX proposals_status ON ledger.proposals (status, proposal, height);
CREATE INDEX proposals_kind ON ledger.proposals (kind, proposal, height);
CREATE INDEX proposals_proposer ON ledger.proposals (proposer, proposal, height);
CREATE INDEX ballots_member ON ledger.ballots (member, height);
CREATE INDEX contracts_organisation ON ledger.contracts (organisation, contract, height);
CREATE INDEX contracts_creator ON ledger.contracts (creator, contract, height);
CREATE INDEX contracts_status ON ledger.contracts (status, contract, height);
