//! A regulator's database whose rows no chain has made: as many as a test needs, within seconds, by SQL alone.
//!
//! Who tests that rows are what the chain says runs a chain (`tests/tests/projection.rs`); who tests how rows are read and
//! by whom needs many, and such that are hard to bring about.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::{Address, hex};

use crate::postgres::Postgres;

/// The token that all transfers are of: bank-a's contract.
pub const TOKEN: Address = Address::repeat_byte(0xee);

/// Another contract, of bank-b.
pub const OTHER: Address = Address::repeat_byte(0xdd);

/// How many accounts hold the token. Those with odd numbers are bank-a's, the others bank-b's.
pub const HOLDERS: u64 = 1000;

/// How many rows there are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Blocks, one a second, the newest of now.
    pub blocks: u64,
    /// Transactions of each.
    pub transactions: u64,
}

/// A supervisor, as rows.
#[derive(Clone, Debug)]
pub struct Supervisor<'a> {
    /// The account.
    pub account: Address,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
    /// Its role.
    pub role: &'a str,
    /// The last second of its certificate.
    pub not_after: u64,
    /// Its mandate, as the projection has it; none for auditors.
    pub mandate: Option<&'a str>,
}

/// An order of a regulator, as a step has left it.
#[derive(Clone, Debug, Default)]
pub struct Ordered<'a> {
    /// Its number.
    pub id: u64,
    /// What it does, such as `freeze-all`.
    pub measure: &'a str,
    /// The identity that it is about.
    pub account: Option<Address>,
    /// The contract that it is about, or keeps the identity from.
    pub contract: Option<Address>,
    /// The organisation that it is about.
    pub organisation: Option<&'a str>,
    /// The height at which it was imposed.
    pub issued: u64,
    /// The last height at which it binds; zero: until it is released.
    pub until: u64,
    /// The last height at which it binds unless it is confirmed.
    pub lapses: u64,
    /// The height at which it was confirmed.
    pub confirmed: Option<u64>,
    /// The height at which it ended, and how.
    pub ended: Option<(u64, &'a str)>,
}

/// A mandate over everything.
pub const EVERYTHING: &str =
    r#"{"jurisdiction":"EU","organisations":null,"contracts":null,"powers":["observe"],"until":0}"#;

/// The address of a holder.
pub fn holder(number: u64) -> Address {
    let mut bytes = [0; 20];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

/// Bytes as SQL has them.
pub fn bytea(bytes: impl AsRef<[u8]>) -> String {
    format!("'\\x{}'::bytea", hex::encode(bytes))
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// Fills a database that was migrated.
pub fn fill(postgres: &Postgres, size: Size) {
    let tables = ["blocks", "commit_signatures", "transactions", "logs", "decoded_events", "token_transfers"];
    for table in tables {
        postgres.sql(&format!(
            "CREATE TABLE ledger.{table}_p000000 PARTITION OF ledger.{table} FOR VALUES FROM (0) TO (1000000);
             CREATE TABLE ledger.{table}_p000001 PARTITION OF ledger.{table} FOR VALUES FROM (1000000) TO (2000000)"
        ));
    }
    happened(postgres, size);
    holds(postgres);
    let newest = size.blocks;
    postgres.sql(&format!(
        "INSERT INTO ledger.projection_cursor VALUES (true, 'imagined', 1, 1, {newest}, sha256('block {newest}'), sha256('all'));
         ANALYZE"
    ));
}

/// What happened in each block.
fn happened(postgres: &Postgres, Size { blocks, transactions }: Size) {
    let (token, now) = (bytea(TOKEN), now_ms());
    let person = |number: &str| format!("decode(lpad(to_hex({number}), 40, '0'), 'hex')");
    let (from, to) = (person(&format!("n % {HOLDERS} + 1")), person(&format!("(n + 1) % {HOLDERS} + 1")));
    let each = format!(
        "FROM (SELECT h, i, h * {transactions} + i AS n FROM generate_series(1, {blocks}) h, generate_series(0, {transactions} - 1) i) all_of_them"
    );
    let transfer = "sha256('Transfer(address,address,uint256)')";
    let statements = [
        format!(
            "INSERT INTO ledger.blocks (height, hash, time_ms, proposer, parent_hash, state_root_before, transactions, gas_used, header) SELECT h, sha256(('block ' || h)::bytea), {now} - ({blocks} - h) * 1000, \
             decode(repeat(CASE h % 2 WHEN 0 THEN '0a' ELSE '0b' END, 20), 'hex'), NULL, sha256('root'), {transactions}, 0, '\\x' \
             FROM generate_series(1, {blocks}) h"
        ),
        format!(
            "INSERT INTO ledger.commit_signatures SELECT h, p, h - 1, 0, 'commit', decode(repeat('0' || p, 20), 'hex'), NULL, '\\x' \
             FROM generate_series(2, {blocks}) h, generate_series(1, 4) p"
        ),
        format!(
            "INSERT INTO ledger.transactions SELECT h, i, sha256(('tx ' || n)::bytea), 2, {from}, {token}, n, '\\xa9059cbb', \
             60000, 30000, CASE n % 97 WHEN 0 THEN 1 ELSE 0 END, n % 97 <> 0, NULL, '\\x', '\\x' {each}"
        ),
        format!(
            "INSERT INTO ledger.logs SELECT h, i, 0, {token}, {transfer}, NULL, NULL, NULL, '\\x' {each}"
        ),
        format!(
            "INSERT INTO ledger.decoded_events SELECT h, i, 0, {token}, 'erc20', 'Transfer', jsonb_build_object('value', '1') {each}"
        ),
        format!(
            "INSERT INTO ledger.token_transfers SELECT h, i, 0, 0, {token}, 'erc20', {from}, {to}, 0, n % 100 + 1 {each}"
        ),
        format!(
            "INSERT INTO ledger.alerts SELECT h, 0, 1, 'rule-' || h % 3, {}, CASE h % 2 WHEN 0 THEN 'bank-a' ELSE 'bank-b' END, \
             {token}, 7, 1 FROM generate_series(1, {blocks}) h WHERE h % 5 = 0",
            person(&format!("h % {HOLDERS} + 1"))
        ),
    ];
    statements.iter().for_each(|statement| drop(postgres.sql(statement)));
}

/// What holds: members, accounts, balances, and what the committee decided.
fn holds(postgres: &Postgres) {
    let (token, other) = (bytea(TOKEN), bytea(OTHER));
    let accounts = format!(
        "SELECT n, decode(lpad(to_hex(n), 40, '0'), 'hex') AS who FROM generate_series(1, {HOLDERS}) n"
    );
    let statements = [
        "INSERT INTO ledger.organisations SELECT 0, n, NULL, false, (ARRAY['bank-a', 'bank-b', 'regulator-a'])[n + 1], 'Name', 'active', \
         'member', 0, 10, '[]' FROM generate_series(0, 2) n"
            .to_owned(),
        "INSERT INTO ledger.authorities SELECT 0, n, NULL, false, n + 1, (ARRAY['bank-a', 'bank-b', 'regulator-a'])[n + 1], \
         sha256(('authority ' || n)::bytea), '[]' FROM generate_series(0, 2) n"
            .to_owned(),
        format!(
            "INSERT INTO ledger.account_standings SELECT 1, n, NULL, false, who, 'active', 'operator', false, 4000000000, 2 - n % 2, \
             sha256(who) FROM ({accounts}) accounts"
        ),
        format!(
            "INSERT INTO ledger.account_details SELECT 1, n, NULL, false, who, 'holder ' || n, sha256(who), 0, 1 FROM ({accounts}) accounts"
        ),
        format!(
            "INSERT INTO ledger.token_balances SELECT 1, n, {token}, 0, who, n, n FROM ({accounts}) accounts; \
             INSERT INTO ledger.token_balances SELECT 10, n, {token}, 0, who, n, n * 2 FROM ({accounts}) accounts"
        ),
        format!(
            "INSERT INTO ledger.contracts VALUES (1, 0, NULL, false, {token}, {}, 'bank-a', NULL, 1, 'active', 0, 'none', 0, NULL), \
             (1, 1, NULL, false, {other}, {}, 'bank-b', NULL, 1, 'active', 0, 'none', 0, NULL)",
            bytea(holder(1)),
            bytea(holder(2))
        ),
        "INSERT INTO ledger.proposals SELECT 2, n, NULL, false, n, 3, 'admit-member', sha256('p'), '\\x01', 2, 9, 9, 99, 'open', 0, '', \
         sha256('s'), 0, 1 FROM generate_series(1, 50) n"
            .to_owned(),
        "INSERT INTO ledger.proposals SELECT 9, n, NULL, false, n, 3, 'admit-member', sha256('p'), '\\x01', 2, 9, 9, 99, 'executed', 0, '', \
         sha256('s'), 9, 1 FROM generate_series(1, 40) n"
            .to_owned(),
        "INSERT INTO ledger.ballots SELECT 3, n, NULL, false, n, '\\x01', 'yes' FROM generate_series(1, 50) n".to_owned(),
        "INSERT INTO ledger.seats VALUES (0, 0, NULL, false, '\\x01', 'bank-a', 1), (0, 1, NULL, false, '\\x02', 'bank-b', 1), \
         (8, 0, NULL, false, '\\x02', 'bank-b', 1)"
            .to_owned(),
    ];
    statements.iter().for_each(|statement| drop(postgres.sql(statement)));
}

/// Accounts of bank-c.
pub const MANY: u64 = 2_500;

/// Adds bank-c, which has many accounts and does nothing, and bank-d, three of whose 300 accounts act now and then: what they do
/// is far apart. Their accounts are numbered from 10,001 and from 20,001 on.
pub fn fill_sparsely(postgres: &Postgres) {
    let (token, other) = (bytea(TOKEN), bytea(OTHER));
    let person = |number: &str| format!("decode(lpad(to_hex({number}), 40, '0'), 'hex')");
    let (bank_c, bank_d) = (person("10000 + n"), person("20001 + h % 3"));
    let transfer = "sha256('Transfer(address,address,uint256)')";
    let acts = "FROM generate_series(100, 1900, 60) h";
    let statements = [
        "INSERT INTO ledger.organisations SELECT 0, n, NULL, false, (ARRAY['bank-c', 'bank-d'])[n - 2], 'Name', 'active', 'member', \
         0, 10, '[]' FROM generate_series(3, 4) n"
            .to_owned(),
        "INSERT INTO ledger.authorities SELECT 0, n, NULL, false, n + 1, (ARRAY['bank-c', 'bank-d'])[n - 2], \
         sha256(('authority ' || n)::bytea), '[]' FROM generate_series(3, 4) n"
            .to_owned(),
        format!(
            "INSERT INTO ledger.account_standings SELECT h * 100 + n % 100, 5000 + n, NULL, false, {bank_c}, 'active', 'operator', false, 4000000000, 4, \
             '\\x01' FROM generate_series(1, {MANY}) n, generate_series(1, 3) h"
        ),
        format!(
            "INSERT INTO ledger.account_standings SELECT 1, 9000 + n, NULL, false, {}, 'active', 'operator', false, 4000000000, 5, \
             '\\x01' FROM generate_series(1, 3) n",
            person("20000 + n")
        ),
        format!(
            "INSERT INTO ledger.transactions SELECT h, 500, sha256(('sparse ' || h)::bytea), 2, {bank_d}, {token}, h, '\\xa9059cbb', 60000, \
             30000, 0, true, NULL, '\\x', '\\x' {acts}"
        ),
        // Some log nothing, some twice.
        format!(
            "INSERT INTO ledger.logs SELECT h, 500, l, CASE l WHEN 0 THEN {token} ELSE {other} END, {transfer}, NULL, NULL, NULL, '\\x' \
             {acts}, generate_series(0, 1) l WHERE h % 120 <> 100"
        ),
        format!(
            "INSERT INTO ledger.decoded_events SELECT h, 500, 0, {token}, 'erc20', 'Transfer', '{{}}' {acts} WHERE h % 120 <> 100"
        ),
        format!(
            "INSERT INTO ledger.token_transfers SELECT h, 500, 0, 0, {token}, 'erc20', {bank_d}, {}, 0, 1 {acts} WHERE h % 120 <> 100",
            person("20001 + (h / 60) % 3")
        ),
        format!(
            "INSERT INTO ledger.alerts SELECT h, 500, 1, 'rule-1', {bank_d}, 'bank-d', {token}, 7, 1 {acts} WHERE h % 180 = 100; ANALYZE"
        ),
    ];
    statements.iter().for_each(|statement| drop(postgres.sql(statement)));
}

/// Adds a supervisor of regulator-a, from a height on.
pub fn supervise(postgres: &Postgres, height: u64, supervisor: &Supervisor<'_>) {
    let Supervisor { account, fingerprint, role, not_after, mandate } = supervisor;
    let (who, fingerprint) = (bytea(account), bytea(fingerprint));
    let place = u64::from(u16::from_be_bytes([account[18], account[19]])) + 10_000;
    postgres.sql(&format!(
        "INSERT INTO ledger.account_standings VALUES ({height}, {place}, NULL, false, {who}, 'active', '{role}', false, {not_after}, 3, sha256({who}));
         INSERT INTO ledger.account_details VALUES ({height}, {place}, NULL, false, {who}, 'supervisor', {fingerprint}, 0, {height})"
    ));
    if let Some(mandate) = mandate {
        mandated(postgres, height, *account, mandate, false);
    }
}

/// Gives a supervisor another mandate, or takes it.
pub fn mandated(postgres: &Postgres, height: u64, account: Address, mandate: &str, removed: bool) {
    let place = u64::from(u16::from_be_bytes([account[18], account[19]]));
    postgres.sql(&format!(
        "INSERT INTO ledger.regulators VALUES ({height}, {place}, NULL, {removed}, {}, 'regulator-a', '{mandate}', {height}, 1)",
        bytea(account)
    ));
}

/// Adds an order as the step at a height has left it.
pub fn ordered(postgres: &Postgres, height: u64, order: &Ordered<'_>) {
    let Ordered { id, measure, account, contract, organisation, issued, until, lapses, confirmed, ended } =
        order;
    let address = |address: &Option<Address>| address.map_or("NULL".to_owned(), bytea);
    let number = |number: Option<u64>| number.map_or("NULL".to_owned(), |number| number.to_string());
    let (account, contract) = (address(account), address(contract));
    let organisation = organisation.map_or("NULL".to_owned(), |organisation| format!("'{organisation}'"));
    let status = match (ended, confirmed) {
        (Some((_, how)), _) => how,
        (None, Some(_)) => "confirmed",
        (None, None) => "provisional",
    };
    let (confirmed, ended) = (number(*confirmed), number(ended.map(|(height, _)| height)));
    postgres.sql(&format!(
        "INSERT INTO ledger.orders VALUES ({height}, {id}, NULL, false, {id}, '{measure}', '{status}', {account}, {contract}, \
         {organisation}, '\\x', 'Order {id}', {until}, '\\x0f', 'regulator-a', {issued}, {lapses}, '\\x', {confirmed}, NULL, NULL, \
         {ended}, NULL, NULL, NULL, NULL, NULL)"
    ));
}

/// Adds a finding of surveillance, with a number of its own, about somebody, which rests on all transactions of its block; its id.
pub fn finding(
    postgres: &Postgres,
    number: u64,
    height: u64,
    (kind, subject): (&str, &str),
    (grade, is_judged): (&str, bool),
) -> String {
    postgres.sql(&format!(
        "INSERT INTO watch.rules VALUES (sha256('rule'), 'rule-1', '{{}}', 1) ON CONFLICT DO NOTHING;
         INSERT INTO watch.cursor VALUES (true, 'imagined', {height}, '\\x00') ON CONFLICT (one) DO UPDATE SET height = {height};
         INSERT INTO watch.findings SELECT sha256('finding {number}'), {height}, 0, {height} * 1000, 'rule-{}', sha256('rule'), NULL, \
             '{grade}', {is_judged}, '{kind}', '{subject}', '', \
             (SELECT jsonb_agg(jsonb_build_object('height', height, 'txIndex', tx_index, 'logIndex', 0, 'item', 0)) \
              FROM ledger.transactions WHERE height = {height}), '{{}}', 'finding {number}', 'Act 5'",
        number % 2
    ));
    format!("0x{}", postgres.sql(&format!("SELECT encode(sha256('finding {number}'), 'hex')")))
}

/// Adds an empty block of now; its height.
pub fn block(postgres: &Postgres) -> u64 {
    let height: u64 = postgres.sql("SELECT height + 1 FROM ledger.projection_cursor").parse().unwrap();
    postgres.sql(&format!(
        "INSERT INTO ledger.blocks (height, hash, time_ms, proposer, parent_hash, state_root_before, transactions, gas_used, header) VALUES ({height}, sha256('block {height}'), {}, '\\x0a', NULL, sha256('root'), 0, 0, '\\x')",
        now_ms()
    ));
    height
}

/// Lets the projection stand at a block, so that what was written of it is seen.
pub fn seen(postgres: &Postgres, height: u64) {
    postgres.sql(&format!(
        "UPDATE ledger.projection_cursor SET height = {height}, block_hash = sha256('block {height}')"
    ));
}
