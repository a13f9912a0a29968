//! Calls that follow a decision of the committee, inside of the transaction that executes it.

use concordat_permissions::Action;
use concordat_types::{Address, Bytes, StateReader};
use revm::{
    context::{Cfg as _, ContextTr as _, JournalTr as _, LocalContextTr as _},
    handler::FrameResult,
    interpreter::{FrameInput, InstructionResult, SharedMemory, interpreter_action::FrameInit},
};

use super::ChainEvm;
use crate::{governance, permissions::Deed};

/// A contract that the committee has decided to call, while that runs.
pub(super) struct Decided {
    /// Which.
    target: Address,
    /// The data of why nothing of it stands.
    spoiled: Option<Bytes>,
}

impl<R: StateReader, I> ChainEvm<R, I> {
    /// The frame of the call that follows what a transaction has just done at a system contract, if one does. It takes
    /// the place of the transaction's own, which has paid for all until here.
    pub(super) fn following(&mut self, depth: usize, result: &FrameResult) -> Option<FrameInit> {
        if depth > 0 || !result.instruction_result().is_ok() {
            return None;
        }
        let ctx = &self.machine.ctx;
        let then = ctx.db().then()?;
        let (target, inputs) = (then.target, then.frame(ctx.tx().caller, result.gas()));
        let mut memory = SharedMemory::new_with_buffer(ctx.local().shared_memory_buffer().clone());
        memory.set_memory_limit(ctx.cfg().memory_limit());
        self.bound = self.bound.take().map(|bound| bound.sparing(target));
        self.decided = Some(Decided { target, spoiled: None });
        Some(FrameInit { depth, memory, frame_input: FrameInput::Call(Box::new(inputs)) })
    }

    /// Whether a deed is a part of what the committee has decided: that contract runs its own code, or other code as its own.
    pub(super) fn spares(&self, deed: &Deed) -> bool {
        let Some(Decided { target, .. }) = self.decided else { return false };
        let own = deed.action == Action::DelegateCall || deed.contract == Some(target);
        deed.caller == Some(target) && own
    }

    /// Lets the decided call revert where anything inside of it ran out of gas or was refused. `result` is that of a frame
    /// which is over.
    pub(super) fn spoil(&mut self, result: &mut FrameResult) {
        let depth = self.machine.ctx.journal().depth();
        let Some(Decided { spoiled, .. }) = &mut self.decided else { return };
        if ran_out(result.instruction_result()) && spoiled.is_none() {
            *spoiled = Some(governance::starved());
        }
        // The program's own frame is all that is open: this is what it called.
        if let (1, Some(data)) = (depth, spoiled) {
            let result = result.interpreter_result_mut();
            if !result.is_ok() && !result.is_revert() {
                result.gas.spend_all();
            }
            (result.result, result.output) = (InstructionResult::Revert, data.clone());
        }
    }

    /// The same for a call out of it that is refused, with these data.
    pub(super) fn spoil_by(&mut self, data: &Bytes) {
        if let Some(Decided { spoiled: spoiled @ None, .. }) = &mut self.decided {
            *spoiled = Some(data.clone());
        }
    }
}

/// Whether a frame ended because its gas did not suffice.
const fn ran_out(result: InstructionResult) -> bool {
    use InstructionResult as Ended;
    matches!(
        result,
        Ended::OutOfGas
            | Ended::MemoryOOG
            | Ended::MemoryLimitOOG
            | Ended::PrecompileOOG
            | Ended::InvalidOperandOOG
            | Ended::ReentrancySentryOOG
    )
}
