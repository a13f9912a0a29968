use concordat_types::U256;
use proptest::prelude::*;

use super::{
    model,
    tests::{asset, block, feed, list, party, person, rule, rules, run, sends},
    *,
};
use crate::event::{About, Transfer};

/// A rule of each kind, some narrowed.
fn every_kind() -> Vec<Rule> {
    let token = asset(1).token;
    rules(&[
        rule("many", "kind = \"high-frequency\"\nof = \"transactions\"\ncount = 3\nwindow = { blocks = 4 }"),
        rule(
            "gets",
            "kind = \"high-frequency\"\nof = \"transfers\"\nside = \"recipient\"\ncount = 2\nwindow = { seconds = 3 }\norganisations = [\"bank-a\"]",
        ),
        rule(
            "pieces",
            "kind = \"structuring\"\nbelow = 8\ntotal = 12\ncount = 2\nwindow = { blocks = 5 }\nquiet = { blocks = 2 }",
        ),
        rule(
            "token",
            &format!(
                "kind = \"structuring\"\nside = \"recipient\"\nbelow = 9\nfrom = 2\ntotal = 9\ncount = 2\nwindow = {{ blocks = 3 }}\ntokens = [\"{token:#x}\"]"
            ),
        ),
        rule(
            "circle",
            "kind = \"round-trip\"\nhops = 4\nreturned = 700\namount = 3\nwindow = { blocks = 6 }\nquiet = { blocks = 1 }",
        ),
        rule(
            "short",
            &format!(
                "kind = \"round-trip\"\nhops = 2\nreturned = 1000\namount = 1\nwindow = {{ seconds = 4 }}\nexcept = [\"{:#x}\"]",
                person(3)
            ),
        ),
        rule("sleeper", "kind = \"dormant-awakened\"\nidle = { blocks = 4 }\namount = 3"),
        rule("much", "kind = \"abnormal-amount\"\ntimes = 2\nsample = 3\nleast = 2\nquiet = { seconds = 2 }"),
        rule("listed", "kind = \"sanctions\"\nhits = [\"sender\", \"recipient\", \"enrolled\"]"),
        rule(
            "narrow",
            &format!("kind = \"sanctions\"\nhits = [\"recipient\", \"enrolled\"]\ntokens = [\"{token:#x}\"]"),
        ),
        rule("burst", "kind = \"proposal-burst\"\ncount = 2\nwindow = { blocks = 3 }"),
        rule("freezes", "kind = \"freeze-burst\"\ncount = 2\nwindow = { blocks = 3 }"),
        rule("accounts", "kind = \"new-accounts\"\ncount = 2\nwindow = { blocks = 3 }"),
        rule("late", "kind = \"late-ballot\"\nblocks = 2"),
        rule("hasty", "kind = \"hasty-execution\"\nblocks = 2"),
        rule("own", "kind = \"own-matter\""),
    ])
}

fn some_event() -> impl Strategy<Value = What> {
    let transfer = (0..2_u8, 0..6_u8, 0..6_u8, 0..10_u64).prop_map(|(token, from, to, amount)| {
        let (from, to) = (person(from), person(to));
        What::Transfer(Transfer { asset: asset(token), from, to, amount: U256::from(amount) })
    });
    let member = || 1..5_u8;
    prop_oneof![
        6 => transfer,
        3 => member().prop_map(sends),
        1 => member().prop_map(|n| What::Enrolled { account: person(n), organisation: party(n).organisation }),
        1 => member().prop_map(|n| What::Proposed { proposal: 1, member: person(n) }),
        1 => (member(), 0..40_u64, member()).prop_map(|(n, closes, about)| What::Ballot {
            proposal: 1,
            member: person(n),
            closes,
            about: vec![About::Account(person(about)), About::Organisation(party(about).organisation)],
        }),
        1 => (member(), 0..40_u64).prop_map(|(n, earliest)| What::Executed { proposal: 1, proposer: person(n), earliest }),
        1 => any::<bool>().prop_map(|lifted| What::Freeze { target: person(9), lifted }),
    ]
}

fn some_blocks() -> impl Strategy<Value = Vec<BlockEvents>> {
    let one = (1..3_u64, proptest::collection::vec(some_event(), 0..6));
    proptest::collection::vec(one, 1..25).prop_map(|all| {
        let mut height = 0;
        let next = |(step, events)| {
            height += step;
            block(height, events)
        };
        all.into_iter().map(next).collect()
    })
}

fn fresh() -> Engine {
    Engine::new(every_kind(), Some(list()), Limits::default()).unwrap()
}

/// An engine that goes on behind these blocks, of which these findings came.
fn restarted(seen: &[BlockEvents], found: &[Finding]) -> Engine {
    let mut engine = fresh();
    let (windows, now) = (engine.windows(), seen.last().map(BlockEvents::stamp).unwrap_or_default());
    for block in seen {
        let spans = [Span::Blocks(windows.blocks), Span::Seconds(windows.seconds)];
        if spans.iter().any(|span| span.covers(now, block.stamp())) {
            engine.warm(block);
        }
    }
    for finding in found {
        let stamp = Stamp { height: finding.height, time_ms: finding.time_ms };
        let asset = finding.asset.parse().ok();
        engine.remember(finding.rule_digest, &finding.subject, asset, finding.judged, stamp);
    }
    engine
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_engine_finds_what_a_look_through_the_whole_past_finds(blocks in some_blocks()) {
        let found: Vec<model::Told> = run(&mut fresh(), &blocks).iter().map(model::told).collect();
        prop_assert_eq!(found, model::findings(&every_kind(), &list(), &blocks));
    }

    #[test]
    fn the_index_leaves_out_nothing(blocks in some_blocks()) {
        let mut naive = fresh();
        let all: Vec<usize> = (0..naive.rules.len()).collect();
        let topics = [Topic::Holding, Topic::Transaction, Topic::Transfer, Topic::Enrolled, Topic::Proposed, Topic::Ballot, Topic::Executed, Topic::Freeze];
        naive.index = Index { by_topic: topics.into_iter().map(|topic| (topic, all.clone())).collect(), ..Index::default() };
        prop_assert_eq!(run(&mut fresh(), &blocks), run(&mut naive, &blocks));
    }

    #[test]
    fn whoever_stops_anywhere_and_goes_on_finds_the_same(blocks in some_blocks(), cut in any::<prop::sample::Index>()) {
        let whole = run(&mut fresh(), &blocks);
        let (seen, rest) = blocks.split_at(cut.index(blocks.len()));
        let mut found = run(&mut fresh(), seen);
        let mut engine = restarted(seen, &found);
        for at in 0..rest.len() {
            found.extend(feed(&mut engine, &blocks[..seen.len() + at], &rest[at]));
        }
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn what_is_forgotten_for_lack_of_room_changes_nothing(blocks in some_blocks()) {
        let small = Limits { remembered: 2, ..Limits::default() };
        let mut forgetful = Engine::new(every_kind(), Some(list()), small).unwrap();
        prop_assert_eq!(run(&mut forgetful, &blocks), run(&mut fresh(), &blocks));
    }

    #[test]
    fn numbers_that_are_given_again_change_nothing(blocks in some_blocks()) {
        let mut engine = fresh();
        engine.names = Names::sweeping_from(1);
        prop_assert_eq!(run(&mut engine, &blocks), run(&mut fresh(), &blocks));
    }

    #[test]
    fn ids_of_findings_are_told_once(blocks in some_blocks()) {
        let found = run(&mut fresh(), &blocks);
        let ids: BTreeSet<_> = found.iter().map(|finding| finding.id).collect();
        prop_assert_eq!(ids.len(), found.len());
    }
}
