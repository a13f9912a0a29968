//! Golden payloads, limits, and what is no payload.

use std::collections::BTreeSet;

use alloy_primitives::U256;
use concordat_types::{ChainParams, MAX_TX_GAS, Role};

use super::*;

fn org() -> OrgId {
    "bank-e".parse().unwrap()
}

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(9), reference: "Order 7".into() }
}

fn attributes() -> Attributes {
    let hash = B256::repeat_byte(3);
    Attributes {
        auditor: "Lab".into(),
        report: hash,
        properties: vec![Property { text: "no reentrancy".into(), proof: hash }],
        rating: 90,
        source: hash,
        compiler: "solc".into(),
        valid_until: 500,
    }
}

fn deployment() -> Deployment {
    let (hash, account) = (B256::repeat_byte(3), Address::repeat_byte(7));
    Deployment {
        code: hash,
        source: hash,
        compiler: "solc".into(),
        reports: vec![hash],
        deployer: account,
        reviewers: vec![account],
        until: 500,
    }
}

pub(crate) fn rollback() -> Rollback {
    let (hash, contract) = (B256::repeat_byte(3), Address::repeat_byte(7));
    let slot = |slot: u64, before: u64, after: u64| SlotChange {
        contract,
        slot: U256::from(slot),
        before: U256::from(before),
        after: U256::from(after),
    };
    Rollback {
        basis: basis(),
        height: 500,
        root: hash,
        transactions: vec![Reversed { height: 501, hash }],
        slots: vec![slot(0, 2, 5), slot(256, 0, 7)],
    }
}

fn correction() -> Correction {
    Correction::Mint { to: Address::repeat_byte(7), amount: U256::from(100) }
}

/// An address of this byte as a word.
fn word(byte: &str) -> String {
    format!("{}{}", "00".repeat(12), byte.repeat(20))
}

/// One of each kind, in the order of codes, with its payload.
pub(crate) fn golden() -> Vec<(Action, String)> {
    let der = || vec![Bytes::from_static(b"der")];
    let (key, account) = (B256::repeat_byte(3), Address::repeat_byte(7));
    let (key_hex, account_hex, basis_hex) = (
        format!("a0{}", "03".repeat(32)),
        format!("94{}", "07".repeat(20)),
        format!("e9a0{}874f726465722037", "09".repeat(32)),
    );
    let admission = Admission {
        id: org(),
        name: "Bank E".into(),
        roots: der(),
        roles: BTreeSet::from([Role::Operator, Role::Validator]),
    };
    let validator = NewValidator {
        node_chain: der(),
        consensus_chain: der(),
        node_address: "e.example:26656".into(),
        power: 10,
    };
    let rule = Rule::initial(Kind::SetRule, 4);
    vec![
        (Action::AdmitOrganisation(admission), "d68662616e6b2d658642616e6b2045c483646572820410".into()),
        (Action::SuspendOrganisation(org()), "c78662616e6b2d65".into()),
        (Action::ReinstateOrganisation(org()), "c78662616e6b2d65".into()),
        (Action::ExpelOrganisation(org()), "c78662616e6b2d65".into()),
        (Action::SetAuthorities { id: org(), roots: der() }, "cc8662616e6b2d65c483646572".into()),
        (
            Action::RecoverKey { account, chain: der(), basis: basis() },
            format!("f844{account_hex}c483646572{basis_hex}"),
        ),
        (
            Action::AdmitValidator(validator),
            "dbc483646572c4836465728f652e6578616d706c653a32363635360a".into(),
        ),
        (Action::SetValidatorPower { consensus_key: key, power: 10 }, format!("e2{key_hex}0a")),
        (Action::RetireValidator { consensus_key: key }, format!("e1{key_hex}")),
        (Action::SetCommitteeMember { member: account, weight: 2 }, format!("d6{account_hex}02")),
        (
            Action::SetRule { kind: Kind::SetRule, rule },
            "d521d3821a0b821a0b02830186a00a830186a0808080".into(),
        ),
        (
            Action::FreezeAccount { account, scope: Scope::Outgoing, basis: basis(), until: 500 },
            format!("f843{account_hex}02{basis_hex}8201f4"),
        ),
        (
            Action::EmergencyFreeze { account, scope: Scope::All, basis: basis() },
            format!("f840{account_hex}01{basis_hex}"),
        ),
        (Action::UnfreezeAccount { account, basis: basis() }, format!("f83f{account_hex}{basis_hex}")),
        (Action::BarAccount { account, basis: basis() }, format!("f83f{account_hex}{basis_hex}")),
        (
            Action::LiftBar { target: BarTarget::Account(account), basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
        (Action::BarNode { node_key: key, basis: basis() }, format!("f84b{key_hex}{basis_hex}")),
        (
            Action::AdmitRegulator { account, mandate: mandate(account) },
            format!("f5{account_hex}df824445c0d6d5{account_hex}098201f4"),
        ),
        (Action::RetireRegulator { account }, format!("d5{account_hex}")),
        (
            Action::SetPolicy { id: "no-one".into(), text: "forbid (principal, action, resource);".into() },
            "ed866e6f2d6f6e65a5666f7262696420287072696e636970616c2c20616374696f6e2c207265736f75726365293b"
                .into(),
        ),
        (Action::RepealPolicy { id: "no-one".into() }, "c7866e6f2d6f6e65".into()),
        (
            Action::SetDeployList { kind: ListKind::Allow, add: vec![account], remove: vec![] },
            format!("d801d5{account_hex}c0"),
        ),
        (
            Action::SetLimit { id: "daily".into(), limit: Bytes::from_static(b"rule") },
            "cb856461696c798472756c65".into(),
        ),
        (Action::RepealLimit { id: "daily".into() }, "c6856461696c79".into()),
        (
            Action::FreezeContract { contract: account, basis: basis(), until: 500 },
            format!("f842{account_hex}{basis_hex}8201f4"),
        ),
        (
            Action::UnfreezeContract { contract: account, basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
        (
            Action::RetireContract { contract: account, basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
        (
            Action::SetContractAdministrator { contract: account, administrator: Address::ZERO },
            format!("ea{account_hex}94{}", "00".repeat(20)),
        ),
        (
            Action::EmergencyFreezeContract { contract: account, basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
        (
            Action::SetAttributes { contract: account, attributes: attributes() },
            format!(
                "f897{account_hex}f880834c6162{key_hex}f0ef8d6e6f207265656e7472616e6379{}5a{key_hex}84736f6c638201f4",
                key_hex
            ),
        ),
        (
            Action::RevokeAttributes { contract: account, basis: basis() },
            format!("f83f{account_hex}{basis_hex}"),
        ),
        (
            Action::DeployContract(deployment()),
            format!("f897{key_hex}{key_hex}84736f6c63e1{key_hex}{account_hex}d5{account_hex}8201f4"),
        ),
        (Action::RequireApproval { required: true }, "c101".into()),
        (
            Action::UpgradeContract { contract: account, implementation: Address::ZERO, migration: None },
            format!("ea{account_hex}94{}", "00".repeat(20)),
        ),
        (
            Action::UpgradeContract {
                contract: account,
                implementation: Address::ZERO,
                migration: Some(Bytes::from_static(&[1, 2, 3, 4])),
            },
            format!("ef{account_hex}94{}8401020304", "00".repeat(20)),
        ),
        (
            Action::RollBack(rollback()),
            format!(
                "f8a9{basis_hex}8201f4{key_hex}e5e48201f5{key_hex}f4d8{account_hex}800205da{account_hex}8201008007"
            ),
        ),
        (
            Action::Correct { contract: account, call: correction().encode(), basis: basis() },
            format!("f885{account_hex}b84440c10f19{}{}{basis_hex}", word("07"), "0".repeat(62) + "64"),
        ),
        (
            Action::SetParameters(Parameters::of(&ChainParams::default())),
            "d2834000008411e1a3008227108201f4821388".into(),
        ),
        (Action::SetProtocolVersion { version: 2, height: 500 }, "c4028201f4".into()),
    ]
}

#[test]
fn payloads_are_golden() {
    let all = golden();
    assert_eq!(all.iter().map(|(action, _)| action.kind()).collect::<Vec<_>>(), Kind::ALL);
    for (action, payload) in all {
        assert_eq!(hex::encode(action.encode()), payload, "{}", action.kind());
        assert_eq!(Action::decode(action.kind(), &action.encode()), Ok(action));
    }
}

#[test]
fn mutated_payloads_are_other_actions_or_none() {
    for (action, _) in golden() {
        let payload = action.encode();
        for (at, bit) in (0..payload.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = payload.to_vec();
            bytes[at] ^= 1 << bit;
            if let Ok(other) = Action::decode(action.kind(), &bytes) {
                assert_ne!(other, action);
                assert_eq!(other.encode(), bytes);
            }
        }
        let longer = [&payload[..], &[0]].concat();
        assert_eq!(Action::decode(action.kind(), &longer), Err(ActionError::Malformed(action.kind())));
        assert!(Action::decode(action.kind(), &[]).is_err());
    }
}

fn refused(action: Action) -> ActionError {
    Action::decode(action.kind(), &action.encode()).unwrap_err()
}

#[test]
fn what_exceeds_a_limit_is_refused() {
    let long = vec![0u8; MAX_PAYLOAD_BYTES + 1];
    assert!(matches!(Action::decode(Kind::SetRule, &long), Err(ActionError::TooLong { .. })));
    let roots = |count: usize, bytes: usize| vec![Bytes::from(vec![1; bytes]); count];
    for (count, bytes) in [(0, 1), (5, 1), (1, MAX_CERTIFICATE_BYTES + 1)] {
        refused(Action::SetAuthorities { id: org(), roots: roots(count, bytes) });
    }
    let admission =
        Admission { id: org(), name: "E".into(), roots: roots(1, 1), roles: BTreeSet::from([Role::Auditor]) };
    for name in ["", " E", "E\n", &"e".repeat(101)] {
        refused(Action::AdmitOrganisation(Admission { name: name.into(), ..admission.clone() }));
    }
    let roleless = Admission { roles: BTreeSet::new(), ..admission };
    assert_eq!(refused(Action::AdmitOrganisation(roleless)), ActionError::NoRole);
    let member = Address::repeat_byte(1);
    for weight in [MAX_WEIGHT + 1, u64::MAX] {
        let action = Action::SetCommitteeMember { member, weight };
        assert_eq!(refused(action), ActionError::Weight { have: weight });
    }
    let powerless = Action::SetValidatorPower { consensus_key: B256::ZERO, power: 0 };
    assert_eq!(refused(powerless), ActionError::NoPower);
    let rule = Rule { participation: 0, ..Rule::initial(Kind::SetRule, 1) };
    assert!(matches!(refused(Action::SetRule { kind: Kind::SetRule, rule }), ActionError::Rule { .. }));
    let reference = "x".repeat(MAX_REFERENCE_BYTES + 1);
    let basis = Basis { document: B256::ZERO, reference };
    refused(Action::UnfreezeAccount { account: member, basis });
}

#[test]
fn policies_have_ids_of_one_form_and_texts_within_bounds() {
    let set = |id: &str, text: &str| Action::SetPolicy { id: id.into(), text: text.into() };
    for id in ["ab", "office-hours", "a1", &"a".repeat(MAX_POLICY_ID_BYTES)] {
        assert_eq!(set(id, "x").validate(), Ok(()), "{id}");
        assert_eq!(Action::RepealPolicy { id: id.into() }.validate(), Ok(()), "{id}");
    }
    for id in
        ["", "a", "Ab", "1a", "-a", "a-", "a_b", "a b", "ä-b", "ab\n", &"a".repeat(MAX_POLICY_ID_BYTES + 1)]
    {
        let error = ActionError::PolicyId(id.chars().take(MAX_POLICY_ID_BYTES).collect());
        assert_eq!(refused(set(id, "x")), error);
        assert_eq!(refused(Action::RepealPolicy { id: id.into() }), error);
    }
    let (longest, most) = ("é".repeat(MAX_POLICY_TEXT_BYTES / 2), MAX_POLICY_TEXT_BYTES);
    let action = set("ab", &longest);
    assert_eq!(Action::decode(Kind::SetPolicy, &action.encode()), Ok(action));
    let too_long = ActionError::TooLong { what: "the policy's text", have: most + 1, most };
    assert_eq!(refused(set("ab", &format!("{longest}x"))), too_long);
    assert_eq!(refused(set("ab", "")), ActionError::NoPolicyText);
}

#[test]
fn a_policy_that_is_no_utf_8_or_has_other_fields_is_no_payload() {
    let text =
        |bytes: &'static [u8]| wire::encode(&vec![Bytes::from_static(b"ab"), Bytes::from_static(bytes)]);
    assert!(Action::decode(Kind::SetPolicy, &text(b"permit")).is_ok());
    for bytes in [&b"\xff"[..], b"permit\xc3", b"\xed\xa0\x80", b"\xc0\x80"] {
        let malformed = Err(ActionError::Malformed(Kind::SetPolicy));
        assert_eq!(Action::decode(Kind::SetPolicy, &text(bytes)), malformed);
    }
    let malformed = Err(ActionError::Malformed(Kind::RepealPolicy));
    assert_eq!(Action::decode(Kind::RepealPolicy, &text(b"permit")), malformed);
    let none = wire::encode(&Vec::<String>::new());
    assert_eq!(Action::decode(Kind::RepealPolicy, &none), malformed);
    assert_eq!(Action::decode(Kind::SetPolicy, &none), Err(ActionError::Malformed(Kind::SetPolicy)));
}

#[test]
fn a_bar_is_lifted_from_an_account_or_a_node_and_from_nothing_else() {
    let lift = |target: &[u8]| {
        let row = LiftRow { target: Bytes::copy_from_slice(target), basis: basis() };
        Action::decode(Kind::LiftBar, &wire::encode(&row))
    };
    let node = BarTarget::Node(B256::repeat_byte(3));
    assert_eq!(lift(&[3; 32]), Ok(Action::LiftBar { target: node, basis: basis() }));
    for length in [0, 1, 19, 21, 31, 33] {
        assert_eq!(lift(&vec![3; length]), Err(ActionError::Malformed(Kind::LiftBar)), "{length}");
    }
}

#[test]
fn recoveries_and_bars_name_where_their_reason_is_found() {
    let basis = Basis { document: B256::ZERO, reference: String::new() };
    let (account, chain) = (Address::ZERO, vec![Bytes::from_static(b"der")]);
    refused(Action::RecoverKey { account, chain, basis: basis.clone() });
    refused(Action::RecoverKey { account, chain: vec![], basis: self::basis() });
    refused(Action::BarAccount { account, basis: basis.clone() });
    refused(Action::BarNode { node_key: B256::ZERO, basis: basis.clone() });
    refused(Action::LiftBar { target: BarTarget::Account(account), basis });
}

#[test]
fn an_unknown_scope_is_no_freeze() {
    let row = EmergencyRow { account: Address::ZERO, scope: 3, basis: basis() };
    let decoded = Action::decode(Kind::EmergencyFreeze, &wire::encode(&row));
    assert_eq!(decoded, Err(ActionError::Malformed(Kind::EmergencyFreeze)));
    assert!("most".parse::<Scope>().is_err() && Scope::from_code(0).is_none());
}

#[test]
fn accounts_of_a_list_have_one_order_and_are_no_more_than_one_proposal_may_list() {
    let accounts = |range: std::ops::Range<u8>| range.map(Address::repeat_byte).collect::<Vec<_>>();
    let set = |add, remove| Action::SetDeployList { kind: ListKind::Deny, add, remove };
    assert_eq!(set(accounts(0..60), accounts(60..100)).validate(), Ok(()));
    let error = refused(set(accounts(0..60), accounts(60..101)));
    assert_eq!(error, ActionError::TooManyAccounts { have: 101 });
    assert!(error.to_string().contains("101 accounts, more than the 100 allowed"));
    let [one, two] = [1, 2].map(Address::repeat_byte);
    for list in [vec![two, one], vec![one, one]] {
        let what = "the accounts to add";
        assert_eq!(refused(set(list.clone(), vec![])), ActionError::Unordered { what });
        let what = "the accounts to remove";
        assert_eq!(refused(set(vec![], list)), ActionError::Unordered { what });
    }
    let both = set(vec![one, two], vec![two]);
    assert_eq!(refused(both), ActionError::AddedAndRemoved { account: two });
    let row = DeployListRow { kind: 3, add: vec![], remove: vec![] };
    let decoded = Action::decode(Kind::SetDeployList, &wire::encode(&row));
    assert_eq!(decoded, Err(ActionError::Malformed(Kind::SetDeployList)));
}

#[test]
fn an_administrator_is_told_with_its_contract_and_nothing_else() {
    for count in [0, 1, 3] {
        let payload = wire::encode(&vec![Address::ZERO; count]);
        let decoded = Action::decode(Kind::SetContractAdministrator, &payload);
        assert_eq!(decoded, Err(ActionError::Malformed(Kind::SetContractAdministrator)));
    }
}

#[test]
fn orders_on_contracts_say_why() {
    let (contract, basis) = (Address::repeat_byte(7), Basis { document: B256::ZERO, reference: " ".into() });
    for action in [
        Action::FreezeContract { contract, basis: basis.clone(), until: 0 },
        Action::UnfreezeContract { contract, basis: basis.clone() },
        Action::RetireContract { contract, basis: basis.clone() },
        Action::EmergencyFreezeContract { contract, basis },
    ] {
        assert_eq!(refused(action), ActionError::Text("the reference"));
    }
}

#[test]
fn kinds_of_lists_survive_their_codes_and_names() {
    for kind in ListKind::ALL {
        assert_eq!(ListKind::from_code(kind.code()), Some(kind));
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    assert_eq!(ListKind::from_code(3), None);
    assert!("some".parse::<ListKind>().unwrap_err().contains("none, allow and deny"));
}

#[test]
fn run_time_rules_have_ids_of_policies_and_bytes_within_bounds() {
    let set =
        |id: &str, limit: &[u8]| Action::SetLimit { id: id.into(), limit: Bytes::copy_from_slice(limit) };
    let longest = vec![7; MAX_LIMIT_BYTES];
    for action in [set("ab", &[0]), set("a1-b", &longest), Action::RepealLimit { id: "ab".into() }] {
        assert_eq!(Action::decode(action.kind(), &action.encode()), Ok(action));
    }
    for id in ["", "a", "Ab", "a-", "a b", &"a".repeat(MAX_POLICY_ID_BYTES + 1)] {
        let error = ActionError::LimitId(id.chars().take(MAX_POLICY_ID_BYTES).collect());
        assert_eq!(refused(set(id, &[0])), error);
        assert_eq!(refused(Action::RepealLimit { id: id.into() }), error);
    }
    assert_eq!(refused(set("ab", &[])), ActionError::NoLimit);
    let (have, most) = (MAX_LIMIT_BYTES + 1, MAX_LIMIT_BYTES);
    let too_long = ActionError::TooLong { what: "the rule", have, most };
    assert_eq!(refused(set("ab", &[&longest[..], &[7]].concat())), too_long);
}

#[test]
fn attributes_are_within_bounds_and_readable() {
    let set = |change: fn(&mut Attributes)| {
        let mut attributes = attributes();
        change(&mut attributes);
        Action::SetAttributes { contract: Address::ZERO, attributes }
    };
    let property = Property { text: "safe".into(), proof: B256::ZERO };
    let most = Attributes { properties: vec![property; MAX_PROPERTIES], rating: MAX_RATING, ..attributes() };
    assert_eq!(Action::SetAttributes { contract: Address::ZERO, attributes: most }.validate(), Ok(()));
    assert_eq!(set(|it| it.properties.clear()).validate(), Ok(()));
    assert_eq!(refused(set(|it| it.rating = 101)), ActionError::Rating { have: 101 });
    let many = set(|it| it.properties = vec![it.properties[0].clone(); 17]);
    assert_eq!(refused(many), ActionError::Properties { have: 17 });
    for (action, what) in [
        (set(|it| it.auditor = String::new()), "the auditor"),
        (set(|it| it.compiler = "solc\n".into()), "the compiler"),
        (set(|it| it.properties[0].text = " safe".into()), "a property"),
    ] {
        assert_eq!(refused(action), ActionError::Text(what));
    }
    let long = refused(set(|it| it.properties[0].text = "x".repeat(101)));
    assert_eq!(long, ActionError::TooLong { what: "a property", have: 101, most: 100 });
    let basis = Basis { document: B256::ZERO, reference: String::new() };
    let revoke = Action::RevokeAttributes { contract: Address::ZERO, basis };
    assert_eq!(refused(revoke), ActionError::Text("the reference"));
}

#[test]
fn attributes_hold_through_their_last_second() {
    let until = attributes();
    assert!(until.holds(500) && !until.holds(501));
    assert!(Attributes { valid_until: 0, ..until }.holds(u64::MAX));
}

#[test]
fn deployments_name_reviewers_in_order_and_no_more_than_may_be() {
    let with = |reviewers: std::ops::Range<u8>| {
        let reviewers = reviewers.map(Address::repeat_byte).collect();
        Action::DeployContract(Deployment { reviewers, ..deployment() })
    };
    assert_eq!(with(0..8).validate(), Ok(()));
    for (reviewers, have) in [(0..0, 0), (0..9, 9)] {
        assert_eq!(refused(with(reviewers)), ActionError::Reviewers { have });
    }
    let [one, two] = [1, 2].map(Address::repeat_byte);
    for reviewers in [vec![two, one], vec![one, one]] {
        let action = Action::DeployContract(Deployment { reviewers, ..deployment() });
        assert_eq!(refused(action), ActionError::Unordered { what: "the reviewers" });
    }
    let reports = vec![B256::ZERO; 9];
    let action = Action::DeployContract(Deployment { reports, ..deployment() });
    assert_eq!(refused(action), ActionError::Reports { have: 9 });
    let action = Action::DeployContract(Deployment { compiler: String::new(), ..deployment() });
    assert_eq!(refused(action), ActionError::Text("the compiler"));
}

#[test]
fn the_rule_on_approvals_has_one_form() {
    let required = |payload: &[u8]| Action::decode(Kind::RequireApproval, payload);
    assert_eq!(required(&[0xc1, 0x80]), Ok(Action::RequireApproval { required: false }));
    for payload in [&[0xc1, 0x00][..], &[0xc1, 0x02], &[0xc2, 0x01, 0x01], &[0xc0], &[0x01]] {
        assert_eq!(required(payload), Err(ActionError::Malformed(Kind::RequireApproval)));
    }
}

fn mandate(contract: Address) -> Mandate {
    Mandate {
        jurisdiction: "DE".into(),
        organisations: None,
        contracts: Some(BTreeSet::from([contract])),
        powers: crate::regulator::Power::from_bits(9).unwrap(),
        until: 500,
    }
}

#[test]
fn a_mandate_that_is_none_is_no_payload() {
    let account = Address::repeat_byte(7);
    let admit = |mandate| Action::AdmitRegulator { account, mandate };
    let idle = Mandate { powers: BTreeSet::new(), ..mandate(account) };
    assert_eq!(refused(admit(idle)), ActionError::NoPowerOfRegulator);
    let nowhere = Mandate {
        organisations: Some(BTreeSet::new()),
        contracts: Some(BTreeSet::new()),
        ..mandate(account)
    };
    assert_eq!(refused(admit(nowhere)), ActionError::CoversNothing);
    let lawless = Mandate { jurisdiction: String::new(), ..mandate(account) };
    assert_eq!(refused(admit(lawless)), ActionError::Text("the jurisdiction"));
    let payload = hex::encode(admit(mandate(account)).encode());
    for (good, bad) in [("098201f4", "208201f4"), ("098201f4", "a98201f4")] {
        let bytes = hex::decode(payload.replace(good, bad)).unwrap();
        let malformed = Err(ActionError::Malformed(Kind::AdmitRegulator));
        assert_eq!(Action::decode(Kind::AdmitRegulator, &bytes), malformed, "an unknown power");
    }
}

#[test]
fn parameters_lie_in_the_ranges_of_the_genesis_document() {
    let now = Parameters::of(&ChainParams::default());
    assert_eq!(Action::SetParameters(now).validate(), Ok(()));
    let least = MAX_TX_GAS;
    assert_eq!(
        refused(Action::SetParameters(Parameters { block_gas_limit: least - 1, ..now })).to_string(),
        "parameter block_gas_limit is 16777215 but must lie between 16777216 and 3000000000"
    );
    for (name, parameters) in [
        ("block_max_bytes", Parameters { block_max_bytes: 1, ..now }),
        ("block_max_bytes", Parameters { block_max_bytes: u64::MAX, ..now }),
        ("block_gas_limit", Parameters { block_gas_limit: u64::MAX, ..now }),
        ("empty_block_interval_ms", Parameters { empty_block_interval_ms: 0, ..now }),
        ("clock_precision_ms", Parameters { clock_precision_ms: 99, ..now }),
        ("message_delay_ms", Parameters { message_delay_ms: 999, ..now }),
    ] {
        let error = refused(Action::SetParameters(parameters));
        assert!(matches!(error, ActionError::Parameter(ref range) if range.name == name), "{error}");
    }
}

#[test]
fn an_upgrade_names_a_proxy_and_an_implementation_and_no_more() {
    let account = Address::repeat_byte(7);
    for addresses in [vec![], vec![account], vec![account; 4]] {
        let payload = wire::encode(&addresses);
        let malformed = Err(ActionError::Malformed(Kind::UpgradeContract));
        assert_eq!(Action::decode(Kind::UpgradeContract, &payload), malformed);
    }
}

#[test]
fn a_migration_names_a_function_of_the_implementation_within_bounds() {
    let account = Address::repeat_byte(7);
    let error = |call: &[u8]| {
        let migration = Some(Bytes::copy_from_slice(call));
        let action = Action::UpgradeContract { contract: account, implementation: account, migration };
        Action::decode(Kind::UpgradeContract, &action.encode()).err()
    };
    assert_eq!(error(&[1; 4]), None);
    assert_eq!(error(&[1; MAX_MIGRATION_BYTES]), None);
    for short in [&[][..], &[1; 3]] {
        assert_eq!(error(short), Some(ActionError::NoMigration));
    }
    let (have, most) = (MAX_MIGRATION_BYTES + 1, MAX_MIGRATION_BYTES);
    assert_eq!(error(&[1; MAX_MIGRATION_BYTES + 1]), Some(ActionError::TooLong { what: "the migration", have, most }));
    let own = alloy_primitives::keccak256("governedUpgrade(address)");
    assert_eq!(error(&own[..4]), Some(ActionError::MigrationUpgrades));
}

#[test]
fn an_upgrade_names_a_version_and_a_height_and_nothing_else() {
    for payload in ["c0", "c102", "c6028201f480", "c5028300f400", "02"] {
        let decoded = Action::decode(Kind::SetProtocolVersion, &hex::decode(payload).unwrap());
        assert_eq!(decoded, Err(ActionError::Malformed(Kind::SetProtocolVersion)), "{payload}");
    }
}

#[test]
fn a_rollback_tells_each_slot_and_transaction_once_and_in_order() {
    let with = |change: &dyn Fn(&mut Rollback)| {
        let mut rollback = rollback();
        change(&mut rollback);
        Action::RollBack(rollback)
    };
    assert_eq!(refused(with(&|it| it.slots.clear())), ActionError::Slots { have: 0 });
    let many = with(&|it| it.slots = vec![it.slots[0]; 257]);
    assert_eq!(refused(many), ActionError::Slots { have: 257 });
    let unordered = |what, order| ActionError::UnorderedRollback { what, order };
    let backwards = with(&|it| it.slots.reverse());
    let same = with(&|it| it.slots[1] = it.slots[0]);
    for action in [backwards, same] {
        assert_eq!(refused(action), unordered("slots", "contracts and slots"));
    }
    let twice = with(&|it| it.transactions = vec![it.transactions[0]; 2]);
    assert_eq!(refused(twice), unordered("transactions", "heights and hashes"));
    let stays = refused(with(&|it| it.slots[1].after = it.slots[1].before));
    let contract = Address::repeat_byte(7);
    assert_eq!(stays, ActionError::SlotStays { contract, slot: U256::from(256) });
    assert!(stays.to_string().starts_with("slot 0x100 of contract 0x0707"), "{stays}");
    let old = refused(with(&|it| it.transactions[0].height = 500));
    assert_eq!(old, ActionError::ReversedTooOld { hash: B256::repeat_byte(3), at: 500, height: 500 });
    let reversed = |height| Reversed { height, hash: B256::ZERO };
    let many = with(&|it| it.transactions = (501..566).map(reversed).collect());
    assert_eq!(refused(many), ActionError::ReversedTransactions { have: 65 });
    let silent = with(&|it| it.basis.reference = String::new());
    assert_eq!(refused(silent), ActionError::Text("the reference"));
}

#[test]
fn the_longest_rollback_is_a_payload() {
    let slot = |slot: u64| SlotChange {
        contract: Address::repeat_byte(7),
        slot: U256::MAX - U256::from(255 - slot),
        before: U256::MAX,
        after: U256::MAX - U256::ONE,
    };
    let longest = Action::RollBack(Rollback { slots: (0..256).map(slot).collect(), ..rollback() });
    assert_eq!(Action::decode(Kind::RollBack, &longest.encode()), Ok(longest));
}

#[test]
fn a_rollbacks_slots_have_a_digest() {
    let digest = "0xf13ea8af07017623614ba8556a99b8146d762893c5814bc64b360b0f7c68369f";
    assert_eq!(rollback().slots_digest().to_string(), digest);
    assert_eq!(rollback().contracts(), [Address::repeat_byte(7)]);
}

#[test]
fn a_correction_is_a_call_of_the_closed_list_with_a_basis() {
    let contract = Address::repeat_byte(7);
    let correct = |call: Bytes, basis| Action::Correct { contract, call, basis };
    assert_eq!(correct(correction().encode(), basis()).validate(), Ok(()));
    // transfer(address,uint256)
    let transfer = Bytes::from([&[0xa9, 0x05, 0x9c, 0xbb][..], &[0; 64]].concat());
    let error = refused(correct(transfer.clone(), basis()));
    assert_eq!(error, ActionError::NoCorrection(transfer));
    assert!(error.to_string().contains("forcedTransfer(address,address,uint256)"), "{error}");
    let longer = Bytes::from(vec![0; MAX_CORRECTION_BYTES + 1]);
    let too_long = ActionError::TooLong { what: "the call", have: 101, most: 100 };
    assert_eq!(refused(correct(longer, basis())), too_long);
    let nowhere = Basis { reference: String::new(), ..basis() };
    let error = refused(correct(correction().encode(), nowhere));
    assert_eq!(error, ActionError::Text("the reference"));
}
