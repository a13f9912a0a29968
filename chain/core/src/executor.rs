//! Executes the transactions of one block, one after the other.

use concordat_types::{
    Address, B256, Bytes, ChangeSet, Receipt, StateReader, ValidatorSet, VerifiedTx,
    activity::BlockHistory,
    block::to_b256,
    receipt::{MAX_OUTPUT_BYTES, Outcome, results_hash},
};

use crate::{
    access::TxAccess,
    activity::{self, Noted},
    contracts,
    env::{BlockEnv, EnvError, TxRules},
    error::{ExecError, TxInvalid},
    evm::{self, ChainEvm, Run, RunStatus},
    governance::{InForce, parameters},
    identity::{IdentityEvent, tables},
    orders,
    overlay::Overlay,
    permissions::{Asker, Sender},
    rules::{self, Bound},
    validity::{self, Due, Judged, Refusal, Verdict},
};

/// What a block did.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockOutcome {
    /// One per transaction, in order.
    pub receipts: Vec<Receipt>,
    /// The values that differ from those before the block.
    pub changes: ChangeSet,
    /// Gas of all transactions together.
    pub gas_used: u64,
    /// The registry's validator set, if this block changed it. It decides from two heights on.
    pub validators: Option<ValidatorSet>,
    /// What changed about identities, in order.
    pub identity_events: Vec<IdentityEvent>,
    /// What holds in the next block.
    pub next: InForce,
    /// The hash of its results, which the next header carries.
    pub results_hash: B256,
    /// What it adds to the history, if it has transactions.
    pub history: Option<BlockHistory>,
}

/// A block in the making, for the proposer and for everyone who checks it.
///
/// It is not `Send`: make, use and finish it on one thread.
pub struct BlockExecutor<R: StateReader> {
    env: BlockEnv,
    tx_rules: TxRules,
    machine: ChainEvm<R>,
    receipts: Vec<Receipt>,
    gas_used: u64,
    /// What each transaction did to slots, where that is asked for.
    watched: Option<Vec<TxAccess>>,
    /// Who had a part in them.
    noted: Noted,
}

impl<R: StateReader> BlockExecutor<R> {
    /// A block over the state before it.
    pub fn new(reader: R, env: BlockEnv) -> Result<Self, EnvError> {
        Self::over(Overlay::new(reader).deciding(), env)
    }

    /// A block that is only looked at again.
    pub(crate) fn looking_back(reader: R, env: BlockEnv) -> Result<Self, EnvError> {
        Self::over(Overlay::new(reader), env)
    }

    fn over(overlay: Overlay<R>, env: BlockEnv) -> Result<Self, EnvError> {
        let config = env.evm_config()?;
        let overlay = overlay.within(&env);
        Ok(Self {
            tx_rules: env.tx_rules()?,
            machine: evm::build(overlay, config, env.evm_block(), ()),
            env,
            receipts: Vec::new(),
            gas_used: 0,
            watched: None,
            noted: Noted::default(),
        })
    }

    /// The same, where it is noted what transactions that succeed do to slots.
    pub(crate) fn watched(self) -> Self {
        Self { watched: Some(Vec::new()), ..self }
    }

    /// What was noted since this was last asked.
    pub(crate) fn take_access(&mut self) -> Vec<TxAccess> {
        self.watched.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Executes the next transaction, or refuses it with a receipt: nobody fills blocks for nothing, so that it uses gas
    /// for its bytes and for what was asked about it. On [`ExecError::Invalid`] nothing has
    /// changed: a proposer goes on with another, a block that has it is invalid. After any other error the
    /// executor is of no use any more.
    pub fn execute(&mut self, tx: &VerifiedTx) -> Result<&Receipt, ExecError> {
        let (Judged { verdict, asking }, due) = self.judge(tx)?;
        let (receipt, changed) = match verdict {
            Verdict::Execute(asker) => self.run(tx, Some(asker), asking)?,
            Verdict::Enrol => self.run(tx, None, asking)?,
            Verdict::Refuse(refusal) => (self.refuse(tx, &refusal, due.refused(asking))?, Vec::new()),
        };
        self.noted.note(self.receipts.len(), tx, &receipt, changed);
        self.gas_used = self.gas_used.saturating_add(receipt.gas_used);
        self.receipts.push(receipt);
        Ok(self.receipts.last().expect("a receipt was pushed just above"))
    }

    /// Gas used so far.
    pub const fn gas_used(&self) -> u64 {
        self.gas_used
    }

    /// Gas that the block has left.
    pub const fn gas_left(&self) -> u64 {
        self.env.params.block_gas_limit.saturating_sub(self.gas_used)
    }

    /// The receipts so far.
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Ends the block.
    pub fn finish(mut self) -> Result<BlockOutcome, ExecError> {
        let validators = self.changed_validators()?;
        let next = self.next()?;
        let (receipts, gas_used) = (std::mem::take(&mut self.receipts), self.gas_used);
        let results_hash = to_b256(results_hash(&receipts));
        let (noted, at) = (std::mem::take(&mut self.noted), (self.env.height, self.env.time_secs));
        let history = activity::close(noted, self.overlay(), at, (receipts.len(), results_hash))?;
        let (changes, identity_events) = self.into_overlay().into_changes();
        Ok(BlockOutcome {
            receipts,
            changes,
            gas_used,
            validators,
            identity_events,
            next,
            results_hash,
            history,
        })
    }

    /// Decides what to do with the next transaction, and what it owes before it runs.
    pub(crate) fn judge(&mut self, tx: &VerifiedTx) -> Result<(Judged, Due), ExecError> {
        let due = validity::check_form(tx, self.env.height, &self.tx_rules, self.gas_left())?;
        let Self { env, machine, .. } = self;
        let overlay = machine.overlay();
        let next = validity::check_account(overlay, tx)?;
        if tx.nonce() != next {
            return Err(TxInvalid::NonceTooHigh { next, tx: tx.nonce() }.into());
        }
        Ok((validity::judge(overlay, tx, env, &due)?, due))
    }

    /// The state with the block's changes so far.
    pub(crate) fn into_overlay(self) -> Overlay<R> {
        self.machine.into_overlay()
    }

    fn overlay(&mut self) -> &mut Overlay<R> {
        self.machine.overlay()
    }

    /// Runs a transaction. Gives its receipt and the contracts whose storage it changed.
    fn run(
        &mut self,
        tx: &VerifiedTx,
        asker: Option<Asker>,
        asking: u64,
    ) -> Result<(Receipt, Vec<Address>), ExecError> {
        let bound = self.bound(asker.as_ref())?;
        let signer = asker.as_ref().map(|asker| asker.sender.clone());
        let result = self.machine.run(evm::tx_env(tx), (asker, asking), bound);
        let (state, bound) = (self.machine.finalize(), self.machine.bound());
        let height = self.env.height;
        let mut noted = self.watched.is_some().then(|| TxAccess::of(&state));
        let overlay = self.overlay();
        let mut run = match result {
            Ok(result) => Run::from(result),
            Err(error) => {
                overlay.discard_staged();
                return Err(evm::machine_error(overlay, error));
            }
        };
        let ran = run.status == RunStatus::Success;
        let counted = match &bound {
            Some(bound) => rules::enforce(bound, overlay, tx.gas_limit(), &mut run)?,
            None => Vec::new(),
        };
        orders::keep_tokens(overlay, height, tx.gas_limit(), &mut run)?;
        activity::charge(tx.gas_limit(), &mut run);
        let mut changed = Vec::new();
        match run.status {
            RunStatus::Success => {
                changed = activity::changed(&state);
                let made = contracts::made(&state);
                overlay.commit(state)?;
                let restored = overlay.apply_staged()?;
                noted.iter_mut().for_each(|noted| noted.slots.extend(&restored));
                changed.extend(activity::restored(&restored));
                // Who enrols makes no contract.
                let approved = approval(overlay, tx, signer.as_ref(), run.created, height)?;
                let rows = signer.map(|signer| contracts::rows_of(made, &signer, height, approved));
                overlay.write_made(rows.unwrap_or_default())?;
                overlay.write_rows(counted)?;
            }
            // What is due after a run undid it: of what ran, the nonce alone stays.
            _ if ran => {
                overlay.discard_staged();
                overlay.use_nonce(tx.sender())?;
            }
            _ => {
                overlay.discard_staged();
                overlay.commit(state)?;
            }
        }
        self.note(noted.filter(|_| run.status == RunStatus::Success));
        Ok((receipt(tx, run), changed))
    }

    /// The run-time rules that bind a sender, if there are any.
    pub(crate) fn bound(&mut self, asker: Option<&Asker>) -> Result<Option<Bound>, ExecError> {
        let Some(Asker { sender, time_secs, .. }) = asker else { return Ok(None) };
        Ok(Bound::new(self.overlay().limits()?, sender, *time_secs))
    }

    fn refuse(&mut self, tx: &VerifiedTx, refusal: &Refusal, gas_used: u64) -> Result<Receipt, ExecError> {
        self.overlay().use_nonce(tx.sender())?;
        Ok(Receipt {
            tx_hash: tx.hash(),
            tx_type: tx.tx_type(),
            sender: tx.sender(),
            outcome: refusal.outcome(),
            gas_limit: tx.gas_limit(),
            gas_used,
            contract_address: None,
            logs: Vec::new(),
            output: refusal.output(),
        })
    }

    fn next(&mut self) -> Result<InForce, ExecError> {
        let (params, height) = (self.env.params, self.env.height.saturating_add(1));
        Ok(parameters::at(self.overlay(), &params, height)?)
    }

    /// Whoever had no success did nothing to slots.
    fn note(&mut self, noted: Option<TxAccess>) {
        if let Some(watched) = &mut self.watched {
            watched.extend(noted);
        }
    }

    fn changed_validators(&mut self) -> Result<Option<ValidatorSet>, ExecError> {
        let overlay = self.overlay();
        let changed = overlay.events().iter().any(|event| {
            matches!(
                event,
                IdentityEvent::ValidatorAdmitted { .. }
                    | IdentityEvent::ValidatorChanged { .. }
                    | IdentityEvent::ValidatorRetired { .. }
            )
        });
        if !changed {
            return Ok(None);
        }
        let records = tables::validators(overlay)?;
        tables::validator_set(&records).map(Some).map_err(|error| ExecError::Internal(error.to_string()))
    }
}

/// The contract that a transaction has deployed, and the proposal that approves of that, if one does.
fn approval<R: StateReader>(
    overlay: &mut Overlay<R>,
    tx: &VerifiedTx,
    signer: Option<&Sender>,
    created: Option<Address>,
    height: u64,
) -> Result<Option<(Address, u64)>, ExecError> {
    let (Some(signer), Some(created)) = (signer, created) else { return Ok(None) };
    let proposal = contracts::approved(overlay, tx.input(), signer.account, height)?;
    Ok(proposal.map(|proposal| (created, proposal)))
}

fn receipt(tx: &VerifiedTx, run: Run) -> Receipt {
    let outcome = match run.status {
        RunStatus::Success => Outcome::Success,
        RunStatus::Reverted => Outcome::Reverted,
        RunStatus::Halted(_) => Outcome::Halted,
        RunStatus::Violated => Outcome::RuleViolated,
        RunStatus::Ordered => Outcome::OrderUndid,
    };
    let output = match outcome {
        Outcome::Reverted | Outcome::RuleViolated | Outcome::OrderUndid => {
            run.output.slice(..run.output.len().min(MAX_OUTPUT_BYTES))
        }
        _ => Bytes::new(),
    };
    Receipt {
        tx_hash: tx.hash(),
        tx_type: tx.tx_type(),
        sender: tx.sender(),
        outcome,
        gas_limit: tx.gas_limit(),
        gas_used: run.gas_used,
        contract_address: run.created,
        logs: run.logs,
        output,
    }
}
