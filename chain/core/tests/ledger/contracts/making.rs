//! Who stands behind a contract, and what its row costs.

use super::*;

#[test]
fn the_one_who_signed_stands_behind_what_it_makes_by_a_transaction_and_by_a_factory() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let made_at = net.height;
    let outcome = net.block(&[
        developer.sign(&Say::call(probe, &Probe::makeCall { value: U256::from(5) })),
        developer.sign(&Say::call(probe, &Probe::make2Call { value: U256::from(6) })),
    ]);
    let rows = outcome.changes.iter().filter(|(key, _)| key.as_bytes().starts_with(&[0x10, 0x40]));
    let rows: Vec<_> = rows.map(|(_, row)| row.clone().unwrap()).collect();
    let account = format!("94{}", hex::encode(developer.address));
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(hex::encode(row), format!("f6{account}8662616e6b2d61{account}{made_at:02x}80808080"));
    }
    for address in [probe, probe.create(1)] {
        let told = info(&net, address);
        assert!(told.exists && told.creator == developer.address && told.administrator == developer.address);
        assert_eq!(
            (told.organisation.as_str(), told.status, told.list, told.methodLists),
            ("bank-a", 0, 0, 0)
        );
    }
    assert_eq!(info(&net, probe.create(1)).created, made_at);
    assert_eq!(net.ask(probe.create(1), &Child::valueCall {}), U256::from(5));
}

#[test]
fn what_dies_fails_or_has_no_code_has_no_row() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let empty = deploy(&mut net, &developer, creator(0xf0));
    let rows = |outcome: &concordat_core::BlockOutcome| {
        outcome.changes.keys().filter(|key| key.as_bytes().starts_with(&[0x10, 0x40])).count()
    };
    for tx in [
        developer.sign(&Say::call(probe, &Probe::mayflyCall {})),
        developer.sign(&to(empty)),
        developer.sign(&Say::call(probe, &Probe::makeCall { value: U256::from(1) }).gas(120_000)),
        developer.sign(&Say::deploy(Bytes::new())),
        developer.sign(&Say::deploy(Bytes::from_static(&[0xfe]))),
    ] {
        assert_eq!(rows(&net.block(&[tx])), 0);
    }
    for address in [developer.address, CONTRACTS, Address::with_last_byte(4), Address::repeat_byte(9)] {
        let told = info(&net, address);
        assert!(!told.exists && told.creator.is_zero());
    }
}

#[test]
fn a_creation_pays_for_its_row_where_it_begins() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    // The intrinsic gas of a creation, and the row.
    let want = 53_000 + gas::CONTRACT_MADE;
    let poor = developer.sign_at(&Say::deploy(Bytes::new()).gas(want - 1), developer.nonce.get());
    assert_eq!(net.invalid(&poor), TxInvalid::IntrinsicGas { have: want - 1, want });
    let receipt = net.one(&developer.sign(&Say::deploy(Bytes::new()).gas(want)));
    assert_eq!(receipt.gas_used, want);
    let cost = |net: &mut Consortium, times: usize| {
        // create(0, 0, 0) and forget it, so many times.
        let mut code = [0x5f, 0x5f, 0x5f, 0xf0, 0x50].repeat(times);
        code.push(0x00);
        code.extend_from_slice(&crate::permissions::RETURN_OR_REVERT);
        let factory = deploy(net, &developer, crate::permissions::deployment(&code));
        net.one(&developer.sign(&to(factory))).gas_used
    };
    let [none, once, twice] = [0, 1, 2].map(|times| cost(&mut net, times));
    let create = 3 * 2 + 2 + 32_000 + gas::CONTRACT_MADE;
    // The list of who may deploy binds nobody: its kind is one row.
    assert_eq!(once - none, create + gas::PERMISSION + gas::ROW_READ);
    assert_eq!(twice - once, create + gas::PERMISSION_AGAIN);
}

#[test]
fn estimates_suffice_for_deployments_factories_and_listed_contracts() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, probe));
    let method = Probe::makeCall::SELECTOR;
    net.block(&[
        developer.sign(&set_list(probe, ALLOW)),
        developer.sign(&add(probe, &[developer.address])),
        developer.sign(&set_method_list(probe, method, DENY)),
    ]);
    let make = Bytes::from(Probe::makeCall { value: U256::from(1) }.abi_encode());
    let asked =
        [(None, token_init_code(5)), (None, Bytes::new()), (Some(probe), make.clone()), (Some(router), make)];
    for (to, input) in asked {
        let request = concordat_core::CallRequest {
            from: developer.address,
            to,
            input: input.clone(),
            ..Default::default()
        };
        let gas = concordat_core::estimate_gas(&net.state, &net.env(), &request).unwrap();
        net.one(&developer.sign(&Say { to: to.map_or(TxKind::Create, TxKind::Call), input, gas }));
    }
}

#[test]
fn a_creation_that_cannot_pay_for_its_row_makes_nothing() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let factory = deploy(&mut net, &developer, creator(0xf0));
    let needs = gas::PERMISSION + gas::ROW_READ + gas::CONTRACT_MADE;
    // What the creation can have is all but a 64th of what is left.
    let spare = |gas: u64| 21_000 + 32_000 + 20 + (gas * 64).div_ceil(63);
    let poor = net.try_one(&developer.sign(&to(factory).gas(spare(needs - 100))));
    assert_eq!((poor.outcome, poor.output.len()), (Outcome::Reverted, 0), "{poor:?}");
    net.one(&developer.sign(&to(factory).gas(spare(needs + 100))));
}

#[test]
fn a_registry_that_cannot_be_read_is_no_verdict() {
    let mut net = Consortium::new();
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let router = deploy(&mut net, &developer, caller(0xf1, probe));
    net.one(&developer.sign(&set_list(probe, DENY)));
    let member = [probe.as_slice(), developer.address.as_slice()].concat();
    for (key, say) in [
        (StateKey::system(0x40, probe.as_slice()), count(probe)),
        (StateKey::system(0x40, probe.as_slice()), Say { to: TxKind::Call(router), ..count(probe) }),
        (StateKey::system(0x42, &member), count(probe)),
        (StateKey::system(0x43, &[]), Say::deploy(Bytes::new())),
    ] {
        let mut broken = net.state.clone();
        broken.values.insert(key, vec![0xff]);
        let mut executor = concordat_core::BlockExecutor::new(&broken, net.env()).unwrap();
        let error = executor.execute(&developer.sign_at(&say, developer.nonce.get())).unwrap_err();
        assert!(matches!(error, ExecError::State(ReadError::Store { .. })), "{error:?}");
    }
}
