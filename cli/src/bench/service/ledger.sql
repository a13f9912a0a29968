-- A regulator's database that no chain has made, by SQL alone: as large as that of a busy year, within minutes. Numbers in
-- braces are the bench's. Sections stand alone, each a transaction; those after the first depend on none but that one.
--
-- Some 10,000 accounts of 39 banks, which are of very different sizes: the greatest has every fifth account, the least one of
-- a hundred. Ten accounts send three of ten payments; of the others few are busy. Bank 7 ends half-way. Of twenty tokens one
-- has three of ten transfers, until it is replaced by another one.
CREATE SCHEMA imagined;
-- A number from 0 to 1 that depends on both.
CREATE FUNCTION imagined.draw(n BIGINT, what BIGINT) RETURNS FLOAT8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT (hashint8extended($1, $2 + {seed}) & 1048575) / 1048576.0::float8';
CREATE FUNCTION imagined.bank(account BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT floor(power(40, imagined.draw($1, 100)))::bigint';
CREATE FUNCTION imagined.name(bank BIGINT) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT ''bank-'' || lpad($1::text, 3, ''0'')';
CREATE FUNCTION imagined.address(kind TEXT, n BIGINT) RETURNS BYTEA LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT substring(sha256(convert_to($1 || '' '' || $2, ''UTF8'')) FROM 1 FOR 20)';
CREATE TABLE imagined.accounts AS SELECT n, imagined.address('account', n) AS address, imagined.bank(n) AS bank,
    imagined.address('settlement', imagined.bank(n)) AS settlement FROM generate_series(1, {accounts}) n;
CREATE TABLE imagined.tokens AS SELECT n, imagined.address('token', n) AS address FROM generate_series(1, 20) n;
CREATE TABLE imagined.acts AS
    SELECT h, i, n, CASE WHEN imagined.bank(s) = 7 AND h > {blocks} / 2 THEN 1 + s % 10 ELSE s END AS s,
        CASE WHEN imagined.bank(r) = 7 AND h > {blocks} / 2 THEN 1 + r % 10 ELSE r END AS r,
        CASE WHEN u < 0.3 THEN CASE WHEN h > {blocks} * 4 / 10 THEN 1 ELSE 2 END
             ELSE 3 + floor(18 * power(imagined.draw(n, 5), 2))::bigint END AS t,
        1 + (imagined.draw(n, 6) * 1000000)::bigint AS amount, n % 100 <> 0 AS ok
    FROM (
        SELECT h, i, n, imagined.draw(n, 4) AS u,
            CASE WHEN imagined.draw(n, 1) < 0.3 THEN 1 + n % 10
                 ELSE 1 + floor({accounts} * power(imagined.draw(n, 2), 2))::bigint END AS s,
            1 + floor({accounts} * power(imagined.draw(n, 3), 2))::bigint AS r
        FROM generate_series(1, {blocks}::bigint) h, LATERAL generate_series(0, 49 + h * 37 % 101) i,
            LATERAL (SELECT h * 1000 + i AS n OFFSET 0) place
    ) drawn;
ANALYZE imagined.accounts, imagined.tokens, imagined.acts;

-- part
SET maintenance_work_mem = '512MB';
CREATE TABLE ledger.logs_p000000 (LIKE ledger.logs INCLUDING ALL EXCLUDING INDEXES);
INSERT INTO ledger.logs_p000000
    SELECT a.h, a.i, l, CASE l WHEN 0 THEN t.address ELSE s.settlement END,
        CASE l WHEN 0 THEN sha256('Transfer(address,address,uint256)') ELSE sha256('Settled(address,address,uint256)') END,
        '\x000000000000000000000000'::bytea || s.address, '\x000000000000000000000000'::bytea || r.address, NULL,
        '\x000000000000000000000000000000000000000000000000'::bytea || int8send(a.amount)
    FROM imagined.acts a JOIN imagined.accounts s ON s.n = a.s JOIN imagined.accounts r ON r.n = a.r
        JOIN imagined.tokens t ON t.n = a.t CROSS JOIN LATERAL generate_series(0, 1 + 0 * a.i) l
    WHERE a.ok;
ALTER TABLE ledger.logs ATTACH PARTITION ledger.logs_p000000 FOR VALUES FROM (0) TO (1000000);

-- part
SET maintenance_work_mem = '512MB';
CREATE TABLE ledger.decoded_events_p000000 (LIKE ledger.decoded_events INCLUDING ALL EXCLUDING INDEXES);
INSERT INTO ledger.decoded_events_p000000
    SELECT a.h, a.i, l, CASE l WHEN 0 THEN t.address ELSE s.settlement END, CASE l WHEN 0 THEN 'erc20' ELSE 'settlement' END,
        CASE l WHEN 0 THEN 'Transfer' ELSE 'Settled' END,
        jsonb_build_object('from', '0x' || encode(s.address, 'hex'), 'to', '0x' || encode(r.address, 'hex'), 'value', a.amount::text)
    FROM imagined.acts a JOIN imagined.accounts s ON s.n = a.s JOIN imagined.accounts r ON r.n = a.r
        JOIN imagined.tokens t ON t.n = a.t CROSS JOIN LATERAL generate_series(0, 1 + 0 * a.i) l
    WHERE a.ok;
ALTER TABLE ledger.decoded_events ATTACH PARTITION ledger.decoded_events_p000000 FOR VALUES FROM (0) TO (1000000);

-- part
SET maintenance_work_mem = '512MB';
SET work_mem = '512MB';
CREATE TABLE imagined.definitions AS SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'ledger' AND tablename = 'token_balances' AND indexname NOT LIKE '%pkey';
DO $$
DECLARE name TEXT;
BEGIN
    FOR name IN SELECT indexname FROM imagined.definitions LOOP EXECUTE 'DROP INDEX ledger.' || name; END LOOP;
END
$$;
INSERT INTO ledger.token_balances
    SELECT b.h, b.t * 1000000 + b.who, t.address, 0, w.address, b.change, b.balance
    FROM (
        SELECT h, t, who, change, sum(change) OVER (PARTITION BY who, t ORDER BY h)::bigint AS balance
        FROM (
            SELECT h, t, who, sum(change)::bigint AS change
            FROM (SELECT h, t, s AS who, -amount AS change FROM imagined.acts WHERE ok
                  UNION ALL SELECT h, t, r, amount FROM imagined.acts WHERE ok) moves
            GROUP BY h, t, who
        ) changes WHERE change <> 0
    ) b JOIN imagined.tokens t ON t.n = b.t JOIN imagined.accounts w ON w.n = b.who
    ORDER BY b.h, b.t, b.who;
DO $$
DECLARE definition TEXT;
BEGIN
    FOR definition IN SELECT indexdef FROM imagined.definitions LOOP EXECUTE definition; END LOOP;
END
$$;

-- part
SET maintenance_work_mem = '512MB';
CREATE TABLE ledger.transactions_p000000 (LIKE ledger.transactions INCLUDING ALL EXCLUDING INDEXES);
INSERT INTO ledger.transactions_p000000
    SELECT a.h, a.i, sha256(int8send(a.n)), 2, s.address, CASE WHEN a.n % 5000 <> 1 THEN t.address END, a.n,
        CASE WHEN a.n % 5000 <> 1 THEN '\xa9059cbb'::bytea END, 60000, 30000 + a.amount % 9999, CASE WHEN a.ok THEN 0 ELSE 1 END, a.ok,
        CASE WHEN a.n % 5000 = 1 THEN imagined.address('made', a.n) END,
        '\x0000000000000000000000000000000000000000000000000000000000000001',
        '\x02f8b082ca9e808459682f008459682f1682ea6094eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee80b844a9059cbb'::bytea
            || sha256(int8send(a.n)) || sha256(int8send(-a.n)) || sha256(int8send(a.amount))
    FROM imagined.acts a JOIN imagined.accounts s ON s.n = a.s JOIN imagined.tokens t ON t.n = a.t;
ALTER TABLE ledger.transactions ATTACH PARTITION ledger.transactions_p000000 FOR VALUES FROM (0) TO (1000000);

-- part
SET maintenance_work_mem = '512MB';
CREATE TABLE ledger.token_transfers_p000000 (LIKE ledger.token_transfers INCLUDING ALL EXCLUDING INDEXES);
INSERT INTO ledger.token_transfers_p000000
    SELECT a.h, a.i, 0, 0, t.address, 'erc20', s.address, r.address, 0, a.amount
    FROM imagined.acts a JOIN imagined.accounts s ON s.n = a.s JOIN imagined.accounts r ON r.n = a.r
        JOIN imagined.tokens t ON t.n = a.t
    WHERE a.ok;
ALTER TABLE ledger.token_transfers ATTACH PARTITION ledger.token_transfers_p000000 FOR VALUES FROM (0) TO (1000000);

-- part
CREATE TABLE ledger.blocks_p000000 PARTITION OF ledger.blocks FOR VALUES FROM (0) TO (1000000);
CREATE TABLE ledger.commit_signatures_p000000 PARTITION OF ledger.commit_signatures FOR VALUES FROM (0) TO (1000000);
CREATE TABLE ledger.blocks_p000001 PARTITION OF ledger.blocks FOR VALUES FROM (1000000) TO (2000000);
CREATE TABLE ledger.commit_signatures_p000001 PARTITION OF ledger.commit_signatures FOR VALUES FROM (1000000) TO (2000000);
CREATE TABLE ledger.transactions_p000001 PARTITION OF ledger.transactions FOR VALUES FROM (1000000) TO (2000000);
CREATE TABLE ledger.logs_p000001 PARTITION OF ledger.logs FOR VALUES FROM (1000000) TO (2000000);
CREATE TABLE ledger.decoded_events_p000001 PARTITION OF ledger.decoded_events FOR VALUES FROM (1000000) TO (2000000);
CREATE TABLE ledger.token_transfers_p000001 PARTITION OF ledger.token_transfers FOR VALUES FROM (1000000) TO (2000000);
INSERT INTO ledger.blocks (height, hash, time_ms, proposer, parent_hash, state_root_before, transactions, gas_used, header)
    SELECT h, sha256(convert_to('block ' || h, 'UTF8')), {now_ms} - ({blocks} - h) * 1000, imagined.address('node', 1 + h % 7),
        sha256(convert_to('block ' || h - 1, 'UTF8')), sha256(int8send(h)), 50 + h * 37 % 101, 3000000,
        sha256(int8send(h)) || sha256(int8send(h)) || sha256(int8send(h))
    FROM generate_series(1, {blocks}::bigint) h;
INSERT INTO ledger.commit_signatures
    SELECT h, p, h - 1, 0, 'commit', imagined.address('node', p), NULL, sha256(int8send(h)) || sha256(int8send(h * p))
    FROM generate_series(2, {blocks}::bigint) h, generate_series(1, 7::bigint) p;
-- Members, their authorities and accounts.
INSERT INTO ledger.organisations SELECT 0, k, NULL, false, imagined.name(k), 'Bank ' || k, CASE k WHEN 7 THEN 'suspended' ELSE 'active' END,
    'validator operator developer', 0, 10, '[]' FROM generate_series(1, 39::bigint) k;
INSERT INTO ledger.organisations VALUES (0, 90, NULL, false, 'regulator', 'Regulator', 'active', 'regulator', 0, 0, '[]');
INSERT INTO ledger.authorities SELECT 0, k, NULL, false, k, imagined.name(k / 2), sha256(int8send(k)), '[]' FROM generate_series(2, 79::bigint) k;
INSERT INTO ledger.authorities VALUES (0, 90, NULL, false, 90, 'regulator', sha256('regulator'), '[]');
INSERT INTO ledger.account_standings SELECT 1 + n % 1000, n, NULL, false, address, 'active', CASE n % 4 WHEN 0 THEN 'developer' ELSE 'operator' END,
    false, 4000000000, bank * 2 + n % 2, sha256(address) FROM imagined.accounts;
INSERT INTO ledger.account_standings SELECT 1100 + n % 900, n, NULL, false, address, CASE n % 30 WHEN 0 THEN 'frozen' ELSE 'active' END, 'operator',
    false, 4100000000, bank * 2 + n % 2, sha256(sha256(address)) FROM imagined.accounts WHERE n % 3 = 0;
INSERT INTO ledger.account_details SELECT 1 + n % 1000, n, NULL, false, address, 'holder ' || n, sha256(address), 0, 1 + n % 1000 FROM imagined.accounts;
INSERT INTO ledger.account_details SELECT 1100 + n % 900, n, NULL, false, address, 'holder ' || n, sha256(sha256(address)), 0, 1 + n % 1000
    FROM imagined.accounts WHERE n % 3 = 0;
INSERT INTO ledger.identities SELECT 1500, n, NULL, false, address, imagined.address('identity', n) FROM imagined.accounts WHERE n % 20 = 0;
INSERT INTO ledger.recoveries SELECT 1500, n, NULL, false, address, imagined.address('new', n), address, 1500, sha256(address)
    FROM imagined.accounts WHERE n % 50 = 0;
INSERT INTO ledger.freezes SELECT 1600 + v * 50, n, NULL, v = 1, address, 'all', sha256(address), 'Order ' || n, 0, false, 1600, n
    FROM imagined.accounts, generate_series(0, 1) v WHERE n % 30 = 0;
INSERT INTO ledger.bars SELECT 1700, n, NULL, false, 'identity', address, sha256(address), 'Order ' || n, 0, n FROM imagined.accounts WHERE n % 60 = 0;
INSERT INTO ledger.revocations SELECT 1800 + k % 100, k, NULL, false, sha256(int8send(2 + k % 78)), sha256(int8send(k)), 1, 0
    FROM generate_series(1, 2000::bigint) k;
INSERT INTO ledger.revocation_lists SELECT 20 * v, k, NULL, false, sha256(int8send(k)), v, v FROM generate_series(2, 79::bigint) k, generate_series(1, 50) v;
INSERT INTO ledger.validators SELECT 0, k, NULL, false, sha256(int8send(k)), imagined.name(k), 10, sha256(int8send(k)), 'node-' || k, 0
    FROM generate_series(1, 39::bigint) k;
INSERT INTO ledger.seats SELECT v * 300, k, NULL, false, imagined.address('account', k), imagined.name(k), 1
    FROM generate_series(1, 39::bigint) k, generate_series(0, 5) v;
-- What the committee decided, and regulators ordered.
INSERT INTO ledger.voting_rules SELECT v * 500, k, NULL, false, k, 'kind-' || k, '{"share": 67}' FROM generate_series(1, 60) k, generate_series(0, 3) v;
INSERT INTO ledger.proposals SELECT 100 + k / 2 + v, k, NULL, false, k, k % 60, 'kind-' || k % 60, sha256(int8send(k)),
    imagined.address('account', 1 + k % 39), 100 + k / 2, 9, 9, 99, CASE WHEN v = 0 OR k > 2900 THEN 'open' ELSE 'executed' END, 0, '',
    sha256(int8send(k)), 0, 10 FROM generate_series(1, 3000::bigint) k, generate_series(0, 1) v;
INSERT INTO ledger.payloads SELECT 100 + k / 2, k, NULL, false, k, sha256(int8send(k)) FROM generate_series(1, 3000::bigint) k;
INSERT INTO ledger.ballots SELECT 101 + k / 2, k * 100 + m, NULL, false, k, imagined.address('account', m), 'yes'
    FROM generate_series(1, 3000::bigint) k, generate_series(1, 10::bigint) m;
INSERT INTO ledger.consents SELECT 101 + k / 2, k, NULL, false, k, imagined.address('account', k), sha256(int8send(k)), 101 + k / 2
    FROM generate_series(1, 1000::bigint) k;
INSERT INTO ledger.rollbacks SELECT 100 + k / 2, k, NULL, false, k, 50, sha256('root'), 60, 1, sha256('slots'), '[]' FROM generate_series(1, 10::bigint) k;
INSERT INTO ledger.policies SELECT 200 + k, k, NULL, false, 'policy-' || k, 'forbid (principal, action, resource);', k FROM generate_series(1, 200) k;
INSERT INTO ledger.rules SELECT 200 + k, k, NULL, false, 'rule-' || k, 'too much', '{}', k FROM generate_series(1, 50) k;
INSERT INTO ledger.orders SELECT 300 + k + v, k, NULL, false, k, 'freeze', CASE v WHEN 0 THEN 'provisional' ELSE 'confirmed' END,
    imagined.address('account', 1 + k * 7 % {accounts}), NULL, imagined.name(1 + k % 39), sha256(int8send(k)), 'Order ' || k, 0,
    imagined.address('regulator', 1), 'regulator', 300 + k, 400, sha256(int8send(k)), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM generate_series(1, 1000::bigint) k, generate_series(0, 1) v;
INSERT INTO ledger.read_anchors SELECT v + 1, 1, NULL, false, 'regulator', sha256(int8send(v)), v, v + 1, imagined.address('regulator', 1)
    FROM generate_series(1, 1000::bigint) v;
-- Contracts: those of banks, the tokens, and many that hardly anybody calls.
CREATE TEMPORARY TABLE made AS
    SELECT n AS k, address, 1 + n * 7 % 39 AS bank FROM imagined.tokens
    UNION ALL SELECT 100 + k, imagined.address('settlement', k), k FROM generate_series(1, 39::bigint) k
    UNION ALL SELECT 1000 + k, imagined.address('contract', k), 1 + k % 39 FROM generate_series(1, 2000::bigint) k;
INSERT INTO ledger.contracts SELECT 20 + v, k, NULL, false, address, imagined.address('account', 1 + k % 100), imagined.name(bank), NULL, 20,
    CASE v WHEN 0 THEN 'pending' ELSE 'active' END, 0, 'none', 0, NULL FROM made, generate_series(0, 1) v;
INSERT INTO ledger.contract_halts SELECT 2000, k, NULL, false, address, sha256(address), 'Order ' || k, 0, false, 2000, k FROM made WHERE k % 20 = 0;
INSERT INTO ledger.contract_attributes SELECT 2000, k, NULL, false, address, sha256(address), 'Auditor', sha256(address), 1, '[]', sha256(address), 'solc',
    0, 2000, k FROM made WHERE k % 2 = 0;
INSERT INTO ledger.contract_versions SELECT 2000 + v, k, NULL, false, address, v, address, sha256(address), 2000 + v, k, '\x' FROM made, generate_series(1, 3) v
    WHERE k % 4 = 0;
INSERT INTO ledger.alerts SELECT h, 0, 1, 'rule-' || 1 + h % 50, a.address, imagined.name(a.bank), imagined.address('token', 1 + h % 20), 7, 1
    FROM generate_series(1, {blocks}::bigint) h JOIN imagined.accounts a ON a.n = 1 + h * 31 % {accounts} WHERE h % 3 = 0;
INSERT INTO ledger.block_digests SELECT h, sha256(int8send(h)), sha256(int8send(-h)), '{}' FROM generate_series(0, {blocks}::bigint) h;
INSERT INTO ledger.projection_cursor VALUES (true, 'imagined', 1, 1, {blocks}, sha256(convert_to('block ' || {blocks}, 'UTF8')), sha256('all'));
