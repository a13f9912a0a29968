//! Actions on policies, lists and run-time rules.

use super::*;

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
    let none = Vec::<Address>::new();
    let decoded = Action::decode(Kind::SetDeployList, &wire::list(&[&3u8, &none, &none]));
    assert_eq!(decoded, Err(ActionError::Malformed(Kind::SetDeployList)));
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
