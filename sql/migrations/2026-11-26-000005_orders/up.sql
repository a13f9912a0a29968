-- Orders of regulators, as each step left them: imposed, confirmed, ended. That one has lapsed shows in no row: it is
-- provisional, and the newest block is above lapses.
CREATE TABLE ledger.orders (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    id BIGINT NOT NULL,
    measure TEXT NOT NULL,
    status TEXT NOT NULL,
    account BYTEA,
    contract BYTEA,
    organisation TEXT,
    document BYTEA NOT NULL,
    reference TEXT NOT NULL,
    until NUMERIC(20, 0) NOT NULL,
    issuer BYTEA NOT NULL,
    issuer_organisation TEXT NOT NULL,
    issued BIGINT NOT NULL,
    lapses NUMERIC(20, 0) NOT NULL,
    digest BYTEA NOT NULL,
    confirmed_at BIGINT,
    confirmed_by BYTEA,
    confirmed_by_proposal BIGINT,
    ended_at BIGINT,
    ended_by BYTEA,
    ended_by_proposal BIGINT,
    superseded_by BIGINT,
    end_document BYTEA,
    end_reference TEXT,
    PRIMARY KEY (height, place)
);
CREATE INDEX orders_key ON ledger.orders (id, height);
CREATE INDEX orders_account ON ledger.orders (account, height);
CREATE INDEX orders_issuer ON ledger.orders (issuer, height);

-- The heads of supervisors' logs of reads.
CREATE TABLE ledger.read_anchors (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    tx_index BIGINT,
    removed BOOLEAN NOT NULL,
    organisation TEXT NOT NULL,
    head BYTEA NOT NULL,
    count NUMERIC(20, 0) NOT NULL,
    anchored BIGINT NOT NULL,
    account BYTEA NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE INDEX read_anchors_key ON ledger.read_anchors (organisation, height);
