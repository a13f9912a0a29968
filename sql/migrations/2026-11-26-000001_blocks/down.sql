DROP TABLE ledger.decoded_events;
DROP TABLE ledger.logs;
DROP TABLE ledger.transactions;
DROP TABLE ledger.commit_signatures;
DROP TABLE ledger.blocks;
DROP TABLE ledger.block_digests;
DROP TABLE ledger.projection_cursor;
DROP SCHEMA ledger;
