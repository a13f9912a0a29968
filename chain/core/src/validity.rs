//! What makes a transaction valid at its place in a block (docs/adr/0003), decided before it is executed.

use alloy_primitives::TxKind;
use concordat_permissions::Action as Wanted;
use concordat_types::{Address, Bytes, ReadError, SignedTx, StateReader, VerifiedTx, receipt::Outcome};
use revm::{
    context_interface::{cfg::GasParams, transaction::AccessListItemTr as _},
    interpreter::InitialAndFloorGas,
};

use crate::{
    contracts::{self, Halted, Place, Unapproved},
    env::{BlockEnv, MAX_TX_GAS, TxRules},
    error::{ExecError, TxInvalid},
    identity::{self, ActError, decide_enrolment},
    orders::{self, OrderNotice},
    overlay::Overlay,
    permissions::{Asker, Deed, Denial, Sender},
    standing::{Action, Enrolled, decide_sender},
    system::{GasMeter, SystemError, gas},
};

/// What a transaction can ask for without a look at the state.
pub(crate) fn check_form(
    tx: &SignedTx,
    height: u64,
    rules: &TxRules,
    gas_left: u64,
) -> Result<Due, TxInvalid> {
    let (first, last) = tx.validity();
    if height < first {
        return Err(TxInvalid::NotYetValid { first, height });
    }
    if height > last {
        return Err(TxInvalid::NoLongerValid { last, height });
    }
    if tx.nonce() == u64::MAX {
        return Err(TxInvalid::NonceMax);
    }
    let size = tx.input().len();
    let limit = rules.max_init_code_bytes;
    if tx.kind() == TxKind::Create && size > limit {
        return Err(TxInvalid::InitCodeTooLarge { size, limit });
    }
    check_gas(tx, &rules.gas, gas_left)
}

/// Gas that a transaction owes before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Its limit.
    have: u64,
    /// For its bytes.
    bytes: u64,
    /// For its bytes at the least, whatever it uses otherwise (EIP-7623).
    floor: u64,
    /// For the row of the contract that it makes.
    row: u64,
}

impl Due {
    /// Of a question that nobody sends.
    pub(crate) const NOTHING: Self = Self { have: u64::MAX, bytes: 0, floor: 0, row: 0 };

    /// Checks that a transaction can also pay for asking the enacted policies about it.
    fn check_asking(&self, asking: u64) -> Result<(), TxInvalid> {
        let (have, want) = (self.have, self.bytes.saturating_add(self.row).saturating_add(asking));
        if want > have { Err(TxInvalid::IntrinsicGas { have, want }) } else { Ok(()) }
    }

    /// What a transaction uses that is refused: its place in the block, and the questions that were asked about it.
    pub(crate) fn refused(&self, asking: u64) -> u64 {
        self.bytes.saturating_add(asking).max(self.floor)
    }
}

fn check_gas(tx: &SignedTx, gas_params: &GasParams, gas_left: u64) -> Result<Due, TxInvalid> {
    let have = tx.gas_limit();
    if have > MAX_TX_GAS {
        return Err(TxInvalid::GasAboveCap { have, cap: MAX_TX_GAS });
    }
    if have > gas_left {
        return Err(TxInvalid::GasAboveBlock { have, left: gas_left });
    }
    let due = due_gas(tx, gas_params);
    let row = if tx.kind().is_create() { gas::CONTRACT_MADE } else { 0 };
    let want = due.initial_total_gas().saturating_add(row);
    if want > have {
        return Err(TxInvalid::IntrinsicGas { have, want });
    }
    if due.floor_gas() > have {
        return Err(TxInvalid::FloorGas { have, want: due.floor_gas() });
    }
    Ok(Due { have, bytes: due.initial_total_gas(), floor: due.floor_gas(), row })
}

/// Gas that is due for the transaction's bytes (EIP-2028, EIP-2930, EIP-3860, EIP-7623). What a contract's row costs
/// is due where its creation begins.
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

/// What an account wants of a block, as far as that is decided before execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    /// Who wants it.
    pub account: Address,
    /// To call whom, or to make a contract.
    pub kind: TxKind,
    /// Call data, of which the first four bytes count, or init code.
    pub input: &'a [u8],
}

impl<'a> Wish<'a> {
    fn of(tx: &'a VerifiedTx) -> Self {
        Self { account: tx.sender(), kind: tx.kind(), input: tx.input() }
    }
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

/// A verdict, and the gas of asking the enacted policies about the transaction itself.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) asking: u64,
}

impl From<Verdict> for Judged {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, asking: 0 }
    }
}

/// Why a transaction stands in a block without being executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// By how its sender stands.
    Standing(Outcome),
    /// The contract does not answer.
    Contract(Halted),
    /// By the policies.
    Policy(Denial),
    /// Nobody has approved of the deployment.
    Approval(Unapproved),
    /// By an order of a regulator.
    Order(OrderNotice),
}

impl Refusal {
    /// How the transaction ends.
    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::Standing(outcome) => *outcome,
            Self::Contract(_) => Outcome::ContractFrozen,
            Self::Policy(_) => Outcome::NotPermitted,
            Self::Approval(_) => Outcome::ApprovalMissing,
            Self::Order(_) => Outcome::Ordered,
        }
    }

    /// What its receipt says beyond that.
    pub(crate) fn output(&self) -> Bytes {
        match self {
            Self::Standing(_) => Bytes::new(),
            Self::Contract(halted) => halted.abi_encode(),
            Self::Policy(denial) => denial.abi_encode(),
            Self::Approval(unapproved) => unapproved.abi_encode(),
            Self::Order(notice) => notice.abi_encode(),
        }
    }
}

impl From<Refusal> for TxInvalid {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Standing(outcome) => Self::Refused { outcome },
            Refusal::Contract(halted) => Self::ContractFrozen { halted },
            Refusal::Policy(denial) => Self::NotPermitted { denial },
            Refusal::Approval(unapproved) => Self::ApprovalMissing { unapproved },
            Refusal::Order(notice) => Self::Ordered { notice },
        }
    }
}

/// Judges the sender.
pub(crate) fn judge<R: StateReader>(
    overlay: &mut Overlay<R>,
    tx: &VerifiedTx,
    env: &BlockEnv,
    due: &Due,
) -> Result<Judged, ExecError> {
    match overlay.standing(tx.sender())? {
        None => check_enrolment(overlay, tx, env).map(|()| Verdict::Enrol.into()),
        Some(enrolled) => judge_enrolled(overlay, &Wish::of(tx), env, (enrolled, due)),
    }
}

/// Judges somebody enrolled: first by standing, then by whether the contract answers, and answers this account, then by
/// the policies, then by whether a deployment has the approval that it may need.
pub(crate) fn judge_enrolled<R: StateReader>(
    overlay: &mut Overlay<R>,
    wish: &Wish<'_>,
    env: &BlockEnv,
    (enrolled, due): (Enrolled, &Due),
) -> Result<Judged, ExecError> {
    let action = Action::of(wish.kind, wish.input);
    if let Err(outcome) = decide_sender(&enrolled.standing, env.height, env.time_secs, action) {
        let ordered = enrolled.standing.stops.refusing(env.height, action);
        let refusal = match ordered.filter(|_| outcome == Outcome::Ordered) {
            Some(order) => Refusal::Order(orders::notice(overlay, order)?),
            None => Refusal::Standing(outcome),
        };
        return Ok(Verdict::Refuse(refusal).into());
    }
    let asker = asker(overlay, &enrolled, env)?;
    let deed = deed(wish, action);
    let known = known(overlay, Place { account: enrolled.identity, height: env.height }, &deed)?;
    if let Some(halted) = known.halted {
        return Ok(Verdict::Refuse(Refusal::Contract(halted)).into());
    }
    if let Some(order) = deed.contract.and_then(|contract| enrolled.shut.order(contract, env.height)) {
        return Ok(Verdict::Refuse(Refusal::Order(orders::notice(overlay, order)?)).into());
    }
    let asking = asker.price(&deed, &known);
    due.check_asking(asking)?;
    if let Err(denial) = asker.ask(&deed, &known) {
        return Ok(Judged { verdict: Verdict::Refuse(Refusal::Policy(denial)), asking });
    }
    let unapproved = match action {
        Action::Deploy => contracts::unapproved(overlay, wish.input, enrolled.identity, env.height)?,
        _ => None,
    };
    let verdict = unapproved.map_or(Verdict::Execute(asker), |it| Verdict::Refuse(Refusal::Approval(it)));
    Ok(Judged { verdict, asking })
}

/// Who asks the policies for what an enrolled account does.
pub(crate) fn asker<R: StateReader>(
    overlay: &mut Overlay<R>,
    enrolled: &Enrolled,
    env: &BlockEnv,
) -> Result<Asker, ReadError> {
    let Enrolled { standing, identity, organisation, shut } = enrolled;
    let sender = Sender { account: *identity, organisation: organisation.clone(), role: standing.role };
    let (policies, shut) = (overlay.policies()?, shut.clone());
    Ok(Asker { policies, sender, time_secs: env.time_secs, binds: true, shut })
}

/// What is known of what a transaction is about. Intrinsic gas covers it: it is at most four rows.
pub(crate) fn known<R: StateReader>(
    overlay: &mut Overlay<R>,
    place: Place,
    deed: &Deed,
) -> Result<contracts::Known, ExecError> {
    let meter = &mut GasMeter::new(u64::MAX);
    contracts::known(overlay, meter, place, deed).map_err(|error| match error {
        SystemError::State(error) => ExecError::State(error),
        error => ExecError::Internal(format!("{error:?} where a transaction is asked about")),
    })
}

/// What a transaction does, in the policies' terms.
pub(crate) fn deed(wish: &Wish<'_>, action: Action) -> Deed {
    let wanted = match action {
        Action::Deploy => Wanted::Deploy,
        Action::CallContract => Wanted::Call,
        Action::CallSystem | Action::Renew => Wanted::SystemCall,
    };
    let contract = wish.kind.to().copied();
    // Init code names no method.
    let method = contract.and_then(|_| wish.input.first_chunk::<4>().copied());
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
