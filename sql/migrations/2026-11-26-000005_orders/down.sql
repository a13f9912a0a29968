DROP TABLE ledger.read_anchors;
DROP TABLE ledger.orders;
