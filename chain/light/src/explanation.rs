//! May somebody do something, and why: decided here, by the functions that blocks are executed with, from entries of the
//! state that a node has told or proved.

use alloy_primitives::{Address, FixedBytes, TxKind};
use concordat_core::{ExecError, Grounds, Wish, explain};
use serde_json::{Value, json};

use crate::{LightError, RemoteState};

/// What somebody would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who would sign.
    pub account: Address,
    /// The contract that it would call; none: it would make one.
    pub contract: Option<Address>,
    /// The method; a call without data where there is none.
    pub method: Option<FixedBytes<4>>,
}

/// The grounds of the decision, `None` for an account that has never enrolled.
///
/// # Errors
/// [`LightError`] where the state cannot be read: no verdict.
pub fn explanation(state: &RemoteState, question: &Question) -> Result<Option<Grounds>, LightError> {
    let env = state.next_block()?;
    let wish = Wish {
        account: question.account,
        kind: question.contract.map_or(TxKind::Create, TxKind::Call),
        input: question.method.as_ref().map_or(&[], |method| method.as_slice()),
    };
    let undecided = |error: ExecError| state.take_failure().unwrap_or_else(|| because(error));
    explain(state, &env, &wish).map_err(undecided)
}

fn because(error: ExecError) -> LightError {
    LightError::because("nothing can be decided")(error)
}

/// The decision as one document: what would happen, and everything that it rests on.
///
/// # Errors
/// None that can be: what is in it has a JSON form.
pub fn told(
    question: &Question,
    state: &RemoteState,
    grounds: Option<&Grounds>,
) -> Result<Value, LightError> {
    let permission = serde_json::to_value(grounds.map(|grounds| &grounds.permission));
    let permission = permission.map_err(LightError::because("the permission has no JSON form"))?;
    let refused = grounds.and_then(|grounds| grounds.refused);
    let (from, upto) = state.heights();
    Ok(json!({
        "account": question.account,
        "contract": question.contract,
        "method": question.method,
        "heights": [from, upto],
        "proved": state.is_proved(),
        "entries": state.entries(),
        "enrolled": grounds.is_some(),
        "executed": grounds.is_some() && refused.is_none(),
        "order": grounds.and_then(|grounds| grounds.order.as_ref()).map(|order| json!({
            "id": order.id,
            "measure": order.measure,
            "reference": order.reference,
            "until": order.until,
        })),
        "refused": refused.map(|outcome| json!({ "code": outcome.code(), "message": outcome.describe() })),
        "standing": grounds.map(standing),
        "permission": permission,
        "says": describe(question, grounds),
    }))
}

fn standing(grounds: &Grounds) -> Value {
    let standing = &grounds.standing;
    json!({
        "identity": grounds.identity,
        "organisation": grounds.organisation,
        "role": standing.role,
        "active": standing.active,
        "organisationActive": standing.organisation_active,
        "revoked": standing.revoked,
        "notAfter": standing.not_after,
        "freeze": standing.freeze.map(|freeze| json!({ "scope": freeze.scope, "until": freeze.until })),
    })
}

/// The decision in words.
pub fn describe(question: &Question, grounds: Option<&Grounds>) -> String {
    let Some(grounds) = grounds else {
        return format!(
            "{} has never enrolled: it may do nothing but that (concordat account enrol)",
            question.account
        );
    };
    let answer = grounds.refused.map_or("it would be executed", |outcome| outcome.describe());
    let order = grounds.order.as_ref().map(|order| format!(": {order}")).unwrap_or_default();
    format!("{answer}{order}\n{}", grounds.permission)
}
