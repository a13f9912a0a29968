//! Calls that only ask: `eth_call`, `eth_estimateGas`, `eth_createAccessList`.
//!
//! They may speak for any account. Neither enrolment, role, policies, lists, nonce nor balance limits them, and frozen
//! contracts are read as others are: an order to stop a contract is none to hide it. What asking the policies and making
//! contracts costs is charged, for a caller who is enrolled as it would be in a block, so that an estimate suffices. Run-time rules bind accounts that are enrolled, as in a
//! block: a violation is told as a revert.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::TxKind;
use concordat_types::{Address, B256, Bytes, Log, ReadError, StateReader};
pub use revm::context_interface::transaction::{AccessList, AccessListItem};
use revm::{
    Inspector,
    context::TxEnv,
    context_interface::result::{EVMError, InvalidTransaction},
    state::EvmState,
};

use crate::{
    activity,
    contracts::Place,
    env::{BlockEnv, MAX_TX_GAS},
    error::{ExecError, TxInvalid},
    evm::{self, ChainEvm, EvmContext, Run, RunStatus},
    orders,
    overlay::Overlay,
    permissions::Asker,
    rules::{self, Bound},
    standing::Action,
    validity::{self, Wish},
};

/// Gas of the cheapest transaction.
const LEAST_TX_GAS: u64 = 21_000;

/// An estimate may exceed what is needed by one part in this many.
const ESTIMATE_PRECISION: u64 = 64;

/// Times that an access list is refined before it is taken as it is.
const ACCESS_LIST_ROUNDS: usize = 8;

/// State to pretend, by account.
pub type StateOverrides = BTreeMap<Address, AccountOverride>;

/// What to pretend about one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// Its nonce.
    pub nonce: Option<u64>,
    /// Its code.
    pub code: Option<Bytes>,
    /// Its whole storage; slots left out are zero.
    pub state: Option<BTreeMap<B256, B256>>,
    /// Single slots.
    pub state_diff: BTreeMap<B256, B256>,
}

/// A call that is only asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// The caller; anyone.
    pub from: Address,
    /// The callee; `None` to create a contract.
    pub to: Option<Address>,
    /// Gas to use at most; the block's limit if `None`.
    pub gas: Option<u64>,
    /// Call data or init code.
    pub input: Bytes,
    /// EIP-2930 access list.
    pub access_list: AccessList,
    /// State to pretend.
    pub overrides: StateOverrides,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// It returned.
    Success,
    /// It reverted; the output says why.
    Reverted,
    /// The machine stopped it, in go-ethereum's words.
    Halted(String),
}

/// What a call brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// How it ended.
    pub status: CallStatus,
    /// Gas used.
    pub gas_used: u64,
    /// Return or revert data; a creation returns the contract's code.
    pub output: Bytes,
    /// Events.
    pub logs: Vec<Log>,
    /// The contract that a creation made.
    pub contract_address: Option<Address>,
}

/// Why gas could not be estimated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EstimateError {
    /// It reverts, whatever gas it has.
    #[error("execution reverted")]
    Reverted {
        /// Revert data.
        output: Bytes,
    },
    /// The machine stops it, whatever gas it has.
    #[error("{reason}")]
    Halted {
        /// go-ethereum's words.
        reason: String,
    },
    /// It cannot be tried.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// An access list and what the call costs with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessListOutcome {
    /// All slots and accounts that the call touches, but for those that are warm anyway.
    pub access_list: AccessList,
    /// Gas used with the list.
    pub gas_used: u64,
    /// Why the call fails, if it does.
    pub error: Option<String>,
}

/// Runs a call and forgets what it changed.
pub fn call<R: StateReader>(
    reader: R,
    env: &BlockEnv,
    request: &CallRequest,
) -> Result<CallOutcome, ExecError> {
    let mut simulation = Simulation::new(reader, env, request, ())?;
    Ok(simulation.run(simulation.gas_cap)?.0.into())
}

/// The gas limit that a transaction like this needs, at most 1/64 more than the least. Found by bisection,
/// because what a call uses is not what it needs: it may keep gas back for calls of its own (EIP-150).
pub fn estimate_gas<R: StateReader>(
    reader: R,
    env: &BlockEnv,
    request: &CallRequest,
) -> Result<u64, EstimateError> {
    let mut simulation = Simulation::new(reader, env, request, ())?;
    let mut enough = simulation.gas_cap.min(MAX_TX_GAS);
    let (run, _) = simulation.run(enough)?;
    match run.status {
        RunStatus::Success => {}
        RunStatus::Reverted | RunStatus::Violated | RunStatus::Ordered => {
            return Err(EstimateError::Reverted { output: run.output });
        }
        RunStatus::Halted(reason) => return Err(EstimateError::Halted { reason: evm::halt_text(&reason) }),
    }
    // Refunds come after execution: what was used is a lower bound of what is needed.
    let mut too_little = run.gas_used.saturating_sub(1).max(LEAST_TX_GAS.saturating_sub(1));
    while enough.saturating_sub(too_little) > enough.div_euclid(ESTIMATE_PRECISION).max(1) {
        // A first guess near the lower bound saves most rounds.
        let middle = too_little.midpoint(enough).min(too_little.saturating_mul(2));
        match simulation.run(middle) {
            Ok((run, _)) if run.status == RunStatus::Success => enough = middle,
            Ok(_) | Err(ExecError::Invalid(_)) => too_little = middle,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(enough)
}

/// The access list that a call would profit from, refined until it no longer changes.
pub fn create_access_list<R: StateReader>(
    reader: R,
    env: &BlockEnv,
    request: &CallRequest,
) -> Result<AccessListOutcome, ExecError> {
    let mut simulation = Simulation::new(reader, env, request, ())?;
    let gas = simulation.gas_cap;
    let (mut run, mut touched) = simulation.run(gas)?;
    for _ in 0..ACCESS_LIST_ROUNDS {
        let list = simulation.access_list_of(&touched);
        if list == simulation.tx.access_list {
            break;
        }
        simulation.tx.access_list = list;
        (run, touched) = simulation.run(gas)?;
    }
    let error = match &run.status {
        RunStatus::Success => None,
        RunStatus::Reverted | RunStatus::Violated | RunStatus::Ordered => {
            Some("execution reverted".to_owned())
        }
        RunStatus::Halted(reason) => Some(evm::halt_text(reason)),
    };
    Ok(AccessListOutcome { access_list: simulation.tx.access_list, gas_used: run.gas_used, error })
}

impl From<Run> for CallOutcome {
    fn from(run: Run) -> Self {
        let status = match run.status {
            RunStatus::Success => CallStatus::Success,
            RunStatus::Reverted | RunStatus::Violated | RunStatus::Ordered => CallStatus::Reverted,
            RunStatus::Halted(reason) => CallStatus::Halted(evm::halt_text(&reason)),
        };
        Self {
            status,
            gas_used: run.gas_used,
            output: run.output,
            logs: run.logs,
            contract_address: run.created,
        }
    }
}

/// A machine that can try one call again and again.
pub(crate) struct Simulation<R: StateReader, I = ()> {
    machine: ChainEvm<R, I>,
    tx: TxEnv,
    /// Who asks, so that it pays for the same questions, and what the first of them costs.
    asking: (Option<Asker>, u64),
    bound: Option<Bound>,
    height: u64,
    max_init_code_bytes: usize,
    pub(crate) gas_cap: u64,
}

impl<R: StateReader, I> Simulation<R, I> {
    pub(crate) fn new(
        reader: R,
        env: &BlockEnv,
        request: &CallRequest,
        inspector: I,
    ) -> Result<Self, ExecError> {
        let mut config = env.evm_config()?;
        config.disable_nonce_check = true;
        config.disable_eip3607 = true;
        config.tx_gas_limit_cap = Some(u64::MAX);
        let mut overlay = Overlay::new(reader).within(env);
        pretend(&mut overlay, &request.overrides)?;
        let nonce = overlay.account(request.from)?.nonce;
        let asking = asking(&mut overlay, env, request)?;
        let bound = match &asking.0 {
            Some(Asker { sender, time_secs, .. }) => Bound::new(overlay.limits()?, sender, *time_secs),
            None => None,
        };
        let tx = TxEnv {
            tx_type: evm::evm_type(&request.access_list),
            caller: request.from,
            gas_price: 0,
            kind: request.to.map_or(TxKind::Create, TxKind::Call),
            data: request.input.clone(),
            nonce,
            chain_id: Some(env.chain_id),
            access_list: request.access_list.clone(),
            ..TxEnv::default()
        };
        let gas_cap = request.gas.unwrap_or(u64::MAX).min(env.params.block_gas_limit);
        let max_init_code_bytes = env.tx_rules()?.max_init_code_bytes;
        let machine = evm::build(overlay, config, env.evm_block(), inspector);
        Ok(Self { machine, tx, asking, bound, height: env.height, max_init_code_bytes, gas_cap })
    }

    /// Tries the call with so much gas; gives what it touched along.
    pub(crate) fn run(&mut self, gas: u64) -> Result<(Run, EvmState), ExecError> {
        let tx = self.tx_with(gas);
        let result = self.machine.run(tx, self.asking.clone(), self.bound.clone());
        self.settle(result, gas)
    }

    /// The same, watched.
    pub(crate) fn run_inspected(&mut self, gas: u64) -> Result<(Run, EvmState), ExecError>
    where
        I: Inspector<EvmContext<R>>,
    {
        let tx = self.tx_with(gas);
        let result = self.machine.run_inspected(tx, self.asking.clone(), self.bound.clone());
        self.settle(result, gas)
    }

    /// Gives the inspector back.
    pub(crate) fn into_inspector(self) -> I {
        self.machine.into_inspector()
    }

    fn tx_with(&self, gas: u64) -> TxEnv {
        let tx_type = evm::evm_type(&self.tx.access_list);
        TxEnv { gas_limit: gas, tx_type, ..self.tx.clone() }
    }

    fn settle(&mut self, result: evm::EvmResult, gas: u64) -> Result<(Run, EvmState), ExecError> {
        let touched = self.machine.finalize();
        let bound = self.machine.bound();
        let overlay = self.machine.overlay();
        match result {
            Ok(result) => {
                let mut run = Run::from(result);
                if let Some(bound) = &bound {
                    rules::enforce(bound, overlay, gas, &mut run)?;
                }
                orders::keep_tokens(overlay, self.height, gas, &mut run)?;
                overlay.discard_staged();
                activity::charge(gas, &mut run);
                Ok((run, touched))
            }
            Err(EVMError::Transaction(error)) => {
                overlay.discard_staged();
                Err(invalid(error, gas, (self.tx.data.len(), self.max_init_code_bytes)))
            }
            Err(error) => {
                overlay.discard_staged();
                Err(evm::machine_error(overlay, error))
            }
        }
    }

    /// The accounts and slots of a run, without those that are warm anyway.
    fn access_list_of(&self, touched: &EvmState) -> AccessList {
        let target = self.tx.kind.to().copied();
        let warm = |address: &Address| {
            *address == self.tx.caller
                || *address == Address::ZERO
                || target == Some(*address)
                || self.machine.is_warm(address)
        };
        let entries: BTreeMap<Address, BTreeSet<B256>> = touched
            .iter()
            .map(|(address, account)| {
                (*address, account.storage.keys().map(|slot| B256::from(*slot)).collect::<BTreeSet<_>>())
            })
            .filter(|(address, slots)| !slots.is_empty() || !warm(address))
            .collect();
        let items = entries
            .into_iter()
            .map(|(address, slots)| AccessListItem { address, storage_keys: slots.into_iter().collect() });
        AccessList(items.collect())
    }
}

/// Who asks, if it is enrolled, bound by no answer; and what the enacted policies add to the price of what it asks for.
fn asking<R: StateReader>(
    overlay: &mut Overlay<R>,
    env: &BlockEnv,
    request: &CallRequest,
) -> Result<(Option<Asker>, u64), ExecError> {
    let Some(enrolled) = overlay.standing(request.from)? else { return Ok((None, 0)) };
    let asker = Asker { binds: false, ..validity::asker(overlay, &enrolled, env)? };
    let kind = request.to.map_or(TxKind::Create, TxKind::Call);
    let wish = Wish { account: request.from, kind, input: &request.input };
    let deed = validity::deed(&wish, Action::of(kind, wish.input));
    let known = validity::known(overlay, Place { account: enrolled.identity, height: env.height }, &deed)?;
    let price = asker.price(&deed, &known);
    Ok((Some(asker), price))
}

fn pretend<R: StateReader>(overlay: &mut Overlay<R>, overrides: &StateOverrides) -> Result<(), ReadError> {
    for (address, account) in overrides {
        overlay.override_account(*address, account.nonce, account.code.as_ref())?;
        if account.state.is_some() {
            overlay.replace_storage(*address)?;
        }
        for (slot, word) in account.state.iter().flatten().chain(&account.state_diff) {
            overlay.override_slot(*address, *slot, *word)?;
        }
    }
    Ok(())
}

/// What revm objects to in a call, in our words.
fn invalid(error: InvalidTransaction, have: u64, (size, limit): (usize, usize)) -> ExecError {
    match error {
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas: want, .. } => {
            TxInvalid::IntrinsicGas { have, want }.into()
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor: want, .. } => {
            TxInvalid::FloorGas { have, want }.into()
        }
        InvalidTransaction::CreateInitCodeSizeLimit => TxInvalid::InitCodeTooLarge { size, limit }.into(),
        InvalidTransaction::NonceOverflowInTransaction => TxInvalid::NonceMax.into(),
        other => ExecError::Internal(other.to_string()),
    }
}
