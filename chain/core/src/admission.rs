//! What the mempool asks before it takes a transaction in.

use concordat_types::{Role, StateReader, VerifiedTx};

use crate::{
    env::BlockEnv,
    error::{ExecError, TxInvalid},
    overlay::Overlay,
    system::ORDERS,
    validity::{self, Verdict},
};

/// A transaction that the next block could take if its nonce's turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The nonce that the sender needs next, in the state.
    pub state_nonce: u64,
    /// Whether it enrols its sender.
    pub enrolling: bool,
    /// Whether it is for the contract of orders, by somebody of the role regulator: such transactions go first.
    pub orders: bool,
}

/// Makes ready what decisions over this state need and what takes long to make: the set of policies in force. From then on
/// blocks keep it, so that nothing which must not wait makes it whole.
pub fn prepare<R: StateReader>(reader: R) -> Result<(), ExecError> {
    Overlay::new(reader).deciding().policies()?;
    Ok(())
}

/// Decides all that the state can tell now: everything but whether the nonces before this one will come.
/// `env` is that of the next block; its whole gas limit counts.
pub fn admission<R: StateReader>(reader: R, tx: &VerifiedTx, env: &BlockEnv) -> Result<Admission, ExecError> {
    let due = validity::check_form(tx, env.height, &env.tx_rules()?, env.params.block_gas_limit)?;
    let overlay = &mut Overlay::new(reader);
    let state_nonce = validity::check_account(overlay, tx)?;
    match validity::judge(overlay, tx, env, &due)?.verdict {
        Verdict::Execute(asker) => {
            let orders = asker.sender.role == Role::Regulator && tx.kind().to() == Some(&ORDERS);
            Ok(Admission { state_nonce, enrolling: false, orders })
        }
        Verdict::Enrol => Ok(Admission { state_nonce, enrolling: true, orders: false }),
        Verdict::Refuse(refusal) => Err(TxInvalid::from(refusal).into()),
    }
}
