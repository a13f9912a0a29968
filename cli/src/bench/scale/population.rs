//! A state with many enrolled accounts, made as a whole, and transfers among them.
//!
//! Every account has what enrolment and a first payment leave: its entry in the registry, the way from its
//! certificate to it, a nonce and a balance. Keys are made only for those who will send.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256, TxKind, U256, keccak256};
use alloy_sol_types::SolValue as _;
use concordat_core::{Account as Entry, AccountState, BlockEnv, BlockExecutor, Registry, genesis_state};
use concordat_types::{ChangeSet, Genesis, Role, SignedTx, StateKey, ValidatorSet, state::MemoryState};
use eyre::{Result, bail, eyre};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use secp256k1::{PublicKey, SECP256K1, SecretKey};
use sha2::{Digest as _, Sha256};

use super::super::{
    accounts::{self, Signed},
    network::Processes,
};
use crate::transaction::{Act, Place, sign_ethereum};

/// What each account has: more than it can spend.
const BALANCE: u64 = 1_000_000_000;

/// Where the token keeps its balances: OpenZeppelin's `_balances` is the first variable.
const BALANCES_SLOT: u64 = 0;

/// Accounts, and transfers among them that wait to be made.
pub struct Population {
    /// The state that holds them.
    pub state: ChangeSet,
    /// The token that they transfer.
    pub token: Address,
    /// The validators of the genesis.
    pub validators: ValidatorSet,
    /// Signed transfers, in an order that suits every sender's nonces.
    pub transfers: Vec<Signed>,
}

/// Transfers whose senders and payees are drawn uniformly.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// From the first so many accounts.
    pub among: usize,
    /// How many.
    pub transfers: usize,
}

/// A transfer that is not signed yet.
struct Plan {
    from: usize,
    to: usize,
    nonce: u64,
}

impl Population {
    /// `accounts` accounts and the transfers of all loads, one load after the other.
    pub fn new(
        nodes: &Processes,
        genesis: &Genesis,
        accounts: usize,
        loads: &[Load],
        seed: u64,
    ) -> Result<Self> {
        let founding = Founding::new(nodes, genesis, seed)?;
        let plans = plan(loads, seed);
        let keys = keys_of(&plans, seed);
        let address = |index: usize| match keys.get(&index) {
            Some((_, address)) => *address,
            None => Address::from_slice(&digest(&format!("address {seed}/{index}"))[..20]),
        };
        let registry = Registry::new(&founding.state);
        let mut state: ChangeSet =
            founding.state.values.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let nonce = AccountState { nonce: 1, last_active: 0, code_hash: None }.encode();
        let balance = U256::from(BALANCE).to_be_bytes_trimmed_vec();
        for index in 0..accounts {
            let address = address(index);
            let rows = registry.account_rows(&entry(&founding.model, address, index))?;
            state.extend(rows.ok_or_else(|| eyre!("the operator's authority has no number"))?);
            state.insert(StateKey::account(address), Some(nonce.clone()));
            let slot = keccak256((address, U256::from(BALANCES_SLOT)).abi_encode());
            state.insert(StateKey::storage(founding.token, slot), Some(balance.clone()));
        }
        let sign = |plan: &Plan| {
            let (secret, _) = &keys[&plan.from];
            let act = accounts::transfer(founding.token, address(plan.to), 1);
            let gas = accounts::TRANSFER_GAS;
            let place = Place { chain_id: genesis.evm_chain_id, nonce: plan.nonce, gas, height: 0 };
            Signed::new(sign_ethereum(secret, &act, place))
        };
        let transfers = on_all_cores(&plans, sign);
        Ok(Self { state, token: founding.token, validators: founding.validators, transfers })
    }
}

/// The state before the accounts: the genesis, the token, and one account that really enrolled.
struct Founding {
    state: MemoryState,
    validators: ValidatorSet,
    token: Address,
    model: Entry,
}

impl Founding {
    fn new(nodes: &Processes, genesis: &Genesis, seed: u64) -> Result<Self> {
        let mut authorities = accounts::open_authorities(&nodes.network, &nodes.folder())?;
        let authority = authorities.first_mut().ok_or_else(|| eyre!("the network has no organisation"))?;
        let chain_id = genesis.evm_chain_id;
        let (mut developer, enrolment) =
            accounts::certified(authority, chain_id, Role::Developer, &format!("{seed}/developer"))?;
        let (operator, second) =
            accounts::certified(authority, chain_id, Role::Operator, &format!("{seed}/operator"))?;
        let token = developer.address.create(developer.next_nonce);
        let gas = Some(accounts::DEPLOY_GAS);
        let act = Act { to: TxKind::Create, input: accounts::token_init_code()?, gas };
        let deployment = developer.sign(chain_id, &act);
        let founded = genesis_state(genesis)?;
        let mut state = MemoryState::default();
        state.apply(&founded.changes);
        let changes = execute(&state, genesis, &[enrolment, second, deployment])?;
        state.apply(&changes);
        let model = Registry::new(&state).account(operator.address)?;
        Ok(Self {
            model: model.ok_or_else(|| eyre!("the operator is not enrolled"))?,
            state,
            validators: founded.validators,
            token,
        })
    }
}

fn execute(state: &MemoryState, genesis: &Genesis, txs: &[Signed]) -> Result<ChangeSet> {
    let env = BlockEnv {
        chain_id: genesis.evm_chain_id,
        height: 1,
        time_secs: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        params: genesis.params,
        recent_signers: None,
    };
    let chain_id = env.chain_id;
    let mut executor = BlockExecutor::new(state, env)?;
    for tx in txs {
        let receipt = executor.execute(&SignedTx::parse(tx.raw.clone())?.verify(chain_id)?)?;
        if !receipt.outcome.succeeded() {
            bail!("the state cannot be made: {}", receipt.outcome.describe());
        }
    }
    Ok(executor.finish()?.changes)
}

/// The registry's entry of an account: that of `model`, with another certificate.
fn entry(model: &Entry, address: Address, index: usize) -> Entry {
    let mut entry = Entry { address, common_name: format!("account {index}"), ..model.clone() };
    let certificate = digest(&format!("certificate {index}"));
    entry.fingerprint = B256::from(certificate);
    if let Some(own) = entry.path.first_mut() {
        // Serial numbers have no leading zeros.
        let serial: Vec<u8> = std::iter::once(1).chain(certificate.into_iter().take(15)).collect();
        own.serial = serial.into();
    }
    entry
}

fn plan(loads: &[Load], seed: u64) -> Vec<Plan> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut nonces: HashMap<usize, u64> = HashMap::new();
    let mut next = |among: usize| {
        let (from, to) = (random.random_range(0..among), random.random_range(0..among));
        let nonce = nonces.entry(from).or_insert(1);
        let plan = Plan { from, to, nonce: *nonce };
        *nonce += 1;
        plan
    };
    let each = loads.iter().flat_map(|load| std::iter::repeat_n(load.among, load.transfers));
    each.map(&mut next).collect()
}

fn keys_of(plans: &[Plan], seed: u64) -> HashMap<usize, (SecretKey, Address)> {
    let mut senders: Vec<usize> = plans.iter().map(|plan| plan.from).collect();
    senders.sort_unstable();
    senders.dedup();
    let key = |index: &usize| {
        let secret = SecretKey::from_byte_array(digest(&format!("key {seed}/{index}"))).ok()?;
        let point = PublicKey::from_secret_key(SECP256K1, &secret).serialize_uncompressed();
        let address = Address::from_raw_public_key(&point[1..]);
        Some((*index, (secret, address)))
    };
    on_all_cores(&senders, key).into_iter().flatten().collect()
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Maps in order, on all cores.
fn on_all_cores<T: Sync, U: Send>(items: &[T], map: impl Fn(&T) -> U + Sync) -> Vec<U> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (share, map) = (items.len().div_ceil(cores).max(1), &map);
    std::thread::scope(|scope| {
        let parts: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(map).collect::<Vec<U>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("signing does not panic")).collect()
    })
}
