//! Pages by whatever way they are found, against the plain filter: random requests within random mandates on a ledger that a seed
//! makes, with so little work allowed that most pages end before they are full.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use concordat_sql::{
    Database,
    read::{LISTS, List, Reader, Scope, Wanted, Work},
};
use concordat_tests::{imagined::bytea, postgres::Postgres};
use concordat_types::Address;
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::on_one_thread;

const HEIGHTS: i64 = 240;

/// Accounts of each bank: the last one has more than can be named.
const BANKS: [u16; 6] = [1, 3, 5, 8, 20, 1_010];

/// Contracts; the owner of each is the bank of its number modulo those that there are, but for the last two, which have none.
const CONTRACTS: u8 = 9;

/// A row as the plain filter sees it.
struct Row {
    place: Vec<i64>,
    /// By names of filters.
    columns: BTreeMap<&'static str, String>,
    accounts: Vec<Address>,
    organisations: Vec<String>,
    contracts: Vec<Address>,
}

/// Numbers that a seed makes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Small numbers more often than large ones.
    fn few(&mut self, bound: u64) -> u64 {
        let one = self.below(bound);
        self.below(one + 1)
    }
}

fn account(number: u16) -> Address {
    let mut bytes = [0xaa; 20];
    bytes[18..].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

fn contract(number: u8) -> Address {
    Address::repeat_byte(0xc0 + number)
}

fn accounts() -> u16 {
    BANKS.iter().sum()
}

fn bank(number: usize) -> String {
    format!("bank-{number}")
}

fn bank_of(number: u16) -> usize {
    let mut left = number;
    BANKS.iter().position(|size| left.checked_sub(*size).map(|rest| left = rest).is_none()).unwrap()
}

fn owner(number: u8) -> Option<usize> {
    (number < CONTRACTS - 2).then(|| usize::from(number) % BANKS.len())
}

/// What the ledger has, by list, and the statements that put it there.
#[derive(Default)]
struct Ledger {
    rows: BTreeMap<&'static str, Vec<Row>>,
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Ledger {
    fn add(&mut self, list: &'static str, table: &'static str, row: Row, values: String) {
        self.rows.entry(list).or_default().push(row);
        self.values.entry(table).or_default().push(format!("({values})"));
    }

    /// Blocks of which some are empty, and in which some accounts act all the time, and others for a while.
    fn imagined(seed: u64) -> Self {
        let (mut ledger, mut dice) = (Self::default(), Dice(seed));
        for height in 1..=HEIGHTS {
            let transactions = if dice.below(3) == 0 { 0 } else { dice.few(12) };
            for index in 0..transactions {
                ledger.transaction(&mut dice, [height, i64::try_from(index).unwrap()]);
            }
        }
        ledger
    }

    fn somebody(dice: &mut Dice, height: i64) -> u16 {
        let all = u64::from(accounts());
        // The first banks act in the first half alone.
        let least = if height > HEIGHTS / 2 { 9 } else { 0 };
        let most = if dice.below(9) == 0 { all - least } else { 30 };
        u16::try_from(least + dice.few(most)).unwrap()
    }

    fn transaction(&mut self, dice: &mut Dice, [height, index]: [i64; 2]) {
        let sender = Self::somebody(dice, height);
        let called = u8::try_from(dice.few(CONTRACTS.into())).unwrap();
        let (to_contract, made) = (dice.below(4) > 0, dice.below(10) == 0);
        let recipient = if to_contract { contract(called) } else { account(Self::somebody(dice, height)) };
        let outcome = if dice.below(6) == 0 { 1 + dice.below(2) } else { 0 };
        let mut row = Row {
            place: [height, index].into(),
            columns: [
                ("sender", account(sender).to_string()),
                ("recipient", recipient.to_string()),
                ("outcome", outcome.to_string()),
            ]
            .into(),
            accounts: [account(sender), recipient].into(),
            organisations: Vec::new(),
            contracts: [recipient].into(),
        };
        if made {
            row.columns.insert("contract_address", contract(called).to_string());
            row.contracts.push(contract(called));
        }
        let address = if made { bytea(contract(called)) } else { "NULL".into() };
        let values = format!(
            "{height}, {index}, sha256('{height} {index}'), 2, {}, {}, 0, NULL, 1, 1, {outcome}, {}, {address}, '', ''",
            bytea(account(sender)),
            bytea(recipient),
            outcome == 0
        );
        self.add("transactions", "transactions", row, values);
        for log in 0..dice.few(4) {
            self.log(dice, [height, index, i64::try_from(log).unwrap()], sender, called);
        }
    }

    fn log(&mut self, dice: &mut Dice, place: [i64; 3], sender: u16, called: u8) {
        let [height, index, log] = place;
        let at = format!("{height}, {index}, {log}");
        let address =
            contract(if dice.below(3) == 0 { u8::try_from(dice.below(9)).unwrap() } else { called });
        let topic = u8::try_from(1 + dice.few(4)).unwrap();
        let row = |columns: &[(&'static str, String)]| Row {
            place: place.to_vec(),
            columns: columns.iter().cloned().collect(),
            accounts: [account(sender)].into(),
            organisations: Vec::new(),
            contracts: [address].into(),
        };
        let topic0 = format!("0x{}", hex::encode([topic; 32]));
        let values = format!("{at}, {}, {}, NULL, NULL, NULL, ''", bytea(address), bytea([topic; 32]));
        self.add("logs", "logs", row(&[("address", address.to_string()), ("topic0", topic0)]), values);
        if dice.below(3) > 0 {
            let columns = [("address", address.to_string()), ("name", format!("Event{topic}"))];
            let values = format!("{at}, {}, 'x', 'Event{topic}', '{{}}'", bytea(address));
            self.add("events", "decoded_events", row(&columns), values);
        }
        if dice.below(2) > 0 {
            let (from, to) = (sender, Self::somebody(dice, height));
            let mut row = row(&[
                ("token", address.to_string()),
                ("sender", account(from).to_string()),
                ("recipient", account(to).to_string()),
            ]);
            (row.place, row.accounts) = ([height, index, log, 0].into(), [account(from), account(to)].into());
            let (from, to) = (bytea(account(from)), bytea(account(to)));
            let values = format!("{at}, 0, {}, 'erc20', {from}, {to}, 0, 1", bytea(address));
            self.add("transfers", "token_transfers", row, values);
        }
        if dice.below(5) == 0 {
            let organisation = bank(bank_of(sender));
            let values = format!(
                "{at}, 'rule-{topic}', {}, '{organisation}', {}, 7, 1",
                bytea(account(sender)),
                bytea(address)
            );
            let mut row = row(&[
                ("rule", format!("rule-{topic}")),
                ("account", account(sender).to_string()),
                ("organisation", organisation.clone()),
                ("contract", address.to_string()),
            ]);
            row.organisations = [organisation].into();
            self.add("alerts", "alerts", row, values);
        }
    }

    fn write(&self, postgres: &Postgres) {
        for table in ["blocks", "transactions", "logs", "decoded_events", "token_transfers"] {
            postgres.sql(&format!(
                "CREATE TABLE ledger.{table}_p0 PARTITION OF ledger.{table} FOR VALUES FROM (0) TO (100);
                 CREATE TABLE ledger.{table}_p1 PARTITION OF ledger.{table} FOR VALUES FROM (100) TO (1000)"
            ));
        }
        for (table, values) in &self.values {
            for some in values.chunks(200) {
                postgres.sql(&format!("INSERT INTO ledger.{table} VALUES {}", some.join(", ")));
            }
        }
        postgres.sql(&format!(
            "INSERT INTO ledger.blocks (height, hash, time_ms, proposer, state_root_before, transactions, gas_used, header)
                 SELECT h, sha256(h::text::bytea), h, '', '', 0, 0, '' FROM generate_series(1, {HEIGHTS}) h"
        ));
        let mut first = 0_u16;
        for (number, size) in BANKS.iter().enumerate() {
            let organisation = bank(number);
            let all: Vec<String> = (first..first + size)
                .map(|one| {
                    format!(
                        "(1, {one}, NULL, false, {}, 'active', 'operator', false, 9, {number}, '')",
                        bytea(account(one))
                    )
                })
                .collect();
            postgres.sql(&format!(
                "INSERT INTO ledger.authorities VALUES (0, {number}, NULL, false, {number}, '{organisation}', '', '[]');
                 INSERT INTO ledger.account_standings VALUES {}",
                all.join(", ")
            ));
            first += size;
        }
        for number in 0..CONTRACTS {
            let owner = owner(number).map_or_else(|| "NULL".to_owned(), |owner| format!("'{}'", bank(owner)));
            postgres.sql(&format!(
                "INSERT INTO ledger.contracts VALUES (1, {number}, NULL, false, {}, NULL, {owner}, NULL, 1, 'active', 0, 'none', 0, NULL)",
                bytea(contract(number))
            ));
        }
        postgres.sql("ANALYZE");
    }

    /// Where the rows of a list stand that a request wants: by looking at each.
    fn plainly(&self, list: &List, request: &Request) -> Vec<Vec<String>> {
        let mut places: Vec<&Vec<i64>> = self.rows[list.name]
            .iter()
            .filter(|row| request.filters.iter().all(|(name, value)| row.columns.get(name) == Some(value)))
            .filter(|row| request.heights.contains(&row.place[0]) && request.shows(row))
            .map(|row| &row.place)
            .collect();
        places.sort();
        if request.newest_first {
            places.reverse();
        }
        places.into_iter().map(|place| place.iter().map(ToString::to_string).collect()).collect()
    }

    /// A value of a filter that some row has, or hardly any.
    fn value(&self, list: &str, filter: &str, at: usize) -> String {
        let rows = &self.rows[list];
        let of_rows = rows.iter().cycle().skip(at % rows.len()).take(rows.len());
        of_rows.filter_map(|row| row.columns.get(filter)).next().unwrap().clone()
    }
}

#[derive(Clone, Debug)]
struct Request {
    list: usize,
    /// Names and values.
    filters: Vec<(&'static str, String)>,
    banks: Option<BTreeSet<usize>>,
    contracts: Option<BTreeSet<u8>>,
    heights: RangeInclusive<i64>,
    newest_first: bool,
    limit: i64,
    work: i64,
}

impl Request {
    /// As mandates have it.
    fn shows(&self, row: &Row) -> bool {
        let Some(banks) = &self.banks else { return true };
        let named =
            |address: &Address| self.contracts.iter().flatten().any(|number| contract(*number) == *address);
        let is_of_bank = |address: &Address| {
            (0..accounts()).any(|number| account(number) == *address && banks.contains(&bank_of(number)))
        };
        let is_owned = |address: &Address| {
            (0..CONTRACTS).any(|number| {
                contract(number) == *address && owner(number).is_some_and(|owner| banks.contains(&owner))
            })
        };
        // Whoever supervises all contracts sees all that is about any.
        self.contracts.is_none()
            || row.accounts.iter().any(is_of_bank)
            || row.organisations.iter().any(|name| banks.iter().any(|number| bank(*number) == *name))
            || row.contracts.iter().any(|address| named(address) || is_owned(address))
    }

    fn wanted(&self, list: &'static List) -> Wanted {
        let organisations = self
            .banks
            .as_ref()
            .map(|banks| banks.iter().map(|number| bank(*number).parse().unwrap()).collect());
        let contracts =
            self.contracts.as_ref().map(|numbers| numbers.iter().map(|number| contract(*number)).collect());
        Wanted {
            from: Some(*self.heights.start()),
            to: Some(*self.heights.end()),
            filters: self.filters.iter().map(|(name, value)| list.choose(name, value).unwrap()).collect(),
            newest_first: self.newest_first,
            limit: self.limit,
            ..Wanted::newest(HEIGHTS, Scope { organisations, contracts })
        }
    }
}

const NAMES: [&str; 5] = ["transactions", "logs", "events", "transfers", "alerts"];

fn request(ledger: &Ledger) -> impl Strategy<Value = Request> {
    let drawn = (0..NAMES.len(), vec((any::<usize>(), any::<usize>()), 0..3));
    let heights = prop_oneof![
        Just(0..=HEIGHTS),
        (0..HEIGHTS, 0..HEIGHTS).prop_map(|(one, other)| one.min(other)..=one.max(other))
    ];
    let mandate = (
        option::weighted(0.9, btree_set(0..BANKS.len(), 0..3)),
        option::weighted(0.9, btree_set(0..CONTRACTS, 0..3)),
    );
    let how = (any::<bool>(), 1..40_i64, prop_oneof![3..60_i64, 60..900_i64, Just(6_000)]);
    (drawn, mandate, heights, how).prop_map(
        |((list, drawn), (banks, contracts), heights, (newest_first, limit, work))| {
            let known = List::named(NAMES[list]).unwrap().filters;
            let known: Vec<&'static str> =
                known.iter().map(|filter| filter.name).filter(|name| *name != "hash").collect();
            let mut filters = BTreeMap::new();
            for (which, at) in drawn {
                let name = known[which % known.len()];
                filters.insert(name, ledger.value(NAMES[list], name, at));
            }
            Request {
                list,
                filters: filters.into_iter().collect(),
                banks,
                contracts,
                heights,
                newest_first,
                limit,
                work,
            }
        },
    )
}

#[test]
fn pages_together_are_what_the_plain_filter_leaves_whatever_work_is_allowed() {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(database.migrate()).unwrap();
    let ledger = Ledger::imagined(20_261_127);
    ledger.write(&postgres);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reader = runtime.block_on(Reader::open(&database, 2)).unwrap();
    let short = Cell::new(0_u32);
    let mut runner = TestRunner::new(Config { cases: 1_500, failure_persistence: None, ..Config::default() });
    runner
        .run(&request(&ledger), |request| {
            let list = List::named(NAMES[request.list]).unwrap();
            let reader = reader.clone().with_work(Work { page: request.work, ..Work::default() });
            let mut wanted = request.wanted(list);
            let expected = ledger.plainly(list, &request);
            let (mut found, mut pages) = (Vec::new(), 0);
            loop {
                let page = runtime.block_on(reader.page(list, &wanted)).unwrap();
                prop_assert!(page.rows.len() <= usize::try_from(request.limit).unwrap());
                prop_assert_eq!(page.rows.len(), page.places.len());
                if page.next.is_some() && page.rows.len() < usize::try_from(request.limit).unwrap() {
                    short.set(short.get() + 1);
                }
                found.extend(page.places);
                pages += 1;
                prop_assert!(
                    pages <= 2 * HEIGHTS + i64::try_from(expected.len()).unwrap(),
                    "it goes on for good"
                );
                wanted.after = page.next;
                if wanted.after.is_none() {
                    break;
                }
            }
            prop_assert_eq!(found, expected);
            Ok(())
        })
        .unwrap();
    assert!(short.get() > 100, "so much work was allowed that hardly any page was short");
    assert!(NAMES.iter().all(|name| LISTS.iter().any(|list| list.name == *name)));
}
