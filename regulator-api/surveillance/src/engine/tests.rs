use concordat_types::{Role, U256};

use super::*;
use crate::{
    event::{About, Party, Position, Transfer},
    parse,
};

pub(super) fn person(n: u8) -> Address {
    if n == 0 { Address::ZERO } else { Address::repeat_byte(n) }
}

pub(super) fn asset(n: u8) -> Asset {
    Asset { token: Address::repeat_byte(0xe0 + n), id: U256::ZERO }
}

fn gives(from: u8, to: u8, amount: u64) -> What {
    let (from, to) = (person(from), person(to));
    What::Transfer(Transfer { asset: asset(0), from, to, amount: U256::from(amount) })
}

pub(super) fn sends(sender: u8) -> What {
    What::Transaction { sender: person(sender) }
}

/// Whose the accounts are: of bank-a the odd ones, of bank-b the even ones, none above 6.
pub(super) fn party(n: u8) -> Party {
    let organisation = if n % 2 == 1 { "bank-a" } else { "bank-b" }.parse().unwrap();
    Party { organisation, role: Role::Operator, common_name: format!("Holder {n}") }
}

pub(super) fn block(height: u64, events: impl IntoIterator<Item = What>) -> BlockEvents {
    let events = events.into_iter().enumerate().map(|(n, what)| {
        let log_index = (!matches!(what, What::Transaction { .. })).then_some(0);
        Event { at: Position { height, tx_index: u32::try_from(n).ok(), log_index, item: 0 }, what }
    });
    let parties = (1..=6).map(|n| (person(n), party(n))).collect();
    BlockEvents { height, time_ms: height * 1000, events: events.collect(), parties }
}

pub(super) fn rule(id: &str, body: &str) -> String {
    format!("[[rule]]\nid = \"{id}\"\ntitle = \"t\"\ngrade = \"alert\"\nreference = \"r\"\n{body}\n")
}

pub(super) fn rules(texts: &[String]) -> Vec<Rule> {
    parse([("rules.toml", format!("version = 1\n{}", texts.join("")).as_str())]).unwrap()
}

fn engine(body: &str) -> Engine {
    Engine::new(rules(&[rule("the-rule", body)]), None, Limits::default()).unwrap()
}

/// Feeds an engine as whoever knows the whole ledger does.
pub(super) fn feed(engine: &mut Engine, past: &[BlockEvents], next: &BlockEvents) -> Vec<Finding> {
    let unknown = engine.unknown(std::slice::from_ref(next));
    engine.recall(answer(&unknown, past));
    engine.block(next)
}

pub(super) fn run(engine: &mut Engine, blocks: &[BlockEvents]) -> Vec<Finding> {
    (0..blocks.len()).flat_map(|at| feed(engine, &blocks[..at], &blocks[at])).collect()
}

/// What the ledger says.
fn answer(unknown: &Unknown, past: &[BlockEvents]) -> Recalled {
    let last = |account: &Address| {
        let what = What::Transaction { sender: *account };
        let sent = |block: &&BlockEvents| block.events.iter().any(|event| event.what == what);
        past.iter().rev().find(sent).map(BlockEvents::stamp)
    };
    let gave = |(asset, account): &(Asset, Address)| {
        let mut all = Vec::new();
        for event in past.iter().flat_map(|block| &block.events) {
            if let What::Transfer(t) = &event.what
                && (t.asset, t.from) == (*asset, *account)
                && !t.amount.is_zero()
            {
                all.push(t.amount);
            }
        }
        all.split_off(all.len().saturating_sub(unknown.sample))
    };
    Recalled {
        active: unknown.active.iter().map(|account| (*account, last(account))).collect(),
        amounts: unknown.amounts.iter().map(|key| (*key, gave(key))).collect(),
    }
}

fn heights(found: &[Finding]) -> Vec<u64> {
    found.iter().map(|finding| finding.height).collect()
}

#[test]
fn many_transactions_within_a_window_are_found_once_and_fewer_are_not() {
    let body = "kind = \"high-frequency\"\nof = \"transactions\"\ncount = 3\nwindow = { blocks = 5 }";
    let calm: Vec<BlockEvents> =
        (1..=30).step_by(3).map(|height| block(height, [sends(1), sends(2)])).collect();
    assert_eq!(heights(&run(&mut engine(body), &calm)), Vec::<u64>::new());
    let busy: Vec<BlockEvents> = (1..=8).map(|height| block(height, [sends(1)])).collect();
    let found = run(&mut engine(body), &busy);
    assert_eq!(heights(&found), [3, 8], "once, then not for the length of the window");
    assert_eq!(found[0].evidence.len(), 3);
    assert_eq!(found[0].explanation, format!("{:#x} sent 3 transactions within 5 blocks", person(1)));
}

#[test]
fn pieces_below_a_threshold_are_found_by_what_they_come_to() {
    let body =
        "kind = \"structuring\"\nbelow = 100\nfrom = 50\ntotal = 270\ncount = 3\nwindow = { seconds = 10 }";
    let found = |amounts: [u64; 4]| {
        let blocks: Vec<BlockEvents> =
            (1..).zip(amounts).map(|(height, amount)| block(height, [gives(1, 2, amount)])).collect();
        run(&mut engine(body), &blocks)
    };
    let all = found([90, 90, 100, 90]);
    assert_eq!(heights(&all), [4], "what is not below does not count");
    assert_eq!((all[0].numbers["sum"].as_str(), all[0].evidence.len()), ("270", 3));
    assert!(found([90, 90, 89, 0]).is_empty(), "too little");
    assert!(found([90, 90, 40, 40]).is_empty(), "pieces too small");
    let slow: Vec<BlockEvents> = (1..9).map(|n| block(n * 5, [gives(1, 2, 95)])).collect();
    assert!(run(&mut engine(body), &slow).is_empty(), "too slow");
    let split: Vec<BlockEvents> =
        (1..6).map(|n| block(n, [gives(1, 2, 90), gives(3, 2, 60)])).take(2).collect();
    assert!(run(&mut engine(body), &split).is_empty(), "of two senders");
}

#[test]
fn value_that_comes_back_through_others_is_found_with_every_transfer() {
    let body = "kind = \"round-trip\"\nhops = 3\nreturned = 900\namount = 1000\nwindow = { blocks = 10 }";
    let found = |hops: &[(u64, u8, u8, u64)]| {
        let blocks: Vec<BlockEvents> = hops
            .iter()
            .map(|(height, from, to, amount)| block(*height, [gives(*from, *to, *amount)]))
            .collect();
        run(&mut engine(body), &blocks)
    };
    let all = found(&[(1, 1, 2, 1000), (2, 2, 3, 950), (3, 3, 1, 900)]);
    assert_eq!(heights(&all), [3]);
    assert_eq!((all[0].subject.clone(), all[0].evidence.len()), (Subject::Account(person(1)), 3));
    assert!(found(&[(1, 1, 2, 1000), (2, 2, 3, 950), (3, 3, 1, 899)]).is_empty(), "too little comes back");
    assert!(found(&[(1, 1, 2, 999), (2, 2, 1, 999)]).is_empty(), "too little began");
    assert!(found(&[(1, 2, 3, 950), (2, 1, 2, 1000), (3, 3, 1, 950)]).is_empty(), "not one after the other");
    assert!(found(&[(1, 1, 2, 1000), (2, 2, 3, 950), (11, 3, 1, 950)]).is_empty(), "too slow");
    let long = [(1, 1, 2, 1000), (2, 2, 3, 1000), (3, 3, 4, 1000), (4, 4, 1, 1000)];
    assert!(found(&long).is_empty(), "through too many");
    assert_eq!(heights(&found(&[(1, 1, 2, 1000), (2, 2, 1, 1000)])), [2], "back at once");
}

#[test]
fn a_search_that_is_too_long_says_so() {
    let body = "kind = \"round-trip\"\nhops = 4\nreturned = 900\namount = 1\nwindow = { blocks = 10 }";
    let rules = rules(&[rule("the-rule", body)]);
    let mut engine = Engine::new(rules, None, Limits { steps: 20, ..Limits::default() }).unwrap();
    let payments = (2..30).map(|n| gives(1, n, 10)).chain([gives(77, 99, 10)]);
    assert!(engine.block(&block(1, payments)).is_empty());
    let found = engine.block(&block(2, [gives(99, 1, 10)]));
    assert_eq!((found.len(), found[0].judged, found[0].grade), (1, false, crate::Grade::Alert));
    assert!(
        found[0].explanation.contains("the-rule could not be judged: it has more transfers"),
        "{found:?}"
    );
}

#[test]
fn a_search_does_not_look_where_nothing_comes_back_from() {
    let body = "kind = \"round-trip\"\nhops = 3\nreturned = 900\namount = 1\nwindow = { blocks = 10 }";
    let rules = rules(&[rule("the-rule", body)]);
    let found = |last: What| {
        let limits = Limits { steps: 40, ..Limits::default() };
        let mut engine = Engine::new(rules.clone(), None, limits).unwrap();
        engine.block(&block(1, (2..40).map(|n| gives(1, n, 10))));
        engine.block(&block(2, (2..39).flat_map(|n| (50..60).map(move |m| gives(n, m, 10)))));
        engine.block(&block(3, [gives(39, 90, 10)]));
        engine.block(&block(4, [last]))
    };
    assert!(found(gives(99, 1, 10)).is_empty(), "nobody gave it anything");
    let all = found(gives(90, 1, 10));
    assert_eq!(heights(&all), [4], "one of many partners gave something to whom it comes from");
    assert!(all[0].judged);
}

#[test]
fn a_way_through_a_transfer_that_had_to_go_is_not_passed_over() {
    let many = || (0..1000).map(|_| gives(2, 4, 10));
    for hops in [3, 4] {
        let body = format!(
            "kind = \"round-trip\"\nhops = {hops}\nreturned = 900\namount = 1\nwindow = {{ blocks = 10 }}"
        );
        let mut engine = engine(&body);
        assert!(engine.block(&block(1, [gives(1, 2, 10), gives(2, 3, 10)])).is_empty());
        assert!(engine.block(&block(2, many())).is_empty());
        let found = engine.block(&block(3, [gives(3, 1, 10)]));
        assert_eq!((found.len(), found[0].judged), (1, false), "{hops}");
        let found = engine.block(&block(20, [gives(3, 1, 10)]));
        assert!(found.is_empty(), "all of that has passed");
    }
}

#[test]
fn windows_that_are_full_say_so() {
    let body = "kind = \"high-frequency\"\nof = \"transactions\"\ncount = 2\nwindow = { blocks = 10 }";
    let rules = rules(&[rule("the-rule", body)]);
    let mut engine = Engine::new(rules, None, Limits { entries: 3, ..Limits::default() }).unwrap();
    let found = engine.block(&block(1, (1..9).map(sends)));
    assert_eq!(found.len(), 1, "once, not for each: {found:?}");
    assert_eq!((found[0].judged, found[0].subject.clone()), (false, Subject::Rule));
}

#[test]
fn an_account_that_wakes_up_and_gives_is_found() {
    let body = "kind = \"dormant-awakened\"\nidle = { blocks = 100 }\namount = 50";
    let blocks = [
        block(1, [sends(1), sends(2)]),
        block(60, [sends(2)]),
        block(101, [sends(1), gives(1, 3, 50), sends(2), gives(2, 3, 50), gives(9, 3, 50)]),
        block(102, [sends(1), gives(1, 3, 50)]),
        block(300, [sends(1), gives(1, 3, 49)]),
    ];
    let found = run(&mut engine(body), &blocks);
    assert_eq!(heights(&found), [101], "neither who was not idle, nor a contract, nor little");
    assert_eq!(found[0].subject, Subject::Account(person(1)));
    assert_eq!(found[0].numbers["last"], "1");
}

#[test]
fn what_is_many_times_an_accounts_own_average_is_found() {
    let body = "kind = \"abnormal-amount\"\ntimes = 10\nsample = 5\nleast = 3";
    let found = |amounts: &[u64]| {
        let blocks: Vec<BlockEvents> =
            (1..).zip(amounts).map(|(height, amount)| block(height, [gives(1, 2, *amount)])).collect();
        heights(&run(&mut engine(body), &blocks))
    };
    assert_eq!(found(&[10, 10, 10, 100]), [4]);
    assert!(found(&[10, 10, 10, 99]).is_empty());
    assert!(found(&[10, 10, 1000]).is_empty(), "too little is known of it");
    assert_eq!(found(&[900, 900, 10, 10, 10, 10, 10, 100]), [8], "the average is over the last ones");
}

#[test]
fn a_history_that_was_not_told_is_not_taken_for_none() {
    for body in [
        "kind = \"dormant-awakened\"\nidle = { blocks = 9 }\namount = 1",
        "kind = \"abnormal-amount\"\ntimes = 2\nsample = 5\nleast = 2",
    ] {
        let found = engine(body).block(&block(1, [gives(1, 2, 5)]));
        assert_eq!((found.len(), found[0].judged), (1, false));
    }
}

pub(super) fn list() -> List {
    let text = format!(
        "version = 1\nsource = \"s\"\n[[entry]]\naddress = \"{:#x}\"\nreason = \"No. 1\"\n\
         [[entry]]\nname = \"holder 2\"\nreason = \"No. 2\"\n",
        person(5)
    );
    List::parse(&text).unwrap()
}

#[test]
fn the_sanctioned_are_found_as_parties_as_holders_and_by_enrolling() {
    let all = rules(&[rule("the-rule", "kind = \"sanctions\"")]);
    let refused = Engine::new(all.clone(), None, Limits::default()).unwrap_err();
    assert!(refused.to_string().contains("rule the-rule asks the list"), "{refused}");
    let mut engine = Engine::new(all, Some(list()), Limits::default()).unwrap();
    let enrols = |n: u8| What::Enrolled { account: person(n), organisation: party(n).organisation };
    let holds = |n: u8| What::Holding { holder: person(n), asset: asset(0), balance: U256::ONE };
    let events = [holds(5), holds(4), gives(5, 1, 1), gives(1, 2, 1), gives(1, 3, 1), enrols(2), enrols(3)];
    let found = engine.block(&block(1, events));
    let told: Vec<&str> = found.iter().map(|finding| finding.numbers["hit"].as_str()).collect();
    assert_eq!(told, ["holder", "sender", "recipient", "enrolled"]);
    assert_eq!(found[0].list, Some(list().hash));
}

#[test]
fn what_members_of_the_committee_do_strangely_is_found() {
    let texts = [
        rule("burst", "kind = \"proposal-burst\"\ncount = 3\nwindow = { blocks = 10 }"),
        rule("late", "kind = \"late-ballot\"\nblocks = 2"),
        rule("hasty", "kind = \"hasty-execution\"\nblocks = 1"),
        rule("own", "kind = \"own-matter\""),
        rule("freezes", "kind = \"freeze-burst\"\ncount = 2\nwindow = { blocks = 1 }"),
        rule("accounts", "kind = \"new-accounts\"\ncount = 2\nwindow = { blocks = 5 }"),
    ];
    let mut engine = Engine::new(rules(&texts), None, Limits::default()).unwrap();
    let ballot = |member: u8, closes: u64, about: Vec<About>| What::Ballot {
        proposal: 7,
        member: person(member),
        closes,
        about,
    };
    let proposed = || What::Proposed { proposal: 1, member: person(1) };
    let executed = |earliest| What::Executed { proposal: 7, proposer: person(1), earliest };
    let freeze = |lifted| What::Freeze { target: person(9), lifted };
    let enrols = |n: u8| What::Enrolled { account: person(n), organisation: party(n).organisation };
    let bank = |n: u8| vec![About::Organisation(party(n).organisation)];
    let blocks = [
        block(1, [proposed(), proposed(), freeze(false), enrols(1), enrols(2)]),
        block(2, [freeze(true), ballot(1, 4, vec![]), ballot(1, 3, vec![]), enrols(4)]),
        block(3, [proposed(), executed(2), executed(3), freeze(false), freeze(true)]),
        block(
            4,
            [ballot(1, 90, bank(3)), ballot(1, 90, bank(2)), ballot(2, 90, vec![About::Account(person(2))])],
        ),
        block(5, [ballot(77, 90, bank(2))]),
    ];
    let found = run(&mut engine, &blocks);
    let told: Vec<(u64, &str, bool)> =
        found.iter().map(|finding| (finding.height, finding.rule.as_str(), finding.judged)).collect();
    let expected = [
        (2, "late", true),
        (2, "accounts", true),
        (3, "burst", true),
        (3, "hasty", true),
        (3, "freezes", true),
        (4, "own", true),
        (4, "own", true),
        (5, "own", false),
    ];
    assert_eq!(told, expected, "a stranger's ballot on an organisation cannot be judged");
}
