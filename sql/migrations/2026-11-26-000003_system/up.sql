-- The rows of the system contracts over time: what each row became in a block. `removed` says that it was deleted, and
-- the row shows what it was. The newest row of a key is what holds. `tx_index` is the transaction whose act it was, where
-- the block leaves no doubt about it.
CREATE TABLE ledger.organisations (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    organisation TEXT NOT NULL,
    name TEXT,
    status TEXT NOT NULL,
    roles TEXT NOT NULL,
    admitted_height BIGINT NOT NULL,
    power_budget NUMERIC(20, 0) NOT NULL,
    ca_certificates JSONB NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX organisations_key ON ledger.organisations (organisation, height);

CREATE TABLE ledger.account_standings (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    account BYTEA NOT NULL,
    status TEXT NOT NULL,
    role TEXT NOT NULL,
    rebound BOOLEAN NOT NULL,
    not_after BIGINT NOT NULL,
    authority BIGINT NOT NULL,
    serial BYTEA NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX account_standings_key ON ledger.account_standings (account, height);

CREATE TABLE ledger.account_details (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    account BYTEA NOT NULL,
    common_name TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    not_before NUMERIC(20, 0) NOT NULL,
    enrolled_height BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX account_details_key ON ledger.account_details (account, height);

CREATE TABLE ledger.authorities (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    authority BIGINT NOT NULL,
    organisation TEXT NOT NULL,
    issuer BYTEA NOT NULL,
    path JSONB NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX authorities_key ON ledger.authorities (authority, height);

CREATE TABLE ledger.revocations (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    issuer BYTEA NOT NULL,
    serial BYTEA NOT NULL,
    reason BIGINT NOT NULL,
    revoked_at NUMERIC(20, 0) NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX revocations_key ON ledger.revocations (issuer, serial, height);

CREATE TABLE ledger.revocation_lists (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    issuer BYTEA NOT NULL,
    number NUMERIC(20, 0) NOT NULL,
    this_update NUMERIC(20, 0) NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX revocation_lists_key ON ledger.revocation_lists (issuer, height);

CREATE TABLE ledger.validators (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    consensus_key BYTEA NOT NULL,
    organisation TEXT NOT NULL,
    power NUMERIC(20, 0) NOT NULL,
    node_key_hash BYTEA NOT NULL,
    node_address TEXT NOT NULL,
    admitted_height BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX validators_key ON ledger.validators (consensus_key, height);

CREATE TABLE ledger.identities (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    account BYTEA NOT NULL,
    identity BYTEA NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX identities_key ON ledger.identities (account, height);

CREATE TABLE ledger.recoveries (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    account BYTEA NOT NULL,
    new_account BYTEA NOT NULL,
    requester BYTEA NOT NULL,
    requested BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX recoveries_key ON ledger.recoveries (account, height);

CREATE TABLE ledger.bars (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    subject TEXT NOT NULL,
    barred BYTEA NOT NULL,
    document BYTEA NOT NULL,
    reference TEXT NOT NULL,
    since NUMERIC(20, 0) NOT NULL,
    proposal BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX bars_key ON ledger.bars (barred, height);

CREATE TABLE ledger.seats (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    member BYTEA NOT NULL,
    organisation TEXT NOT NULL,
    weight NUMERIC(20, 0) NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX seats_key ON ledger.seats (member, height);

CREATE TABLE ledger.voting_rules (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    kind_code BIGINT NOT NULL,
    kind TEXT NOT NULL,
    rule JSONB NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX voting_rules_key ON ledger.voting_rules (kind_code, height);

CREATE TABLE ledger.proposals (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    proposal BIGINT NOT NULL,
    kind_code BIGINT NOT NULL,
    kind TEXT NOT NULL,
    digest BYTEA NOT NULL,
    proposer BYTEA NOT NULL,
    created BIGINT NOT NULL,
    closes NUMERIC(20, 0) NOT NULL,
    earliest NUMERIC(20, 0) NOT NULL,
    latest NUMERIC(20, 0) NOT NULL,
    status TEXT NOT NULL,
    refusal_code BIGINT NOT NULL,
    reason TEXT NOT NULL,
    status_hash BYTEA NOT NULL,
    decided BIGINT NOT NULL,
    ballots BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX proposals_key ON ledger.proposals (proposal, height);

CREATE TABLE ledger.ballots (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    proposal BIGINT NOT NULL,
    member BYTEA NOT NULL,
    choice TEXT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX ballots_key ON ledger.ballots (proposal, height);

CREATE TABLE ledger.payloads (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    proposal BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX payloads_key ON ledger.payloads (proposal, height);

CREATE TABLE ledger.freezes (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    identity BYTEA NOT NULL,
    scope TEXT NOT NULL,
    document BYTEA NOT NULL,
    reference TEXT NOT NULL,
    until NUMERIC(20, 0) NOT NULL,
    emergency BOOLEAN NOT NULL,
    since BIGINT NOT NULL,
    proposal BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX freezes_key ON ledger.freezes (identity, height);

CREATE TABLE ledger.regulators (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    identity BYTEA NOT NULL,
    organisation TEXT NOT NULL,
    mandate JSONB NOT NULL,
    since BIGINT NOT NULL,
    proposal BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX regulators_key ON ledger.regulators (identity, height);

CREATE TABLE ledger.consents (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    proposal BIGINT NOT NULL,
    account BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    given BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX consents_key ON ledger.consents (proposal, height);

CREATE TABLE ledger.rollbacks (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    proposal BIGINT NOT NULL,
    to_height BIGINT NOT NULL,
    root BYTEA NOT NULL,
    executed BIGINT NOT NULL,
    slots NUMERIC(20, 0) NOT NULL,
    slots_digest BYTEA NOT NULL,
    transactions JSONB NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX rollbacks_key ON ledger.rollbacks (proposal, height);

CREATE TABLE ledger.policies (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    policy TEXT NOT NULL,
    text TEXT NOT NULL,
    proposal BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX policies_key ON ledger.policies (policy, height);

CREATE TABLE ledger.rules (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    rule TEXT NOT NULL,
    reason TEXT NOT NULL,
    definition JSONB NOT NULL,
    proposal BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX rules_key ON ledger.rules (rule, height);

CREATE TABLE ledger.contracts (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    contract BYTEA NOT NULL,
    creator BYTEA,
    organisation TEXT,
    administrator BYTEA,
    created BIGINT NOT NULL,
    status TEXT NOT NULL,
    frozen_until NUMERIC(20, 0) NOT NULL,
    list TEXT NOT NULL,
    method_lists BIGINT NOT NULL,
    approval BIGINT,
    PRIMARY KEY (height, place)
);
CREATE INDEX contracts_key ON ledger.contracts (contract, height);

CREATE TABLE ledger.contract_halts (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    contract BYTEA NOT NULL,
    document BYTEA NOT NULL,
    reference TEXT NOT NULL,
    until NUMERIC(20, 0) NOT NULL,
    emergency BOOLEAN NOT NULL,
    since BIGINT NOT NULL,
    proposal BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX contract_halts_key ON ledger.contract_halts (contract, height);

CREATE TABLE ledger.contract_attributes (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    contract BYTEA NOT NULL,
    code BYTEA NOT NULL,
    auditor TEXT NOT NULL,
    report BYTEA NOT NULL,
    rating BIGINT NOT NULL,
    properties JSONB NOT NULL,
    source BYTEA NOT NULL,
    compiler TEXT NOT NULL,
    valid_until NUMERIC(20, 0) NOT NULL,
    since BIGINT NOT NULL,
    proposal BIGINT NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX contract_attributes_key ON ledger.contract_attributes (contract, height);

CREATE TABLE ledger.contract_versions (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    proxy BYTEA NOT NULL,
    number NUMERIC(20, 0) NOT NULL,
    implementation BYTEA NOT NULL,
    code BYTEA NOT NULL,
    since BIGINT NOT NULL,
    proposal BIGINT NOT NULL,
    migration BYTEA NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX contract_versions_key ON ledger.contract_versions (proxy, height);

CREATE TABLE ledger.alerts (
    height BIGINT NOT NULL,
    tx_index BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    rule TEXT NOT NULL,
    account BYTEA NOT NULL,
    organisation TEXT NOT NULL,
    contract BYTEA NOT NULL,
    code BIGINT NOT NULL,
    proposal NUMERIC(20, 0) NOT NULL,
    PRIMARY KEY (height, tx_index, log_index)
);
CREATE INDEX alerts_rule ON ledger.alerts (rule, height);
CREATE INDEX alerts_account ON ledger.alerts (account, height);
