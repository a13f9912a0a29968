CREATE TABLE ledger.token_transfers (
    height BIGINT NOT NULL,
    tx_index BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    item BIGINT NOT NULL,
    token BYTEA NOT NULL,
    standard TEXT NOT NULL,
    sender BYTEA NOT NULL,
    recipient BYTEA NOT NULL,
    token_id NUMERIC(78, 0) NOT NULL,
    amount NUMERIC(78, 0) NOT NULL,
    PRIMARY KEY (height, tx_index, log_index, item)
) PARTITION BY RANGE (height);
CREATE INDEX token_transfers_sender ON ledger.token_transfers (sender, token, height);
CREATE INDEX token_transfers_recipient ON ledger.token_transfers (recipient, token, height);

-- What each block left its holders with. Not partitioned: the newest row of a holder may be an old one. Wider than a
-- word, since contracts may tell of transfers that never were.
CREATE TABLE ledger.token_balances (
    height BIGINT NOT NULL,
    place BIGINT NOT NULL,
    token BYTEA NOT NULL,
    token_id NUMERIC(78, 0) NOT NULL,
    holder BYTEA NOT NULL,
    change NUMERIC(98, 0) NOT NULL,
    balance NUMERIC(98, 0) NOT NULL,
    PRIMARY KEY (height, place)
);
CREATE UNIQUE INDEX token_balances_holder ON ledger.token_balances (holder, token, token_id, height DESC);
