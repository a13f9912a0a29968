//! Upgrades, rollbacks and corrections.

use super::*;

#[test]
fn an_upgrade_names_a_proxy_an_implementation_and_a_migration_and_no_more() {
    let account = Address::repeat_byte(7);
    for addresses in [vec![], vec![account; 2], vec![account; 4]] {
        let payload = wire::encode(&addresses);
        let malformed = Err(ActionError::Malformed(Kind::UpgradeContract));
        assert_eq!(Action::decode(Kind::UpgradeContract, &payload), malformed);
    }
}

#[test]
fn a_migration_names_a_function_of_the_implementation_within_bounds() {
    let account = Address::repeat_byte(7);
    let error = |call: &[u8]| {
        let migration = Bytes::copy_from_slice(call);
        let action = Action::UpgradeContract { contract: account, implementation: account, migration };
        Action::decode(Kind::UpgradeContract, &action.encode()).err()
    };
    for call in [&[][..], &[1; 4], &[1; MAX_MIGRATION_BYTES]] {
        assert_eq!(error(call), None);
    }
    assert_eq!(error(&[1; 3]), Some(ActionError::NoMigration));
    let (what, have, most) = ("the migration", MAX_MIGRATION_BYTES + 1, MAX_MIGRATION_BYTES);
    assert_eq!(error(&[1; MAX_MIGRATION_BYTES + 1]), Some(ActionError::TooLong { what, have, most }));
    let own = alloy_primitives::keccak256("governedUpgrade(address)");
    assert_eq!(error(&own[..4]), Some(ActionError::MigrationUpgrades));
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
