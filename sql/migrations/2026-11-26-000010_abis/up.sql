-- What contracts' own events mean, as somebody registered it. The chain does not say that: none of this is in digests.
CREATE TABLE ledger.abis (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract BYTEA NOT NULL CHECK (octet_length(contract) = 20),
    sha256 BYTEA NOT NULL,
    abi TEXT NOT NULL,
    registered_by TEXT NOT NULL DEFAULT session_user,
    registered_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK (sha256 = pg_catalog.sha256(convert_to(abi, 'UTF8')))
);
CREATE INDEX abis_contract ON ledger.abis (contract, number);

-- Events that these tell the meaning of, beyond those in decoded_events. `abi` is the SHA-256 of the one that did.
CREATE TABLE ledger.registered_events (
    height BIGINT NOT NULL,
    tx_index BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    address BYTEA NOT NULL,
    abi BYTEA NOT NULL,
    name TEXT NOT NULL,
    arguments JSONB NOT NULL,
    PRIMARY KEY (height, tx_index, log_index)
);
CREATE INDEX registered_events_address ON ledger.registered_events (address, name, height);

GRANT SELECT ON ledger.abis, ledger.registered_events TO concordat_reader;
