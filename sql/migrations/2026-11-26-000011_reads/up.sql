-- Indexes in the order in which supervisors ask: newest first, of whoever or whatever they ask about. Each replaces one, and
-- is narrower. docs/adr/0058 says why there are no further ones.
DROP INDEX IF EXISTS ledger.token_transfers_sender, ledger.token_transfers_recipient, ledger.logs_address,
    ledger.decoded_events_address, ledger.transactions_outcome, ledger.token_balances_token;
CREATE INDEX token_transfers_sender ON ledger.token_transfers (sender, height);
CREATE INDEX token_transfers_recipient ON ledger.token_transfers (recipient, height);
CREATE INDEX logs_address ON ledger.logs (address, height);
CREATE INDEX decoded_events_address ON ledger.decoded_events (address, height);
-- Of transactions that did what they should there is one wherever one looks.
CREATE INDEX transactions_outcome ON ledger.transactions (outcome, height) WHERE outcome <> 0;
-- What holders have: the rows with which each begins to have something, few of all. The newest one of each is found by the
-- unique index.
CREATE INDEX token_balances_begin ON ledger.token_balances (holder, token, token_id, height) WHERE balance = change;
CREATE INDEX token_balances_token ON ledger.token_balances (token, holder, token_id, height) WHERE balance = change;
