//! Why a block would execute or refuse a transaction: the decision that it makes, with all its grounds.

use concordat_permissions::Explanation as Permission;
use concordat_types::{Address, OrgId, StateReader, receipt::Outcome};

use crate::{
    contracts::Place,
    env::BlockEnv,
    error::ExecError,
    orders::OrderNotice,
    overlay::Overlay,
    standing::{Action, Enrolled, Standing},
    validity::{self, Due, Refusal, Verdict, Wish},
};

/// What a block would do with a transaction of somebody enrolled, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grounds {
    /// With which outcome it is refused; `None` where it is executed.
    pub refused: Option<Outcome>,
    /// The order of a regulator that refuses it, if one does.
    pub order: Option<OrderNotice>,
    /// How the account stands. This is decided first.
    pub standing: Standing,
    /// Its identity: the account of its first key, which policies and lists name.
    pub identity: Address,
    /// For whom it acts.
    pub organisation: OrgId,
    /// What the policies say, also where the standing refuses already.
    pub permission: Permission,
}

/// Explains what a block in these surroundings would do with a transaction, by the very functions that decide in one;
/// `None` where the account has never enrolled, so that it may do nothing but that.
///
/// # Errors
/// [`ExecError::State`] where the state cannot be read: no verdict.
pub fn explain<R: StateReader>(
    reader: R,
    env: &BlockEnv,
    wish: &Wish<'_>,
) -> Result<Option<Grounds>, ExecError> {
    let overlay = &mut Overlay::new(reader);
    let Some(enrolled) = overlay.standing(wish.account)? else { return Ok(None) };
    let Enrolled { standing, identity, organisation, .. } = enrolled.clone();
    let action = Action::of(wish.kind, wish.input);
    let asker = validity::asker(overlay, &enrolled, env)?;
    let deed = validity::deed(wish, action);
    let known = validity::known(overlay, Place { account: identity, height: env.height }, &deed)?;
    let permission = asker.explain(&deed, &known);
    let refusal = match validity::judge_enrolled(overlay, wish, env, (enrolled, &Due::NOTHING))?.verdict {
        Verdict::Refuse(refusal) => Some(refusal),
        Verdict::Execute(_) | Verdict::Enrol => None,
    };
    let refused = refusal.as_ref().map(Refusal::outcome);
    let order = refusal.and_then(|refusal| match refusal {
        Refusal::Order(notice) => Some(notice),
        _ => None,
    });
    let organisation = organisation.as_ref().clone();
    Ok(Some(Grounds { refused, order, standing, identity, organisation, permission }))
}
