//! One policy, read and checked.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use cedar_policy::{Effect, PolicySet, ValidationMode, ValidationWarning, pst::Template};
use miette::Diagnostic;

use crate::{
    enacted::{EnactedPolicy, PolicyId},
    engine::{Engine, Facts},
    error::PolicyError,
    literal,
    scope::Scope,
    sight::Sight,
    terms,
    text::{self, line_at, line_of},
};

/// The longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 200;

/// A policy that may stand in a set.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) id: PolicyId,
    pub(crate) text: String,
    pub(crate) reason: String,
    /// The proposal that enacted it; `None` for the catalogue's.
    pub(crate) proposal: Option<u64>,
    /// Whether an enacted policy of this id may take its place.
    pub(crate) replaceable: bool,
    pub(crate) effect: Effect,
    pub(crate) scope: Scope,
    pub(crate) sight: Sight,
    /// The accounts that it names.
    pub(crate) accounts: BTreeSet<Address>,
    /// How many terms its conditions have.
    pub(crate) terms: u64,
    /// A set of this policy alone, as Cedar wants to be asked.
    alone: PolicySet,
}

/// What a policy says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its scope and all conditions hold.
    Applies,
    /// They do not.
    Silent,
    /// It cannot be known.
    Fails(String),
}

/// Where a policy comes from.
enum Origin {
    Catalogue,
    Proposal { number: u64, replaces: bool },
}

impl Policy {
    /// Reads and checks an enacted policy. `replaces` says whether it takes the place of one of the catalogue.
    pub(crate) fn enacted(
        engine: &Engine,
        policy: &EnactedPolicy,
        replaces: bool,
    ) -> Result<Self, PolicyError> {
        let EnactedPolicy { id, text, proposal } = policy;
        text::check(id, text)?;
        let parsed = cedar_policy::Policy::parse(Some(cedar_policy::PolicyId::new(id)), text);
        let parsed = parsed.map_err(|errors| syntax(id, text, &errors))?;
        let origin = Origin::Proposal { number: *proposal, replaces };
        let policy = Self::check(engine, id.clone(), text, parsed, &origin)?;
        match policy.scope.actions.iter().find(|action| action.is_reserved()) {
            Some(action) => Err(PolicyError::Reserved { id: id.clone(), action: *action }),
            None => Ok(policy),
        }
    }

    /// Checks a policy of the catalogue.
    pub(crate) fn of_catalogue(engine: &Engine, policy: cedar_policy::Policy) -> Result<Self, PolicyError> {
        let broken = |reason: String| PolicyError::Catalogue { reason };
        let name = policy.annotation("id").unwrap_or_default();
        let id: PolicyId =
            name.parse().map_err(|error: crate::enacted::PolicyIdError| broken(error.to_string()))?;
        let policy = policy.new_id(cedar_policy::PolicyId::new(&id));
        let text = policy.to_cedar().unwrap_or_default();
        Self::check(engine, id, &text, policy, &Origin::Catalogue)
    }

    fn check(
        engine: &Engine,
        id: PolicyId,
        text: &str,
        parsed: cedar_policy::Policy,
        origin: &Origin,
    ) -> Result<Self, PolicyError> {
        let structure = parsed.to_pst().map_err(|error| PolicyError::Syntax {
            id: id.clone(),
            line: 1,
            reason: error.to_string(),
            mend: "write one policy without slots".to_owned(),
        })?;
        let body = structure.body();
        let (reason, replaceable) = annotations(&id, body, origin)?;
        let scope = scope(&id, text, body)?;
        let effect = parsed.effect();
        let alone = PolicySet::from_policies([parsed])
            .map_err(|error| PolicyError::Catalogue { reason: error.to_string() })?;
        validate(engine, &id, text, &alone, matches!(origin, Origin::Proposal { replaces: true, .. }))?;
        let (sight, accounts) = (Sight::of(&scope, body), literal::accounts(&scope, body));
        let proposal = match origin {
            Origin::Catalogue => None,
            Origin::Proposal { number, .. } => Some(*number),
        };
        let (text, terms) = (text.to_owned(), terms::count(body));
        Ok(Self { id, text, reason, proposal, replaceable, effect, scope, sight, accounts, terms, alone })
    }

    /// What it says.
    pub(crate) fn verdict(&self, engine: &Engine, facts: &Facts) -> Verdict {
        let response = engine.authorizer.is_authorized(&facts.request, &self.alone, &facts.entities);
        let said = response.diagnostics();
        match said.errors().next() {
            Some(error) => Verdict::Fails(error.to_string()),
            None if said.reason().next().is_some() => Verdict::Applies,
            None => Verdict::Silent,
        }
    }
}

/// The reason, and whether the policy is replaceable.
fn annotations(id: &PolicyId, body: &Template, origin: &Origin) -> Result<(String, bool), PolicyError> {
    let get = |name: &str| body.annotations.get(name).map(|value| value.as_str());
    let catalogue = matches!(origin, Origin::Catalogue);
    let known = |name: &str| matches!(name, "id" | "reason") || (catalogue && name == "replaceable");
    if let Some(name) = body.annotations.keys().find(|name| !known(name)) {
        return Err(PolicyError::Annotation { id: id.clone(), name: name.clone() });
    }
    if get("id") != Some(id.as_str()) {
        return Err(PolicyError::OtherId { id: id.clone(), have: get("id").map(ToOwned::to_owned) });
    }
    let reason = get("reason").unwrap_or_default();
    let readable = (1..=MAX_REASON_BYTES).contains(&reason.len())
        && reason.trim() == reason
        && !reason.chars().any(char::is_control);
    if !readable {
        return Err(PolicyError::Reason { id: id.clone() });
    }
    Ok((reason.to_owned(), get("replaceable") == Some("yes")))
}

fn scope(id: &PolicyId, text: &str, body: &Template) -> Result<Scope, PolicyError> {
    if let Some((literal, mend)) = literal::misspelt(body) {
        let line = line_of(text, &literal);
        return Err(PolicyError::Literal { id: id.clone(), line, literal, mend });
    }
    Scope::read(body).map_err(|(what, mend)| {
        let word = what.rsplit(' ').next().unwrap_or(what);
        PolicyError::Scope { id: id.clone(), line: line_of(text, word), what, mend }
    })
}

/// Checks a policy against the schema. Its facts are then always there, and always of the kind that it expects.
fn validate(
    engine: &Engine,
    id: &PolicyId,
    text: &str,
    alone: &PolicySet,
    may_be_impossible: bool,
) -> Result<(), PolicyError> {
    // One step from the principal or the resource: the facts about anybody else are not known.
    let found = engine.validator.validate_with_level(alone, ValidationMode::Strict, 1);
    let mut wrong: Vec<(usize, String, String)> =
        found.validation_errors().map(|error| described(text, error)).collect();
    let mut impossible = false;
    for warning in found.validation_warnings() {
        match warning {
            ValidationWarning::ImpossiblePolicy(_) => impossible = true,
            other => wrong.push(described(text, other)),
        }
    }
    // Cedar keeps them in no order.
    match wrong.into_iter().min() {
        Some((line, reason, mend)) => Err(PolicyError::Invalid { id: id.clone(), line, reason, mend }),
        None if impossible && !may_be_impossible => Err(PolicyError::Impossible { id: id.clone() }),
        None => Ok(()),
    }
}

fn syntax(id: &PolicyId, text: &str, errors: &cedar_policy::ParseErrors) -> PolicyError {
    let first = errors.iter().map(|error| described(text, error)).min();
    let (line, reason, mend) = first.unwrap_or_else(|| described(text, errors));
    PolicyError::Syntax { id: id.clone(), line, reason, mend }
}

/// Line, reason and mend of what Cedar says.
fn described(text: &str, said: &dyn Diagnostic) -> (usize, String, String) {
    let offset = said.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let mend = said.help().map_or_else(|| "see docs/permissions.md".to_owned(), |help| help.to_string());
    (offset.map_or(1, |at| line_at(text, at)), said.to_string(), mend)
}

impl AsRef<str> for PolicyId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
