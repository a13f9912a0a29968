-- What blocks consist of, where the projection stands, and its digests. docs/regulator.md describes every table.
-- Tables that only grow with traffic are partitioned by height; the projector makes partitions ahead of what it writes.
CREATE SCHEMA IF NOT EXISTS ledger;

CREATE TABLE ledger.projection_cursor (
    one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one),
    chain_id TEXT NOT NULL,
    initial_height BIGINT NOT NULL,
    format INTEGER NOT NULL,
    height BIGINT NOT NULL,
    block_hash BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    updated TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE ledger.block_digests (
    height BIGINT PRIMARY KEY,
    digest BYTEA NOT NULL,
    running BYTEA NOT NULL,
    tables JSONB NOT NULL
);

CREATE TABLE ledger.blocks (
    height BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    time_ms BIGINT NOT NULL,
    time TIMESTAMPTZ NOT NULL GENERATED ALWAYS AS (to_timestamp(time_ms / 1000.0)) STORED,
    proposer BYTEA NOT NULL,
    parent_hash BYTEA,
    state_root_before BYTEA NOT NULL,
    transactions BIGINT NOT NULL,
    gas_used NUMERIC(20, 0) NOT NULL,
    header BYTEA NOT NULL,
    PRIMARY KEY (height)
) PARTITION BY RANGE (height);
CREATE INDEX blocks_time ON ledger.blocks (time);
CREATE INDEX blocks_hash ON ledger.blocks (hash);

-- The commit that block `height` carries: it decided the block before.
CREATE TABLE ledger.commit_signatures (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    signed_height BIGINT NOT NULL,
    round BIGINT NOT NULL,
    vote TEXT NOT NULL,
    validator BYTEA,
    time TEXT,
    signature BYTEA,
    PRIMARY KEY (height, place)
) PARTITION BY RANGE (height);

CREATE TABLE ledger.transactions (
    height BIGINT NOT NULL,
    tx_index BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    tx_type BIGINT NOT NULL,
    sender BYTEA NOT NULL,
    recipient BYTEA,
    nonce NUMERIC(20, 0) NOT NULL,
    method BYTEA,
    gas_limit NUMERIC(20, 0) NOT NULL,
    gas_used NUMERIC(20, 0) NOT NULL,
    outcome BIGINT NOT NULL,
    succeeded BOOLEAN NOT NULL,
    contract_address BYTEA,
    output BYTEA NOT NULL,
    raw BYTEA NOT NULL,
    PRIMARY KEY (height, tx_index)
) PARTITION BY RANGE (height);
CREATE INDEX transactions_hash ON ledger.transactions (hash);
CREATE INDEX transactions_sender ON ledger.transactions (sender, height);
CREATE INDEX transactions_recipient ON ledger.transactions (recipient, height);

CREATE TABLE ledger.logs (
    height BIGINT NOT NULL,
    tx_index BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    address BYTEA NOT NULL,
    topic0 BYTEA,
    topic1 BYTEA,
    topic2 BYTEA,
    topic3 BYTEA,
    data BYTEA NOT NULL,
    PRIMARY KEY (height, tx_index, log_index)
) PARTITION BY RANGE (height);
CREATE INDEX logs_address ON ledger.logs (address, topic0, height);

CREATE TABLE ledger.decoded_events (
    height BIGINT NOT NULL,
    tx_index BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    address BYTEA NOT NULL,
    standard TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments JSONB NOT NULL,
    PRIMARY KEY (height, tx_index, log_index)
) PARTITION BY RANGE (height);
CREATE INDEX decoded_events_name ON ledger.decoded_events (name, height);
CREATE INDEX decoded_events_address ON ledger.decoded_events (address, name, height);
