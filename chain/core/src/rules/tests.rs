//! Golden bytes and JSON, what is no rule, what rules say, and windows against a model that keeps every transfer.
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

use alloy_primitives::{LogData, keccak256};
use concordat_types::{Address, B256, Bytes, Log, U256};
use proptest::prelude::*;

use super::{
    tables::{Counted, EnactedLimit, counter_key, digest_of},
    *,
};

const TOKEN: Address = Address::repeat_byte(0x5f);
const OTHER: Address = Address::repeat_byte(0x77);

fn transfer_topic() -> B256 {
    keccak256("Transfer(address,address,uint256)")
}

/// All of an event's conditions.
fn limit() -> Limit {
    Limit {
        id: "daily-million".parse().unwrap(),
        reason: "no organisation moves more than 1,000,000 a day".into(),
        subject: Subject {
            contract: Some(TOKEN),
            watched: Watched::Event(transfer_topic()),
            amount: Some(Place::Word(0)),
            counterparty: Some(Place::Topic(2)),
        },
        binds: Binds::Organisation("bank-a".parse().unwrap()),
        max_amount: Some(U256::from(500)),
        total: Some(Cumulative { max: U256::from(1_000), window_secs: 86_400, per: Per::Organisation }),
        count: Some(Velocity { max: 3, window_secs: 3_600, per: Per::Account }),
        counterparties: Some(Counterparties::Deny([OTHER].into())),
        hours: Some(Hours { from: 480, to: 1_080, days: 0b1_1111 }),
        effect: Effect::Revert,
    }
}

/// The least that a rule can say, on a method of any contract.
fn least() -> Limit {
    let watched = Watched::Method([0xa9, 0x05, 0x9c, 0xbb]);
    Limit {
        id: "ab".parse().unwrap(),
        reason: "r".into(),
        subject: Subject { contract: None, watched, amount: None, counterparty: None },
        binds: Binds::Everybody,
        max_amount: None,
        total: None,
        count: Some(Velocity { max: 0, window_secs: 1, per: Per::Account }),
        counterparties: None,
        hours: None,
        effect: Effect::Alert,
    }
}

fn transfer(to: Address, value: u64) -> Log {
    let topics = vec![transfer_topic(), TOKEN.into_word(), to.into_word()];
    let data = B256::from(U256::from(value)).to_vec();
    Log { address: TOKEN, data: LogData::new_unchecked(topics, data.into()) }
}

/// A Thursday, 9 h UTC.
const THURSDAY_9: u64 = 14 * 86_400 + 9 * 3_600;

fn says(limit: &Limit, log: &Log, at: u64, counters: &Counters) -> Option<Code> {
    decide(limit, &Act::Event(log), None, at, counters.clone()).violation
}

#[test]
fn the_bytes_of_rules_are_golden() {
    let topic = hex::encode(transfer_topic());
    let text = hex::encode("no organisation moves more than 1,000,000 a day");
    let golden = [
        "f8bc01",
        "8d",
        &hex::encode("daily-million"),
        "af",
        &text,
        "94",
        &"5f".repeat(20),
        "a0",
        &topic,
        "820200",
        "820102",
        "c80186",
        &hex::encode("bank-a"),
        "c38201f4",
        "c9c88203e8830151",
        "8002",
        "c6c503820e1001",
        "d8d702d594",
        &"77".repeat(20),
        "c8c78201e08204381f",
        "01",
    ]
    .concat();
    assert_eq!(hex::encode(limit().encode()), golden);
    assert_eq!(
        hex::encode(least().encode()),
        "da018261627280 84a9059cbb8080c28080c0c0c4c3800101c0c002".replace(' ', "")
    );
    for limit in [limit(), least()] {
        assert_eq!(Limit::decode(&limit.encode()), Ok(limit));
    }
}

#[test]
fn rows_and_keys_of_counters_are_golden() {
    let enacted = EnactedLimit { limit: least(), proposal: 300 };
    let row = format!("df9b{}82012c", hex::encode(least().encode()));
    assert_eq!(hex::encode(enacted.encode()), row);
    assert_eq!(EnactedLimit::decode(&enacted.encode()), Some(enacted.clone()));
    assert_eq!(EnactedLimit::decode(&[&enacted.encode()[..], &[0]].concat()), None);
    assert_eq!(digest_of(&[]), None);
    assert_eq!(counter_key(300, Counted::Count, b"bank-a").to_string(), "53/000000000000012c0262616e6b2d61");
    assert_eq!(
        counter_key(1, Counted::Total, &[7; 20]).to_string(),
        format!("53/000000000000000101{}", "07".repeat(20))
    );
    let mut window = Window::default();
    assert_eq!(window.encode(), None);
    window.add(86_400, 86_400, U256::from(5));
    window.add(90_000, 86_400, U256::from(6));
    assert_eq!(hex::encode(window.encode().unwrap()), "c6c21805c21906");
    for wrong in ["c0", "c6c21905c21806", "c3c21800", "c7c21805c2190600", "80"] {
        assert_eq!(Window::decode(&hex::decode(wrong).unwrap()), None, "{wrong}");
    }
}

#[test]
fn mutated_bytes_are_other_rules_or_none() {
    for limit in [limit(), least()] {
        let bytes = limit.encode();
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            if let Ok(read) = Limit::decode(&other) {
                assert_ne!(read, limit);
                assert_eq!(read.encode(), other);
            }
        }
        for end in 0..bytes.len() {
            assert_eq!(Limit::decode(&bytes[..end]), Err(LimitError::Malformed));
        }
        assert_eq!(Limit::decode(&[&bytes[..], &[0]].concat()), Err(LimitError::Malformed));
    }
    let long = vec![0; MAX_LIMIT_BYTES + 1];
    assert_eq!(Limit::decode(&long), Err(LimitError::TooLong { have: MAX_LIMIT_BYTES + 1 }));
}

#[test]
fn the_largest_rule_fits() {
    let addresses = |seed: u8| (0..64_u8).map(move |n| Address::from([n ^ seed; 20])).collect();
    let largest = Limit {
        id: "a".repeat(64).parse().unwrap(),
        reason: "x".repeat(MAX_REASON_BYTES),
        max_amount: Some(U256::MAX),
        total: Some(Cumulative { max: U256::MAX, window_secs: MAX_WINDOW_SECS, per: Per::Account }),
        counterparties: Some(Counterparties::Allow(addresses(0x80))),
        ..limit()
    };
    assert_eq!(largest.check(), Ok(()));
    assert!(largest.encode().len() < MAX_LIMIT_BYTES);
}

const JSON: &str = r#"{
    "id": "daily-million",
    "reason": "no organisation moves more than 1,000,000 a day",
    "contract": "0x5f5F5f5f5f5f5f5f5F5f5f5f5f5F5f5f5f5f5f5F",
    "event": "Transfer(address,address,uint256)",
    "amount": { "word": 0 },
    "counterparty": { "topic": 2 },
    "binds": { "organisation": "bank-a" },
    "max_amount": "500",
    "total": { "max": "1000", "window_secs": 86400, "per": "organisation" },
    "count": { "max": 3, "window_secs": 3600, "per": "account" },
    "counterparties": { "deny": ["0x7777777777777777777777777777777777777777"] },
    "hours": { "from": "08:00", "to": "18:00", "days": ["mon", "tue", "wed", "thu", "fri"] }
}"#;

fn json(change: impl FnOnce(&mut serde_json::Value)) -> Result<Limit, String> {
    let mut value: serde_json::Value = serde_json::from_str(JSON).unwrap();
    change(&mut value);
    serde_json::from_value(value).map_err(|error: serde_json::Error| error.to_string())
}

#[test]
fn json_becomes_a_rule_and_a_rule_json() {
    assert_eq!(json(|_| {}), Ok(limit()));
    for limit in [limit(), least()] {
        let text = serde_json::to_string(&limit).unwrap();
        assert_eq!(serde_json::from_str::<Limit>(&text).unwrap(), limit);
    }
    let by_bytes = json(|rule| rule["event"] = transfer_topic().to_string().into());
    assert_eq!(by_bytes, Ok(limit()));
    let method = serde_json::json!({
        "id": "ab", "reason": "r", "contract": "any", "method": "transfer(address,uint256)",
        "count": { "max": 0, "window_secs": 1, "per": "account" }, "effect": "alert"
    });
    assert_eq!(serde_json::from_value::<Limit>(method).unwrap(), least());
    let days = json(|rule| drop(rule["hours"].as_object_mut().unwrap().remove("days"))).unwrap();
    assert_eq!(days.hours.unwrap().days, Hours::ALL_DAYS);
}

#[test]
fn json_that_is_no_rule_says_where_and_how_to_mend_it() {
    let cases: [(&str, serde_json::Value, &str); 15] = [
        ("id", "Daily".into(), "rule id \"Daily\" must be 2 to 64 characters"),
        ("reason", "".into(), "rule daily-million: the reason must be 1 to 200 bytes"),
        ("contract", "5f".into(), "contract \"5f\" is none; write an address, or any"),
        ("contract", IDENTITY.into(), "concerns the system contract"),
        ("event", "Transfer(address to)".into(), "write a signature without spaces and names"),
        ("event", "0x12".into(), "write a signature without spaces and names"),
        ("method", "f()".into(), "event or method \"\" is none; name one of the two"),
        (
            "amount",
            serde_json::json!({ "word": 32 }),
            "the amount must be topic 1 to 3 of an event, or word 0 to 31",
        ),
        ("counterparty", serde_json::json!({ "topic": 0 }), "the counterparty must be topic 1 to 3"),
        ("max_amount", "1,000".into(), "max_amount \"1,000\" is none; write digits in quotes"),
        (
            "total",
            serde_json::json!({ "max": "1", "window_secs": 0, "per": "account" }),
            "the window of total is 0 s",
        ),
        (
            "count",
            serde_json::json!({ "max": 1, "window_secs": 31_622_401, "per": "account" }),
            "the window of count is 31622401 s",
        ),
        ("counterparties", serde_json::json!({ "deny": [] }), "lists 0 counterparties; 1 to 64 are allowed"),
        (
            "hours",
            serde_json::json!({ "from": "8:00", "to": "18:00" }),
            "hours.from \"8:00\" is none; write HH:MM",
        ),
        (
            "hours",
            serde_json::json!({ "from": "08:00", "to": "18:00", "days": ["monday"] }),
            "write mon, tue",
        ),
    ];
    for (field, value, message) in cases {
        let error = json(|rule| rule[field] = value).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    assert!(json(|rule| rule["colour"] = 1.into()).unwrap_err().contains("unknown field"));
}

const IDENTITY: &str = "0x000000000000000000000000000000000000c001";

#[test]
fn the_examples_of_the_document_are_rules() {
    let document = include_str!("../../../../docs/rules.md");
    let examples = document.split("```json\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let ids = examples.map(|(example, _)| serde_json::from_str::<Limit>(example).unwrap().id.to_string());
    assert_eq!(
        ids.collect::<Vec<_>>(),
        ["daily-million", "hundred-an-hour", "office-hours", "sanctions", "large-payments"]
    );
}

#[test]
fn what_is_no_rule_is_refused() {
    let id = || limit().id;
    let subject = limit().subject;
    let system = crate::SYSTEM_CONTRACTS.map(|contract| {
        let refused = LimitError::SystemContract { id: id(), contract };
        (Limit { subject: Subject { contract: Some(contract), ..subject }, ..limit() }, refused)
    });
    let hours = |from, to, days| Limit { hours: Some(Hours { from, to, days }), ..limit() };
    let no_hours = LimitError::Hours { id: id() };
    let no_place = |condition, place| LimitError::NoPlace { id: id(), condition, place };
    let cases = [
        (Limit { subject: Subject { amount: None, ..subject }, ..limit() }, no_place("max_amount", "amount")),
        (
            Limit { subject: Subject { amount: None, ..subject }, max_amount: None, ..limit() },
            no_place("total", "amount"),
        ),
        (
            Limit { subject: Subject { counterparty: None, ..subject }, ..limit() },
            no_place("counterparties", "counterparty"),
        ),
        (Limit { count: None, ..least() }, LimitError::NoCondition { id: least().id }),
        (
            Limit { subject: Subject { watched: Watched::Method([1; 4]), ..subject }, ..limit() },
            LimitError::Place { id: id(), place: "counterparty" },
        ),
        (hours(480, 480, 1), no_hours.clone()),
        (hours(1_440, 480, 1), no_hours.clone()),
        (hours(0, 1_441, 1), no_hours.clone()),
        (hours(0, 1_440, 0), no_hours.clone()),
        (hours(0, 1_440, 0x80), no_hours),
        (Limit { reason: " x".into(), ..limit() }, LimitError::Reason { id: id() }),
        (Limit { reason: "x".repeat(201), ..limit() }, LimitError::Reason { id: id() }),
    ];
    for (limit, error) in cases.into_iter().chain(system) {
        assert_eq!(limit.check(), Err(error.clone()));
        assert_eq!(Limit::decode(&limit.encode()), Err(error));
    }
    assert_eq!(check_count(MAX_LIMITS), Ok(()));
    assert_eq!(check_count(MAX_LIMITS + 1), Err(LimitError::TooMany { have: MAX_LIMITS + 1 }));
    assert_eq!(read_as("daily-million", &limit().encode()), Ok(limit()));
    assert_eq!(read_as("other", &limit().encode()), Err(LimitError::OtherId { have: id() }));
}

#[test]
fn a_rule_that_may_no_longer_be_set_can_still_be_read() {
    let subject = Subject { contract: Some(crate::RULES), ..limit().subject };
    let enacted = EnactedLimit { limit: Limit { subject, ..limit() }, proposal: 7 };
    assert!(enacted.limit.check().is_err());
    assert_eq!(EnactedLimit::decode(&enacted.encode()), Some(enacted));
}

#[test]
fn codes_are_golden_and_survive() {
    let all: Vec<u8> = Code::ALL.iter().map(|code| code.code()).collect();
    assert_eq!(all, [1, 2, 3, 4, 5, 6, 7]);
    for code in Code::ALL {
        assert_eq!(Code::from_code(code.code()), Some(code));
        assert!(!code.to_string().is_empty());
    }
    assert_eq!(Code::from_code(0), None);
}

#[test]
fn each_condition_is_exact_at_its_limit() {
    let none = Counters::default();
    let log = |value| transfer(TOKEN, value);
    assert_eq!(says(&limit(), &log(500), THURSDAY_9, &none), None);
    assert_eq!(says(&limit(), &log(501), THURSDAY_9, &none), Some(Code::AmountAboveMax));
    assert_eq!(says(&limit(), &transfer(OTHER, 1), THURSDAY_9, &none), Some(Code::CounterpartyDenied));
    let allowed = Limit { counterparties: Some(Counterparties::Allow([OTHER].into())), ..limit() };
    assert_eq!(says(&allowed, &transfer(OTHER, 1), THURSDAY_9, &none), None);
    assert_eq!(says(&allowed, &log(1), THURSDAY_9, &none), Some(Code::CounterpartyNotAllowed));
    let day = THURSDAY_9 - 9 * 3_600;
    for (at, open) in [(8 * 3_600 - 1, false), (8 * 3_600, true), (18 * 3_600 - 1, true), (18 * 3_600, false)]
    {
        let said = says(&limit(), &log(1), day + at, &none);
        assert_eq!(said, (!open).then_some(Code::OutsideHours), "{at} s after midnight");
    }
    for (days, open) in [(0, true), (1, true), (2, false), (3, false), (4, true)] {
        let said = says(&limit(), &log(1), THURSDAY_9 + days * 86_400, &none);
        assert_eq!(said.is_none(), open, "{days} days after a Thursday");
    }
    let mut counters = Counters::default();
    for value in [500, 400, 100] {
        let decision = decide(&limit(), &Act::Event(&log(value)), None, THURSDAY_9, counters);
        assert_eq!(decision.violation, None);
        counters = decision.counters;
    }
    assert_eq!(says(&limit(), &log(1), THURSDAY_9, &counters), Some(Code::TotalAboveMax));
    assert_eq!(says(&limit(), &log(0), THURSDAY_9, &counters), Some(Code::TooOften));
    assert_eq!(says(&limit(), &log(0), THURSDAY_9 + 3_750, &counters), None, "an hour and a part later");
}

#[test]
fn hours_may_pass_midnight() {
    let night = Hours { from: 22 * 60, to: 6 * 60, days: Hours::ALL_DAYS };
    for (hour, open) in [(21, false), (22, true), (23, true), (0, true), (5, true), (6, false), (12, false)] {
        assert_eq!(night.contain(hour * 3_600), open, "{hour} h");
    }
    let whole = Hours { from: 0, to: 1_440, days: 1 << 3 };
    assert!(whole.contain(0) && whole.contain(86_399) && !whole.contain(86_400), "1970-01-01 was a Thursday");
    let _ = whole.contain(u64::MAX);
}

#[test]
fn what_cannot_be_decided_violates_the_rule() {
    let none = Counters::default();
    let mut short = transfer(TOKEN, 1);
    short.data.data = Bytes::from(vec![0; 31]);
    assert_eq!(says(&limit(), &short, THURSDAY_9, &none), Some(Code::Undecidable));
    // A word that is no address, and one topic too few.
    let dirty = vec![transfer_topic(), B256::ZERO, B256::repeat_byte(1)];
    let few = vec![transfer_topic(), B256::ZERO];
    for topics in [dirty, few] {
        let log = Log { address: TOKEN, data: LogData::new_unchecked(topics, vec![0; 32].into()) };
        assert_eq!(says(&limit(), &log, THURSDAY_9, &none), Some(Code::Undecidable));
    }
    let mut calls = Limit { max_amount: Some(U256::from(9)), ..least() };
    calls.subject.amount = Some(Place::Word(1));
    let input = |value: u64| [&[0; 4][..], &[0; 32], &B256::from(U256::from(value)).0].concat();
    let said = |input: &[u8]| {
        decide(&calls, &Act::Call { contract: TOKEN, input }, None, 0, Counters::default()).violation
    };
    assert_eq!(said(&input(9)), Some(Code::TooOften));
    assert_eq!(said(&input(10)), Some(Code::AmountAboveMax));
    assert_eq!(said(&input(9)[..67]), Some(Code::Undecidable));
    assert_eq!(said(&[]), Some(Code::Undecidable));
}

#[test]
fn sums_beyond_every_number_are_refused_and_kept_at_the_highest() {
    let most = Cumulative { max: U256::MAX, window_secs: 10, per: Per::Account };
    let rule = Limit { max_amount: None, total: Some(most), count: None, hours: None, ..limit() };
    let mut log = transfer(TOKEN, 1);
    log.data.data = vec![0xff; 32].into();
    let first = decide(&rule, &Act::Event(&log), None, 100, Counters::default());
    assert_eq!(first.violation, None);
    let second = decide(&rule, &Act::Event(&log), None, 100, first.counters);
    assert_eq!(second.violation, Some(Code::TotalAboveMax));
    assert_eq!(second.counters.total.sum(100, 10), Some(U256::MAX), "an alert lets it stand");
    let third = decide(&rule, &Act::Event(&log), None, 101, second.counters);
    assert_eq!(third.violation, Some(Code::TotalAboveMax));
    assert_eq!(third.counters.total.sum(101, 10), None);
}

#[test]
fn rules_bind_whom_they_say() {
    let (account, org) = (TOKEN, "bank-a".parse().unwrap());
    assert!(Binds::Everybody.binds(account, &org));
    assert!(Binds::Account(account).binds(account, &org) && !Binds::Account(OTHER).binds(account, &org));
    assert!(limit().binds.binds(account, &org));
    assert!(!limit().binds.binds(account, &"bank-b".parse().unwrap()));
}

#[test]
fn a_window_frees_what_it_says_when_it_says() {
    let mut window = Window::default();
    assert_eq!(window.frees_at(1_000_000, 86_400), 0);
    window.add(1_000_000, 86_400, U256::from(7));
    let frees = window.frees_at(1_000_000, 86_400);
    assert!((1_086_400..1_090_000).contains(&frees), "{frees}");
    assert_eq!(window.sum(frees - 1, 86_400), Some(U256::from(7)));
    assert_eq!(window.sum(frees, 86_400), Some(U256::ZERO));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a model that keeps every transfer: never more than the maximum in any window, and never a refusal of
    /// what a window longer by a part would have let through.
    #[test]
    fn windows_err_on_the_strict_side_by_less_than_a_part(
        window_secs in prop_oneof![1_u64..40, 3_000_u64..4_000, Just(86_400), Just(MAX_WINDOW_SECS)],
        start in 0_u64..2_000_000_000,
        steps in prop::collection::vec((0_u64..1_000, 0_u64..60), 1..60),
        max in 1_u64..300,
    ) {
        let part = window_secs.div_ceil(PARTS);
        let (mut at, mut kept, mut window) = (start, Vec::<(u64, u64)>::new(), Window::default());
        for (step, amount) in steps {
            // Steps of up to a sixth of the window.
            at += step * window_secs / 6_000;
            let naive = |secs: u64| -> u64 {
                let inside = |time: u64| time.saturating_add(secs) > at;
                kept.iter().filter(|(time, _)| inside(*time)).map(|(_, amount)| amount).sum()
            };
            let sum = window.sum(at, window_secs).unwrap();
            prop_assert!(sum >= U256::from(naive(window_secs)), "nothing of the window is forgotten");
            prop_assert!(sum <= U256::from(naive(window_secs + part - 1)), "nothing older than a part counts");
            if sum + U256::from(amount) <= U256::from(max) {
                window.add(at, window_secs, U256::from(amount));
                kept.push((at, amount));
            }
            if let Some(bytes) = window.encode() {
                prop_assert_eq!(Window::decode(&bytes), Some(window.clone()));
            }
        }
        // In no window at all was more moved than the maximum.
        for (end, _) in &kept {
            let inside = kept.iter().filter(|(time, _)| time <= end && time + window_secs > *end);
            prop_assert!(inside.map(|(_, amount)| amount).sum::<u64>() <= max);
        }
    }

    /// Against a model that keeps every act and knows no windows: what is let through, and by which code the rest fails.
    #[test]
    fn decisions_are_those_of_a_model_that_keeps_every_transfer(
        (max_amount, total, often) in (0_u64..60, 0_u64..400, 0_u64..12),
        (total_secs, count_secs) in (1_u64..200_000, 1_u64..5_000),
        (from, to, days) in (0_u16..1_440, 0_u16..=1_440, 1_u8..128),
        allow in any::<bool>(),
        acts in prop::collection::vec((0_u64..9_000, 0_u64..70, any::<bool>()), 1..60),
    ) {
        prop_assume!(from != to);
        let list = [OTHER].into();
        let rule = Limit {
            max_amount: Some(U256::from(max_amount)),
            total: Some(Cumulative { max: U256::from(total), window_secs: total_secs, per: Per::Account }),
            count: Some(Velocity { max: often, window_secs: count_secs, per: Per::Account }),
            counterparties: Some(if allow { Counterparties::Allow(list) } else { Counterparties::Deny(list) }),
            hours: Some(Hours { from, to, days }),
            ..limit()
        };
        prop_assert_eq!(rule.check(), Ok(()));
        let (mut at, mut kept, mut counters) = (THURSDAY_9, Vec::<(u64, u64)>::new(), Counters::default());
        for (step, value, listed) in acts {
            at += step;
            // Whether something of then counts now: whether the part it lies in reaches into the window.
            let counts = |then: u64, secs: u64| {
                let part = secs.div_ceil(24);
                (then / part + 1) * part > at + 1 - secs
            };
            let moved: u64 = kept.iter().filter(|(then, _)| counts(*then, total_secs)).map(|(_, value)| value).sum();
            let times = kept.iter().filter(|(then, _)| counts(*then, count_secs)).count() as u64;
            let minute = u16::try_from(at / 60 % 1_440).unwrap();
            let within = if from < to { (from..to).contains(&minute) } else { !(to..from).contains(&minute) };
            // Day 14 was a Thursday.
            let today = days >> ((at / 86_400 - 14 + 3) % 7) & 1 == 1;
            let expected = match () {
                () if !within || !today => Some(Code::OutsideHours),
                () if allow && !listed => Some(Code::CounterpartyNotAllowed),
                () if !allow && listed => Some(Code::CounterpartyDenied),
                () if value > max_amount => Some(Code::AmountAboveMax),
                () if moved + value > total => Some(Code::TotalAboveMax),
                () if times + 1 > often => Some(Code::TooOften),
                () => None,
            };
            let log = transfer(if listed { OTHER } else { TOKEN }, value);
            let decision = decide(&rule, &Act::Event(&log), None, at, counters.clone());
            prop_assert_eq!(decision.violation, expected);
            if expected.is_none() {
                counters = decision.counters;
                kept.push((at, value));
            }
        }
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(limit) = Limit::decode(&bytes) {
            prop_assert_eq!(limit.encode(), &bytes[..]);
        }
        if let Some(window) = Window::decode(&bytes) {
            prop_assert_eq!(window.encode().unwrap().to_vec(), bytes);
        }
    }
}
