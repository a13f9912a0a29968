DROP INDEX IF EXISTS ledger.token_transfers_sender, ledger.token_transfers_recipient, ledger.logs_address,
    ledger.decoded_events_address, ledger.transactions_outcome, ledger.token_balances_begin, ledger.token_balances_token;
CREATE INDEX token_transfers_sender ON ledger.token_transfers (sender, token, height);
CREATE INDEX token_transfers_recipient ON ledger.token_transfers (recipient, token, height);
CREATE INDEX logs_address ON ledger.logs (address, topic0, height);
CREATE INDEX decoded_events_address ON ledger.decoded_events (address, name, height);
CREATE INDEX transactions_outcome ON ledger.transactions (outcome, height);
CREATE INDEX token_balances_token ON ledger.token_balances (token, holder, token_id, height);
