//! Policies and run-time rules by vote.

use super::*;

#[test]
fn whoever_has_a_policy_checked_pays_for_that_and_for_those_in_force() {
    let mut committee = Committee::new();
    let policy = |id: &str, filling: usize| {
        let text = format!(
            "// {}\n@id(\"{id}\")\n@reason(\"a test\")\nforbid (principal, action == Action::\"deploy\", resource);",
            "x".repeat(filling)
        );
        Action::SetPolicy { id: id.into(), text }
    };
    let cost = |committee: &Committee, action: &Action| {
        let call = governance::previewActionCall { kind: action.kind().code(), payload_: action.encode() };
        let outcome = committee.net.ask_raw(GOVERNANCE, &call);
        assert_eq!(outcome.status, CallStatus::Success);
        outcome.gas_used
    };
    let short = cost(&committee, &policy("short", 1));
    // Besides the call data's own price of at most 40 a byte.
    let long = cost(&committee, &policy("long", 4_001));
    assert!((4_000 * 400..4_000 * 440 + 100).contains(&(long - short)), "{long} {short}");
    assert_eq!(committee.pass(&policy("long", 4_001)), 1);
    let Action::SetPolicy { text, .. } = policy("long", 4_001) else { panic!("a policy") };
    let kept = u64::try_from(text.len()).unwrap() * 2;
    // A row more is read, too.
    assert_eq!(cost(&committee, &policy("short", 1)), short + kept + 2_100);
}

#[test]
fn a_voted_policy_binds_from_the_next_transaction_on_and_a_repealed_one_no_longer() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let text = "@id(\"closed\")\n@reason(\"closed by vote\")\nforbid (principal, action == Action::\"call\", resource);";
    let id = committee.propose(&Action::SetPolicy { id: "closed".into(), text: text.into() });
    committee.carry(id);
    let txs =
        [operator.sign(&business()), committee.members[1].sign(&execute(id)), operator.sign(&business())];
    let receipts = committee.net.block(&txs).receipts;
    let outcomes: Vec<_> = receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, Outcome::NotPermitted]);
    let told = concordat_core::permissions::abi::IPermissions::NotPermitted::abi_decode(&receipts[2].output);
    assert_eq!(told.map(|told| (told.policy, told.proposal)), Ok(("closed".into(), id)));
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::NotPermitted);
    committee.pass(&Action::RepealPolicy { id: "closed".into() });
    committee.net.one(&operator.sign(&business()));
    let wrong = propose(&Action::SetPolicy { id: "broken".into(), text: "nonsense".into() });
    let code = committee.refused(0, &wrong);
    assert_eq!(code, 70);
}

#[test]
fn a_voted_rule_binds_from_the_next_transaction_on_and_a_repealed_one_no_longer() {
    let mut committee = Committee::new();
    let (developer, probe) = committee.net.deploy(bytecode("Probe").into());
    let rule = serde_json::json!({
        "id": "closed", "reason": "closed by vote", "contract": probe, "method": "counter()",
        "count": { "max": 0, "window_secs": 60, "per": "account" },
    });
    let limit: concordat_core::rules::Limit = serde_json::from_value(rule).unwrap();
    let set = Action::SetLimit { id: "closed".into(), limit: limit.encode().into() };
    let asks = Say::call(probe, &Probe::counterCall {});
    let id = committee.propose(&set);
    committee.carry(id);
    let txs = [developer.sign(&asks), committee.members[1].sign(&execute(id)), developer.sign(&asks)];
    let receipts = committee.net.block(&txs).receipts;
    let outcomes: Vec<_> = receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, Outcome::RuleViolated]);
    let changed =
        receipts[1].logs.iter().find_map(|log| governance::LimitChanged::decode_log(log).ok()).unwrap();
    assert_eq!((changed.id.as_str(), changed.inForce, changed.proposalId), ("closed", true, id));
    let told = concordat_core::rules::abi::IRules::RuleViolated::abi_decode(&receipts[2].output).unwrap();
    assert_eq!((told.id.as_str(), told.proposal), ("closed", id));
    committee.pass(&Action::RepealLimit { id: "closed".into() });
    committee.net.one(&developer.sign(&asks));
}

#[test]
fn what_is_no_rule_is_refused_when_it_is_proposed() {
    let mut committee = Committee::new();
    let rule = |contract: Address| {
        let rule = serde_json::json!({
            "id": "rule", "reason": "a test", "contract": contract, "method": "vote(uint64,uint8,bytes32)",
            "count": { "max": 0, "window_secs": 60, "per": "account" },
        });
        serde_json::from_value::<concordat_core::rules::Limit>(rule)
    };
    let bytes = Bytes::from(rule(Address::repeat_byte(9)).unwrap().encode());
    assert!(rule(GOVERNANCE).is_err());
    // The bytes of a rule on governance itself.
    let at = bytes.windows(20).position(|part| part == [9; 20]).unwrap();
    let mut system = bytes.to_vec();
    system[at..at + 20].copy_from_slice(GOVERNANCE.as_slice());
    for (id, limit) in [("rule", system.into()), ("other", bytes.clone()), ("rule", bytes.slice(1..))] {
        let action = Action::SetLimit { id: id.into(), limit };
        assert_eq!(committee.refused(0, &propose(&action)), 76);
    }
    assert_eq!(committee.refused(0, &propose(&Action::RepealLimit { id: "rule".into() })), 77);
    assert_eq!(committee.pass(&Action::SetLimit { id: "rule".into(), limit: bytes.clone() }), 1);
    let again = Action::SetLimit { id: "rule".into(), limit: bytes };
    assert_eq!(committee.refused(0, &propose(&again)), 35);
}
