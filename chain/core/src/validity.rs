//! What makes a transaction valid at its place in a block (docs/adr/0003), decided before it is executed.

use alloy_primitives::TxKind;
use concordat_permissions::Action as Wanted;
use concordat_types::{Bytes, SignedTx, StateReader, VerifiedTx, receipt::Outcome};
use revm::{
    context_interface::{cfg::GasParams, transaction::AccessListItemTr as _},
    interpreter::InitialAndFloorGas,
};

use crate::{
    env::{BlockEnv, MAX_INIT_CODE_BYTES, MAX_TX_GAS},
    error::{ExecError, TxInvalid},
    identity::{self, ActError, decide_enrolment},
    overlay::Overlay,
    permissions::{Asker, Deed, Denial, Sender},
    standing::{Action, Enrolled, decide_sender},
};

/// What a transaction can ask for without a look at the state.
pub(crate) fn check_form(
    tx: &SignedTx,
    env: &BlockEnv,
    gas_params: &GasParams,
    gas_left: u64,
) -> Result<(), TxInvalid> {
    let (first, last) = tx.validity();
    if env.height < first {
        return Err(TxInvalid::NotYetValid { first, height: env.height });
    }
    if env.height > last {
        return Err(TxInvalid::NoLongerValid { last, height: env.height });
    }
    if tx.nonce() == u64::MAX {
        return Err(TxInvalid::NonceMax);
    }
    let size = tx.input().len();
    if tx.kind() == TxKind::Create && size > MAX_INIT_CODE_BYTES {
        return Err(TxInvalid::InitCodeTooLarge { size, limit: MAX_INIT_CODE_BYTES });
    }
    check_gas(tx, gas_params, gas_left)
}

fn check_gas(tx: &SignedTx, gas_params: &GasParams, gas_left: u64) -> Result<(), TxInvalid> {
    let have = tx.gas_limit();
    if have > MAX_TX_GAS {
        return Err(TxInvalid::GasAboveCap { have, cap: MAX_TX_GAS });
    }
    if have > gas_left {
        return Err(TxInvalid::GasAboveBlock { have, left: gas_left });
    }
    let due = due_gas(tx, gas_params);
    if due.initial_total_gas() > have {
        return Err(TxInvalid::IntrinsicGas { have, want: due.initial_total_gas() });
    }
    if due.floor_gas() > have {
        return Err(TxInvalid::FloorGas { have, want: due.floor_gas() });
    }
    Ok(())
}

/// Gas that is due for the transaction's bytes (EIP-2028, EIP-2930, EIP-3860, EIP-7623).
fn due_gas(tx: &SignedTx, gas_params: &GasParams) -> InitialAndFloorGas {
    let items = tx.access_list().map(|list| list.0.as_slice()).unwrap_or_default();
    let addresses = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let slots = items.iter().map(|item| u64::try_from(item.storage_slots().count()).unwrap_or(u64::MAX));
    let slots = slots.fold(0, u64::saturating_add);
    gas_params.initial_tx_gas(tx.input(), tx.kind().is_create(), addresses, slots, 0, None)
}

/// Checks that the account at the sender's address may send at all, and gives its nonce.
pub(crate) fn check_account<R: StateReader>(
    overlay: &mut Overlay<R>,
    tx: &VerifiedTx,
) -> Result<u64, ExecError> {
    let account = overlay.account(tx.sender())?;
    if account.code_hash.is_some() {
        return Err(TxInvalid::SenderHasCode { sender: tx.sender() }.into());
    }
    if tx.nonce() < account.nonce {
        return Err(TxInvalid::NonceTooLow { next: account.nonce, tx: tx.nonce() }.into());
    }
    Ok(account.nonce)
}

/// What a block does with a transaction that may stand in it.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// Executes it; this is who asks for what contracts do on the sender's behalf.
    Execute(Asker),
    /// Executes it; the sender is not enrolled yet, and this will enrol it. The registry calls nobody.
    Enrol,
    /// Refuses it.
    Refuse(Refusal),
}

/// Why a transaction stands in a block without being executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// By how its sender stands.
    Standing(Outcome),
    /// By the policies.
    Policy(Denial),
}

impl Refusal {
    /// How the transaction ends.
    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::Standing(outcome) => *outcome,
            Self::Policy(_) => Outcome::NotPermitted,
        }
    }

    /// What its receipt says beyond that.
    pub(crate) fn output(&self) -> Bytes {
        match self {
            Self::Standing(_) => Bytes::new(),
            Self::Policy(denial) => denial.abi_encode(),
        }
    }
}

impl From<Refusal> for TxInvalid {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Standing(outcome) => Self::Refused { outcome },
            Refusal::Policy(denial) => Self::NotPermitted { denial },
        }
    }
}

/// Judges the sender.
pub(crate) fn judge<R: StateReader>(
    overlay: &mut Overlay<R>,
    tx: &VerifiedTx,
    env: &BlockEnv,
) -> Result<Verdict, ExecError> {
    match overlay.standing(tx.sender())? {
        None => check_enrolment(overlay, tx, env).map(|()| Verdict::Enrol),
        Some(enrolled) => judge_enrolled(overlay, tx, env, enrolled),
    }
}

/// Judges somebody enrolled: first by standing and role, then by the policies.
fn judge_enrolled<R: StateReader>(
    overlay: &mut Overlay<R>,
    tx: &VerifiedTx,
    env: &BlockEnv,
    Enrolled { standing, identity, organisation }: Enrolled,
) -> Result<Verdict, ExecError> {
    let action = Action::of(tx.kind(), tx.input());
    if let Err(outcome) = decide_sender(&standing, env.height, env.time_secs, action) {
        return Ok(Verdict::Refuse(Refusal::Standing(outcome)));
    }
    let sender = Sender { account: identity, organisation, role: standing.role };
    let asker = Asker { policies: overlay.policies()?, sender, time_secs: env.time_secs };
    Ok(match asker.ask(&deed(tx, action)) {
        Ok(()) => Verdict::Execute(asker),
        Err(denial) => Verdict::Refuse(Refusal::Policy(denial)),
    })
}

/// What a transaction does, in the policies' terms.
fn deed(tx: &VerifiedTx, action: Action) -> Deed {
    let wanted = match action {
        Action::Deploy => Wanted::Deploy,
        Action::CallContract => Wanted::Call,
        Action::CallSystem | Action::Renew => Wanted::SystemCall,
    };
    let contract = tx.kind().to().copied();
    // Init code names no method.
    let method = contract.and_then(|_| tx.input().first_chunk::<4>().copied());
    Deed::direct(wanted, contract, method)
}

/// Somebody whom nobody has vouched for may do one thing: enrol, successfully.
fn check_enrolment<R: StateReader>(
    overlay: &mut Overlay<R>,
    tx: &VerifiedTx,
    env: &BlockEnv,
) -> Result<(), ExecError> {
    let sender = tx.sender();
    let enrols = tx.kind().to().is_some_and(|to| identity::is_enrolment(to, tx.input()));
    if !enrols {
        return Err(TxInvalid::NotEnrolled { sender }.into());
    }
    let act = identity::Act { sender, height: env.height, time_secs: env.time_secs };
    let decision = identity::enrolment_chain(tx.input())
        .map_err(ActError::from)
        .and_then(|chain| decide_enrolment(overlay, act, &chain));
    match decision {
        Ok(_) => Ok(()),
        Err(ActError::State(error)) => Err(ExecError::State(error)),
        Err(ActError::Refused(refusal)) => {
            Err(TxInvalid::EnrolmentRefused { sender, reason: refusal.to_string() }.into())
        }
    }
}
