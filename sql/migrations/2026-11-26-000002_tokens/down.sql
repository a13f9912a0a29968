DROP TABLE ledger.token_balances;
DROP TABLE ledger.token_transfers;
