//! Rows of recoveries, and what they cost.

use super::*;

#[test]
fn the_rows_of_a_recovery_are_golden() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    net.one(&registrars[0].sign(&request(&old, &new)));
    let row = |net: &Consortium, table: u8, key: &Actor| {
        net.state.get(&StateKey::system(table, key.address.as_slice())).unwrap().map(hex::encode)
    };
    let told = pending(&net, &old);
    let address = |actor: &Actor| format!("94{}", hex::encode(actor.address));
    let request = format!("f84ca0{}{}{}04", hex::encode(told.digest), address(&new), address(&registrars[0]));
    assert_eq!(row(&net, 0x0f, &old), Some(request));
    net.height = told.earliest;
    net.one(&registrars[1].sign(&confirm(&old, &new)));
    assert_eq!(row(&net, 0x0f, &old), None);
    assert_eq!((row(&net, 0x0d, &new), row(&net, 0x0e, &old)), (Some(address(&old)), Some(address(&new))));
    assert_eq!((row(&net, 0x0d, &old), row(&net, 0x0e, &new)), (None, None));
    let standing = row(&net, 0x03, &new).unwrap();
    assert!(standing.starts_with("8480"), "active operator, rebound: {standing}");
}

/// Reads of a state, noted down.
struct Noted<'a> {
    state: &'a MemoryState,
    read: Mutex<Vec<StateKey>>,
}

impl StateReader for Noted<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadError> {
        self.read.lock().unwrap().push(key.clone());
        self.state.get(key)
    }

    fn block_hash(&self, height: u64) -> Result<Option<B256>, ReadError> {
        self.state.block_hash(height)
    }
}

/// The tables of system contracts that a block of one transaction of an actor reads.
fn tables_read(net: &Consortium, actor: &Actor) -> Vec<u8> {
    let noted = Noted { state: &net.state, read: Mutex::default() };
    let mut executor = BlockExecutor::new(&noted, net.env()).unwrap();
    executor.execute(&actor.sign_at(&business(), actor.nonce.get())).unwrap();
    executor.finish().unwrap();
    let read = noted.read.lock().unwrap();
    read.iter()
        .filter_map(|key| if let [0x10, table, ..] = key.as_bytes() { Some(*table) } else { None })
        .collect()
}

#[test]
fn only_the_transactions_of_new_keys_cost_a_further_read() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let other = enrolled(&mut net, "bank-a", Role::Operator, "Otto");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    replace(&mut net, &registrars, &old, &new);
    let plain = tables_read(&net, &other);
    assert!(plain.iter().all(|table| !(0x0d..=0x12).contains(table)), "{plain:02x?}");
    let rebound = tables_read(&net, &new);
    assert_eq!(rebound.len(), plain.len() + 1);
    assert_eq!(rebound.iter().filter(|table| **table == 0x0d).count(), 1);
}

impl Consortium {
    /// What a contract that forwards its input to the registry answers.
    fn ask_forwarded(&self, from: Address, input: &Bytes) -> concordat_core::CallOutcome {
        let mut code =
            hex::decode("3660006000376000600036600060007300000000000000000000000000000000000000005af1")
                .unwrap();
        let place = code.len() - 22;
        code[place..place + 20].copy_from_slice(IDENTITY_REGISTRY.as_slice());
        code.extend(hex::decode("3d6000803e3d6000f3").unwrap());
        let forwarder = Address::repeat_byte(0x77);
        let pretended = concordat_core::AccountOverride { code: Some(code.into()), ..Default::default() };
        let request = concordat_core::CallRequest {
            from,
            to: Some(forwarder),
            input: input.clone(),
            overrides: [(forwarder, pretended)].into(),
            ..Default::default()
        };
        concordat_core::call(&self.state, &self.env(), &request).unwrap()
    }
}

#[test]
fn contracts_ask_and_never_recover_and_too_little_gas_changes_nothing() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    for say in [request(&old, &new), confirm(&old, &new), cancel(&old)] {
        let forwarded = net.ask_forwarded(registrars[0].address, &say.input);
        assert!(registry::OnlyDirectTransaction::abi_decode(&forwarded.output).is_ok(), "{forwarded:?}");
    }
    let asked = registry::identityOfCall { account: old.address }.abi_encode();
    let answer = net.ask_forwarded(registrars[0].address, &asked.into());
    assert_eq!(answer.status, CallStatus::Success);
    assert_eq!(answer.output, old.address.abi_encode());
    let poor = request(&old, &new).gas(150_000);
    assert_eq!(net.try_one(&registrars[0].sign(&poor)).outcome, Outcome::Halted);
    assert!(!pending(&net, &old).pending);
}
