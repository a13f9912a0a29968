//! The EVM that asks the policies before a contract calls or creates another one.
//!
//! revm makes each frame by [`EvmTr::frame_init`], with and without an inspector: hence that is where they are asked,
//! and a trace sees what execution does. A transaction's own call or creation is asked about before it runs
//! (`validity`). Nothing is asked for Ethereum's precompiles, and for system contracts, which only answer contracts.
//!
//! Each frame pays for its question ([`gas::PERMISSION`], the rows that it reads, and the enacted policies that it
//! concerns), and each creation for the row of the contract that it makes ([`gas::CONTRACT_MADE`]). Calls that only read
//! are bound by no answer, and pay as well.
//!
//! A frozen or retired contract's code runs in no transaction, whoever calls it and how. Calls that only read still read
//! it: what it holds stays known.
//!
//! Where a run-time rule watches calls, those that get a frame are marked in the journal's logs, inside of that frame
//! (`rules::enforce`); they pay [`gas::RULE`] for each rule. Calls of foreign code as one's own are calls of no method, while
//! a contract that delegates to itself, as by a multicall, calls its own.
//!
//! What the committee has decided is not asked about again: calls that follow a decision ([`Then`]), with the code that
//! the contract runs as its own. What that contract has others do is asked about and held against run-time rules as if the
//! sender had called it, since others than the committee decide whom it calls. Freezes bind everywhere. And it stands whole
//! or not at all: where anything inside runs out of gas or is refused, the decided call reverts, also if the contract would
//! go on without it (docs/adr/0050).

mod decided;

use std::collections::BTreeMap;

use concordat_permissions::Action;
use concordat_types::{Address, B256, Bytes, StateReader};
use revm::{
    Inspector,
    context::{
        Block as _, ContextSetters as _, ContextTr as _, FrameStack, JournalTr as _, LocalContextTr as _,
        TxEnv,
    },
    context_interface::context::ContextError,
    handler::{
        EthFrame, EvmTr, FrameInitOrResult, FrameResult, Handler as _, ItemOrResult, MainnetHandler,
        evm::{ContextDbError, FrameInitResult},
        instructions::EthInstructions,
    },
    inspector::{InspectorEvmTr, InspectorHandler as _},
    interpreter::{
        CallInput, CallInputs, CallOutcome, CallScheme, CreateOutcome, FrameInput, Gas, InstructionResult,
        InterpreterResult, interpreter::EthInterpreter, interpreter_action::FrameInit,
    },
    state::EvmState,
};

use crate::{
    contracts::{self, Halted, Known, Place, Unapproved},
    evm::{EvmContext, EvmResult, Machine},
    orders,
    overlay::{Overlay, StateFailure},
    permissions::{Asker, Deed},
    rules::{Bound, SeenCall},
    system::{GasMeter, Rows as _, SystemError, SystemPrecompiles, gas},
};

use decided::Decided;

type Frame = EthFrame<EthInterpreter>;
type Instructions<R> = EthInstructions<EthInterpreter, EvmContext<R>>;

/// The machine, and who asks for what contracts do in the running transaction.
pub(crate) struct ChainEvm<R: StateReader, I = ()> {
    machine: Machine<R, I>,
    /// `None` where all is open: for calls of nobody who is enrolled, and for enrolments, which call no contract.
    asker: Option<Asker>,
    /// What asking about the running transaction itself costs.
    asking: u64,
    /// What was asked in this transaction, and the data of refusals.
    asked: BTreeMap<Deed, Option<Bytes>>,
    /// The run-time rules that bind the running transaction; `None` where none is watched.
    bound: Option<Bound>,
    /// The contract that what runs calls by a decision of the committee.
    decided: Option<Decided>,
}

impl<R: StateReader, I> ChainEvm<R, I> {
    pub(crate) const fn new(machine: Machine<R, I>) -> Self {
        Self { machine, asker: None, asking: 0, asked: BTreeMap::new(), bound: None, decided: None }
    }

    /// Runs a transaction. Its changes wait in the journal for [`Self::finalize`].
    pub(crate) fn run(&mut self, tx: TxEnv, asking: (Option<Asker>, u64), bound: Option<Bound>) -> EvmResult {
        self.prepare(tx, asking, bound);
        MainnetHandler::default().run(self)
    }

    /// The same, watched.
    pub(crate) fn run_inspected(
        &mut self,
        tx: TxEnv,
        asking: (Option<Asker>, u64),
        bound: Option<Bound>,
    ) -> EvmResult
    where
        I: Inspector<EvmContext<R>>,
    {
        self.prepare(tx, asking, bound);
        MainnetHandler::default().inspect_run(self)
    }

    fn prepare(&mut self, tx: TxEnv, asking: (Option<Asker>, u64), bound: Option<Bound>) {
        self.machine.ctx.set_tx(tx);
        (self.asker, self.asking) = asking;
        self.bound = bound;
        self.decided = None;
        self.asked.clear();
    }

    /// The run-time rules that what ran is to be held against.
    pub(crate) fn bound(&self) -> Option<Bound> {
        self.bound.clone()
    }

    /// Empties the journal.
    pub(crate) fn finalize(&mut self) -> EvmState {
        self.machine.ctx.journal_mut().finalize()
    }

    pub(crate) fn overlay(&mut self) -> &mut Overlay<R> {
        self.machine.ctx.db_mut()
    }

    pub(crate) fn into_overlay(self) -> Overlay<R> {
        self.machine.ctx.journaled_state.database
    }

    pub(crate) fn into_inspector(self) -> I {
        self.machine.inspector
    }

    /// Whether an address is warm from the start of every transaction (EIP-2929).
    pub(crate) fn is_warm(&self, address: &Address) -> bool {
        self.machine.precompiles.is_warm(address)
    }

    /// What a new frame does on the sender's behalf, if it has to be asked about.
    fn deed(&self, init: &FrameInit) -> Option<Deed> {
        if init.depth == 0 {
            return None;
        }
        match &init.frame_input {
            // Precompiles and system contracts are those addresses that are always warm.
            FrameInput::Call(inputs) if self.is_warm(&inputs.bytecode_address) => None,
            // The decided call itself. Whether the contract answers was looked at when that was decided.
            FrameInput::Call(_) if self.decided.is_some() && init.depth == 1 => None,
            FrameInput::Call(inputs) => Some(self.call_deed(inputs)),
            FrameInput::Create(inputs) => {
                let caller = Some(inputs.caller());
                Some(Deed { action: Action::Create, contract: None, method: None, caller })
            }
            FrameInput::Empty => None,
        }
    }

    fn call_deed(&self, inputs: &CallInputs) -> Deed {
        let (action, caller) = match inputs.scheme {
            CallScheme::Call => (Action::Call, inputs.caller),
            CallScheme::StaticCall => (Action::StaticCall, inputs.caller),
            // Foreign code that runs as the caller's own: the target is the caller itself.
            CallScheme::DelegateCall | CallScheme::CallCode => (Action::DelegateCall, inputs.target_address),
        };
        let method = self.method(&inputs.input);
        Deed { action, contract: Some(inputs.bytecode_address), method, caller: Some(caller) }
    }

    fn method(&self, input: &CallInput) -> Option<[u8; 4]> {
        match input {
            CallInput::Bytes(bytes) => bytes.first_chunk().copied(),
            CallInput::SharedBuffer(range) => {
                self.machine.ctx.local().shared_memory_buffer_slice(range.clone())?.first_chunk().copied()
            }
        }
    }

    /// The call that a new frame is, if a run-time rule watches it.
    fn seen(&self, init: &FrameInit) -> Option<SeenCall> {
        let bound = self.bound.as_ref()?;
        let FrameInput::Call(inputs) = &init.frame_input else { return None };
        let own = inputs.bytecode_address == inputs.target_address;
        if !own || self.is_warm(&inputs.bytecode_address) {
            return None;
        }
        match &inputs.input {
            CallInput::Bytes(bytes) => bound.see(inputs.target_address, bytes),
            CallInput::SharedBuffer(range) => {
                let memory = self.machine.ctx.local().shared_memory_buffer_slice(range.clone())?;
                bound.see(inputs.target_address, &memory)
            }
        }
    }

    /// What a frame pays before it begins, and the data of its refusal if it is refused.
    fn toll(
        &mut self,
        init: &FrameInit,
        seen: Option<&SeenCall>,
        limit: u64,
    ) -> Result<(u64, Option<Bytes>), SystemError> {
        let (price, refusal) = match self.deed(init) {
            Some(deed) => {
                let mut meter = GasMeter::new(limit);
                let refusal = self.judge(deed, &mut meter)?;
                (limit.saturating_sub(meter.left()), refusal)
            }
            None if init.depth == 0 => (self.own_price(init, limit)?, None),
            None => (0, None),
        };
        // A call that is refused is never made, so that no rule is asked about it.
        let watched = seen.filter(|_| refusal.is_none()).map_or(0, |seen| seen.price);
        match price.saturating_add(watched) {
            price if watched > 0 && price > limit => Err(SystemError::OutOfGas),
            price => Ok((price, refusal)),
        }
    }

    /// Begins a frame that can pay. A call that a rule watches is marked inside of it: where it reverts, it was never
    /// made.
    fn begin(
        &mut self,
        mut init: FrameInit,
        seen: Option<SeenCall>,
        price: u64,
    ) -> Result<FrameInitResult<'_, Frame>, ContextDbError<EvmContext<R>>> {
        let depth = init.depth;
        let price = self.pays_first(&mut init, price);
        if let ItemOrResult::Result(result) = self.machine.frame_init(init)? {
            return match self.following(depth, &result) {
                None => Ok(charged(ItemOrResult::Result(result), price)),
                Some(then) => Ok(charged(self.machine.frame_init(then)?, price)),
            };
        }
        if let Some(seen) = seen {
            self.machine.ctx.journal_mut().log(seen.into_mark());
        }
        Ok(charged(ItemOrResult::Item(self.machine.frame_stack.get()), price))
    }

    /// What runs where its frame begins, a precompile, gets no more gas than its price leaves: it pays before it works.
    /// What is still to be paid of any other frame, whose code runs later.
    fn pays_first(&self, init: &mut FrameInit, price: u64) -> u64 {
        match &mut init.frame_input {
            FrameInput::Call(inputs) if self.is_warm(&inputs.bytecode_address) => {
                inputs.gas_limit = inputs.gas_limit.saturating_sub(price);
                0
            }
            _ => price,
        }
    }

    /// What a transaction pays before it runs: for the policies that were asked about it, and for the row of the contract
    /// that it makes. Its gas limit covers that (`validity`), so that its frame begins in any case: that is where revm
    /// counts up the nonce of who makes a contract. A call that only asks may bring less.
    fn own_price(&self, init: &FrameInit, limit: u64) -> Result<u64, SystemError> {
        let row = if makes_by_transaction(init) { gas::CONTRACT_MADE } else { 0 };
        let price = self.asking.saturating_add(row);
        if price > limit { Err(SystemError::OutOfGas) } else { Ok(price) }
    }

    /// The data of a deed's refusal here, if it is refused; what it costs is charged.
    fn judge(&mut self, deed: Deed, meter: &mut GasMeter) -> Result<Option<Bytes>, SystemError> {
        let refusal = match self.asked.get(&deed).cloned() {
            Some(refusal) => {
                meter.charge(gas::PERMISSION_AGAIN)?;
                refusal
            }
            None => self.ask(deed, meter)?,
        };
        if refusal.is_none() && deed.action == Action::Create {
            meter.charge(gas::CONTRACT_MADE)?;
        }
        Ok(refusal)
    }

    /// The same for what this transaction has not asked yet. Nothing that bears on it changes before the transaction is
    /// over, so that the answer holds for all of it.
    fn ask(&mut self, deed: Deed, meter: &mut GasMeter) -> Result<Option<Bytes>, SystemError> {
        meter.charge(gas::PERMISSION)?;
        let height = self.machine.ctx.block().number().saturating_to();
        let caller = self.machine.ctx.tx().caller;
        let account = self.asker.as_ref().map_or(caller, |asker| asker.sender.account);
        let place = Place { account, height };
        let known = contracts::known(self.overlay(), meter, place, &deed)?;
        if let Some(asker) = &self.asker {
            meter.charge(asker.price(&deed, &known))?;
        }
        let mut refusal = match self.binding() {
            None => None,
            Some(_) if self.spares(&deed) => known.halted.as_ref().map(Halted::abi_encode),
            Some(asker) => match deed.contract.and_then(|contract| asker.shut.order(contract, height)) {
                Some(order) => Some(self.ordered(order, meter)?),
                None => objection(asker, &deed, &known),
            },
        };
        if let (None, Action::Create, Some(maker)) = (&refusal, deed.action, deed.caller) {
            refusal = self.unapproved(maker, meter)?;
        }
        self.asked.insert(deed, refusal.clone());
        Ok(refusal)
    }
}

impl<R: StateReader, I> ChainEvm<R, I> {
    /// Why a contract makes no other one, where deployments need an approval: its own has none. Who only asks pays as
    /// well, so that estimates suffice.
    fn unapproved(&mut self, maker: Address, meter: &mut GasMeter) -> Result<Option<Bytes>, SystemError> {
        if !self.overlay().approval_required()? || self.deploys(maker) {
            return Ok(None);
        }
        meter.charge(gas::ROW_READ)?;
        let approved = self.overlay().contract(maker)?.is_some_and(|contract| contract.approval.is_some());
        let refused = self.binding().is_some() && !approved;
        Ok(refused.then(|| Unapproved { code: B256::ZERO, account: maker }.abi_encode()))
    }

    /// What is told of an order that keeps the sender from a contract.
    fn ordered(&mut self, order: u64, meter: &mut GasMeter) -> Result<Bytes, SystemError> {
        meter.charge(gas::ROW_READ)?;
        Ok(orders::notice(self.overlay(), order)?.abi_encode())
    }

    /// Whoever the answers bind.
    fn binding(&self) -> Option<&Asker> {
        self.asker.as_ref().filter(|asker| asker.binds)
    }

    /// Whether the running transaction deploys a contract: its constructor is a part of what was approved.
    fn deploys(&self, contract: Address) -> bool {
        let tx = self.machine.ctx.tx();
        tx.kind.is_create() && contract == tx.caller.create(tx.nonce)
    }
}

/// Why a deed is refused, as the caller is told: the contract does not answer, or the policies say no.
fn objection(asker: &Asker, deed: &Deed, known: &Known) -> Option<Bytes> {
    let halted = known.halted.as_ref().map(Halted::abi_encode);
    halted.or_else(|| asker.ask(deed, known).err().map(|denial| denial.abi_encode()))
}

/// The result of a frame that never runs.
fn unstarted(input: &FrameInput, result: InterpreterResult) -> FrameResult {
    match input {
        FrameInput::Create(inputs) => FrameResult::Create(CreateOutcome {
            charged_create_state_gas: inputs.charged_create_state_gas(),
            ..CreateOutcome::new(result, None)
        }),
        FrameInput::Call(inputs) => FrameResult::Call(CallOutcome {
            charged_new_account_state_gas: inputs.charged_new_account_state_gas,
            ..CallOutcome::new(result, inputs.return_memory_offset.clone())
        }),
        FrameInput::Empty => FrameResult::Call(CallOutcome::new(result, 0..0)),
    }
}

/// Whether a frame is a transaction's own creation.
fn makes_by_transaction(init: &FrameInit) -> bool {
    init.depth == 0 && matches!(init.frame_input, FrameInput::Create(_))
}

/// A frame that has paid.
fn charged(mut frame: FrameInitResult<'_, Frame>, price: u64) -> FrameInitResult<'_, Frame> {
    let gas = match &mut frame {
        ItemOrResult::Item(frame) => &mut frame.interpreter.gas,
        ItemOrResult::Result(result) => result.gas_mut(),
    };
    gas.set_remaining(gas.remaining().saturating_sub(price));
    frame
}

fn gas_limit(input: &FrameInput) -> u64 {
    match input {
        FrameInput::Call(inputs) => inputs.gas_limit,
        FrameInput::Create(inputs) => inputs.gas_limit(),
        FrameInput::Empty => 0,
    }
}

impl<R: StateReader, I> EvmTr for ChainEvm<R, I> {
    type Context = EvmContext<R>;
    type Instructions = Instructions<R>;
    type Precompiles = SystemPrecompiles;
    type Frame = Frame;

    fn all(&self) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Frame>) {
        self.machine.all()
    }

    fn all_mut(
        &mut self,
    ) -> (&mut Self::Context, &mut Self::Instructions, &mut Self::Precompiles, &mut FrameStack<Frame>) {
        self.machine.all_mut()
    }

    fn frame_init(
        &mut self,
        init: FrameInit,
    ) -> Result<FrameInitResult<'_, Frame>, ContextDbError<Self::Context>> {
        let (limit, reservoir) = (gas_limit(&init.frame_input), init.frame_input.reservoir());
        let seen = self.seen(&init);
        let (result, data, gas) = match self.toll(&init, seen.as_ref(), limit) {
            Ok((price, None)) => return self.begin(init, seen, price),
            Ok((price, Some(data))) => {
                self.spoil_by(&data);
                let mut gas = Gas::new_with_regular_gas_and_reservoir(limit, reservoir);
                gas.set_remaining(limit.saturating_sub(price));
                (InstructionResult::Revert, data, gas)
            }
            // Nothing that is read here reverts by itself.
            Err(SystemError::OutOfGas | SystemError::Revert(_)) => {
                (InstructionResult::OutOfGas, Bytes::new(), Gas::new_spent_with_reservoir(limit, reservoir))
            }
            Err(SystemError::State(error)) => return Err(ContextError::Db(StateFailure(error))),
        };
        let result = InterpreterResult::new(result, data, gas);
        Ok(ItemOrResult::Result(unstarted(&init.frame_input, result)))
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<Frame>, ContextDbError<Self::Context>> {
        self.machine.frame_run()
    }

    fn frame_return_result(
        &mut self,
        mut result: FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<Self::Context>> {
        self.spoil(&mut result);
        self.machine.frame_return_result(result)
    }
}

impl<R: StateReader, I: Inspector<EvmContext<R>>> InspectorEvmTr for ChainEvm<R, I> {
    type Inspector = I;

    fn all_inspector(
        &self,
    ) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Frame>, &I) {
        self.machine.all_inspector()
    }

    fn all_mut_inspector(
        &mut self,
    ) -> (&mut Self::Context, &mut Self::Instructions, &mut Self::Precompiles, &mut FrameStack<Frame>, &mut I)
    {
        self.machine.all_mut_inspector()
    }
}
