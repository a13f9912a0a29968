//! The call tracer of `debug_traceTransaction`, in the shape of go-ethereum's `callTracer`.

use alloy_primitives::{U64, U256};
use alloy_sol_types::{Revert, SolError as _};
use concordat_types::{Address, B256, Bytes, Log, StateReader, VerifiedTx, receipt::Outcome};
use revm::{
    Inspector,
    context_interface::result::HaltReason,
    interpreter::{
        CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome, CreateScheme, Gas,
        InstructionResult, InterpreterResult, SuccessOrHalt, interpreter::EthInterpreter,
    },
};
use serde::Serialize;

use crate::{
    activity,
    call::{CallRequest, Simulation},
    env::BlockEnv,
    error::ExecError,
    evm::{self, EvmContext, Run, RunStatus},
    executor::BlockExecutor,
    orders, rules,
    validity::{Judged, Refusal, Verdict},
};

/// One call, with the calls that it made. Serialises as go-ethereum's `callTracer` does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallFrame {
    /// `CALL`, `STATICCALL`, `DELEGATECALL`, `CALLCODE`, `CREATE`, `CREATE2` or `SELFDESTRUCT`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The caller.
    pub from: Address,
    /// The callee, or the contract made; `None` if a creation failed early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// Native value, always zero; delegate and static calls have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<U256>,
    /// Gas that it had.
    pub gas: U64,
    /// Gas that it used.
    pub gas_used: U64,
    /// Call data or init code.
    pub input: Bytes,
    /// What it returned, or the code of the contract made.
    #[serde(skip_serializing_if = "is_empty")]
    pub output: Bytes,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The text of a Solidity `revert("…")`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revert_reason: Option<String>,
    /// Events of this call alone; go-ethereum's `withLog`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<CallLog>,
    /// The calls that it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallFrame>,
}

/// An event in a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallLog {
    /// The contract.
    pub address: Address,
    /// Topics.
    pub topics: Vec<B256>,
    /// Data.
    pub data: Bytes,
    /// How many calls of the frame came before it.
    pub position: U64,
}

/// The least that a frame or an event takes as text, its data aside.
const FRAME_BYTES: usize = 200;

/// Runs a block up to a transaction and watches that one. `reader` is the state before the block,
/// `preceding` the block's transactions before it. A trace whose text would take more than `limit_bytes` is
/// [`ExecError::TraceTooLarge`].
pub fn trace_transaction<R: StateReader>(
    reader: R,
    env: BlockEnv,
    preceding: &[VerifiedTx],
    tx: &VerifiedTx,
    limit_bytes: usize,
) -> Result<CallFrame, ExecError> {
    let (config, block, height) = (env.evm_config()?, env.evm_block(), env.height);
    let mut executor = BlockExecutor::looking_back(reader, env)?;
    for tx in preceding {
        executor.execute(tx)?;
    }
    let (Judged { verdict, asking }, due) = executor.judge(tx)?;
    let asker = match verdict {
        Verdict::Refuse(refusal) => return Ok(refused_frame(tx, &refusal, due.refused(asking))),
        Verdict::Execute(asker) => Some(asker),
        Verdict::Enrol => None,
    };
    let bound = executor.bound(asker.as_ref())?;
    let tracer = CallTracer::new(limit_bytes);
    let mut machine = evm::build(executor.into_overlay(), config, block, tracer);
    let mut run = match machine.run_inspected(evm::tx_env(tx), (asker, asking), bound) {
        Ok(result) => Run::from(result),
        Err(error) => return Err(evm::machine_error(machine.overlay(), error)),
    };
    if let Some(bound) = &machine.bound() {
        rules::enforce(bound, machine.overlay(), tx.gas_limit(), &mut run)?;
    }
    orders::keep_tokens(machine.overlay(), height, tx.gas_limit(), &mut run)?;
    activity::charge(tx.gas_limit(), &mut run);
    machine.into_inspector().into_frame(tx.gas_limit(), &run)
}

/// Watches a call that is only asked about, as [`trace_transaction`] does.
pub fn trace_call<R: StateReader>(
    reader: R,
    env: &BlockEnv,
    request: &CallRequest,
    limit_bytes: usize,
) -> Result<CallFrame, ExecError> {
    let mut simulation = Simulation::new(reader, env, request, CallTracer::new(limit_bytes))?;
    let gas = simulation.gas_cap;
    let (run, _) = simulation.run_inspected(gas)?;
    simulation.into_inspector().into_frame(gas, &run)
}

/// Collects frames as revm enters and leaves calls. A call costs little gas however much memory it hands on, so that
/// the trace is bounded in bytes: beyond, nothing more is collected.
#[derive(Clone, Debug)]
pub(crate) struct CallTracer {
    /// The calls that have not returned, outermost first.
    open: Vec<CallFrame>,
    done: Option<CallFrame>,
    /// At least what the trace takes as text.
    bytes: usize,
    limit_bytes: usize,
}

impl CallTracer {
    fn new(limit_bytes: usize) -> Self {
        Self { open: Vec::new(), done: None, bytes: 0, limit_bytes }
    }

    /// Counts a frame or an event with so many bytes of data. Whether it is to be collected.
    fn admits(&mut self, data: usize) -> bool {
        self.bytes = self.bytes.saturating_add(FRAME_BYTES);
        self.admits_data(data)
    }

    /// Counts data, which is shown in hexadecimal.
    fn admits_data(&mut self, data: usize) -> bool {
        self.bytes = self.bytes.saturating_add(data.saturating_mul(2));
        self.bytes <= self.limit_bytes
    }

    /// The outermost call, with the gas of the whole transaction.
    fn into_frame(self, gas_limit: u64, run: &Run) -> Result<CallFrame, ExecError> {
        if self.bytes > self.limit_bytes {
            return Err(ExecError::TraceTooLarge { limit_bytes: self.limit_bytes });
        }
        let mut frame = self.done.unwrap_or_default();
        frame.gas = U64::from(gas_limit);
        frame.gas_used = U64::from(run.gas_used);
        match &run.status {
            RunStatus::Success | RunStatus::Reverted => {}
            RunStatus::Halted(reason) => {
                clear_logs(&mut frame);
                frame.output = Bytes::new();
                frame.error = Some(evm::halt_text(reason));
            }
            RunStatus::Violated => {
                clear_logs(&mut frame);
                frame.output = run.output.clone();
                frame.error = Some(Outcome::RuleViolated.describe().to_owned());
            }
            RunStatus::Ordered => {
                clear_logs(&mut frame);
                frame.output = run.output.clone();
                frame.error = Some(Outcome::OrderUndid.describe().to_owned());
            }
        }
        Ok(frame)
    }

    fn leave(&mut self, result: &InterpreterResult, created: Option<Address>) {
        let Some(mut frame) = self.open.pop() else { return };
        if !self.admits_data(result.output.len()) {
            return;
        }
        frame.gas_used = U64::from(used(&result.gas));
        frame.to = frame.to.or(created);
        frame.output = result.output.clone();
        if !result.result.is_ok() {
            fail(&mut frame, result.result);
        }
        match self.open.last_mut() {
            Some(parent) => parent.calls.push(frame),
            None => self.done = Some(frame),
        }
    }
}

/// For serde, which cannot reach `is_empty` through `Deref`.
fn is_empty(bytes: &Bytes) -> bool {
    bytes.is_empty()
}

fn used(gas: &Gas) -> u64 {
    gas.limit().saturating_sub(gas.remaining())
}

fn fail(frame: &mut CallFrame, result: InstructionResult) {
    clear_logs(frame);
    if result == InstructionResult::Revert {
        frame.error = Some("execution reverted".to_owned());
        frame.revert_reason = Revert::abi_decode(&frame.output).ok().map(|revert| revert.reason);
    } else {
        frame.output = Bytes::new();
        frame.error = Some(match SuccessOrHalt::<HaltReason>::from(result) {
            SuccessOrHalt::Halt(reason) => evm::halt_text(&reason),
            _ => "execution failed".to_owned(),
        });
    }
}

/// Events of a failed call never happened, nor those of the calls inside it.
fn clear_logs(frame: &mut CallFrame) {
    let mut frames = vec![frame];
    while let Some(frame) = frames.pop() {
        frame.logs.clear();
        frames.extend(frame.calls.iter_mut());
    }
}

impl<R: StateReader> Inspector<EvmContext<R>, EthInterpreter> for CallTracer {
    fn log(&mut self, _context: &mut EvmContext<R>, log: Log) {
        // What stands for a call that a rule watches is no event.
        if rules::is_mark(&log) || !self.admits(log.data.data.len()) {
            return;
        }
        let Some(frame) = self.open.last_mut() else { return };
        frame.logs.push(CallLog {
            address: log.address,
            topics: log.data.topics().to_vec(),
            data: log.data.data.clone(),
            position: U64::from(frame.calls.len()),
        });
    }

    fn call(&mut self, context: &mut EvmContext<R>, inputs: &mut CallInputs) -> Option<CallOutcome> {
        if !self.admits(inputs.input.len()) {
            // Each call that is entered is left.
            self.open.push(CallFrame::default());
            return None;
        }
        let (kind, from, to) = match inputs.scheme {
            CallScheme::Call => ("CALL", inputs.caller, inputs.target_address),
            CallScheme::StaticCall => ("STATICCALL", inputs.caller, inputs.target_address),
            CallScheme::DelegateCall => ("DELEGATECALL", inputs.target_address, inputs.bytecode_address),
            CallScheme::CallCode => ("CALLCODE", inputs.target_address, inputs.bytecode_address),
        };
        let valued = matches!(inputs.scheme, CallScheme::Call | CallScheme::CallCode);
        self.open.push(CallFrame {
            kind,
            from,
            to: Some(to),
            value: valued.then_some(U256::ZERO),
            gas: U64::from(inputs.gas_limit),
            input: inputs.input.bytes(context),
            ..CallFrame::default()
        });
        None
    }

    fn call_end(&mut self, _context: &mut EvmContext<R>, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.leave(&outcome.result, None);
    }

    fn create(&mut self, _context: &mut EvmContext<R>, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        if !self.admits(inputs.init_code().len()) {
            self.open.push(CallFrame::default());
            return None;
        }
        let kind = match inputs.scheme() {
            CreateScheme::Create2 { .. } => "CREATE2",
            _ => "CREATE",
        };
        self.open.push(CallFrame {
            kind,
            from: inputs.caller(),
            value: Some(U256::ZERO),
            gas: U64::from(inputs.gas_limit()),
            input: inputs.init_code().clone(),
            ..CallFrame::default()
        });
        None
    }

    fn create_end(
        &mut self,
        _context: &mut EvmContext<R>,
        _inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.leave(&outcome.result, outcome.address);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, _value: U256) {
        if !self.admits(0) {
            return;
        }
        let Some(frame) = self.open.last_mut() else { return };
        frame.calls.push(CallFrame {
            kind: "SELFDESTRUCT",
            from: contract,
            to: Some(target),
            value: Some(U256::ZERO),
            ..CallFrame::default()
        });
    }
}

/// The trace of a transaction that was refused before it ran.
fn refused_frame(tx: &VerifiedTx, refusal: &Refusal, gas_used: u64) -> CallFrame {
    CallFrame {
        kind: if tx.kind().is_create() { "CREATE" } else { "CALL" },
        from: tx.sender(),
        to: tx.kind().to().copied(),
        value: Some(U256::ZERO),
        gas: U64::from(tx.gas_limit()),
        gas_used: U64::from(gas_used),
        input: tx.input().clone(),
        output: refusal.output(),
        error: Some(refusal.outcome().describe().to_owned()),
        ..CallFrame::default()
    }
}
