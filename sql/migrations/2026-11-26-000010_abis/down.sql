DROP TABLE ledger.registered_events;
DROP TABLE ledger.abis;
