//! A set of policies: the catalogue's and the enacted ones. It decides.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use alloy_primitives::{Address, B256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use cedar_policy::Effect;
use concordat_types::{Holder, Role};
use sha2::{Digest as _, Sha256};

use crate::{
    decision::{Asked, Code, Deciding, Decision, Explanation, Failure, MAX_NEAR, Missed, Near},
    enacted::{EnactedPolicy, MAX_POLICIES, MAX_TOTAL_BYTES, PolicyId},
    engine::{DEFAULT_POLICIES, Engine, SCHEMA, with_check_stack, with_evaluation_stack},
    error::{Lockout, PolicyError},
    facts::{Action, Context, Principal, Request, Resource},
    index::Index,
    outline::Outline,
    policy::{Policy, Verdict},
    sight::Sight,
    wire,
};

/// How much there is to evaluate for a request, the catalogue aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Enacted policies whose scopes the request is in.
    pub policies: u64,
    /// Terms of all their conditions together.
    pub terms: u64,
}

/// Policies that were read and checked, and decide.
pub struct PolicySet {
    engine: Arc<Engine>,
    /// The policies of the catalogue, replaced ones among them.
    catalogue: Vec<Arc<Policy>>,
    /// Those in force, in the order of their ids.
    policies: Vec<Arc<Policy>>,
    index: Index,
    /// Whether any policy is enacted.
    enacted: bool,
    digest: B256,
}

impl PolicySet {
    /// The catalogue's policies with the enacted ones, each of which may replace a replaceable one of the catalogue.
    pub fn new(enacted: &[EnactedPolicy]) -> Result<Self, PolicyError> {
        with_check_stack(|| {
            let engine = Arc::new(Engine::new()?);
            let catalogue = catalogue(&engine)?;
            Self::build(engine, catalogue, &[], enacted)
        })
    }

    /// The same as [`Self::new`], where nothing is read again that stands in this set already.
    pub fn with(&self, enacted: &[EnactedPolicy]) -> Result<Self, PolicyError> {
        with_check_stack(|| Self::build(self.engine.clone(), self.catalogue.clone(), &self.policies, enacted))
    }

    fn build(
        engine: Arc<Engine>,
        catalogue: Vec<Arc<Policy>>,
        known: &[Arc<Policy>],
        enacted: &[EnactedPolicy],
    ) -> Result<Self, PolicyError> {
        check_size(enacted)?;
        let mut policies: BTreeMap<PolicyId, Arc<Policy>> =
            catalogue.iter().map(|policy| (policy.id.clone(), policy.clone())).collect();
        let mut seen = BTreeSet::new();
        for new in enacted {
            if !seen.insert(&new.id) {
                return Err(PolicyError::Duplicate { id: new.id.clone() });
            }
            let replaced = policies.get(&new.id);
            if replaced.is_some_and(|policy| !policy.replaceable) {
                return Err(PolicyError::Protected { id: new.id.clone() });
            }
            let policy = match known.iter().find(|policy| is_same(policy, new)) {
                Some(policy) => policy.clone(),
                None => Arc::new(Policy::enacted(&engine, new, replaced.is_some())?),
            };
            policies.insert(new.id.clone(), policy);
        }
        let policies: Vec<Arc<Policy>> = policies.into_values().collect();
        let (index, digest) = (Index::new(&policies), digest(&policies));
        Ok(Self { engine, catalogue, policies, index, enacted: !enacted.is_empty(), digest })
    }

    /// SHA-256 over the schema and all policies in force: sets of equal digests decide equally.
    pub const fn digest(&self) -> B256 {
        self.digest
    }

    /// The policies in force, in the order of their ids: each with its text.
    pub fn policies(&self) -> impl Iterator<Item = (Deciding, &str)> {
        self.policies.iter().map(|policy| (Deciding::new(policy), policy.text.as_str()))
    }

    /// A policy in force in short words.
    pub fn outline(&self, id: &PolicyId) -> Option<Outline> {
        self.policies.iter().find(|policy| policy.id == *id).map(|policy| Outline::of(policy))
    }

    /// The accounts that a policy in force names, in order.
    pub fn accounts(&self, id: &PolicyId) -> impl Iterator<Item = Address> {
        let policy = self.policies.iter().find(|policy| policy.id == *id);
        policy.into_iter().flat_map(|policy| policy.accounts.iter().copied())
    }

    /// The first policy in force that names an account.
    pub fn naming(&self, account: Address) -> Option<&PolicyId> {
        self.policies.iter().find(|policy| policy.accounts.contains(&account)).map(|policy| &policy.id)
    }

    /// How much the enacted policies add to a decision. It is known before anything is evaluated, and depends on the
    /// request and the set alone.
    pub fn load(&self, request: &Request<'_>) -> Load {
        if !self.enacted {
            return Load::default();
        }
        let places = self.index.candidates(request);
        let concerned = places.iter().filter_map(|place| self.policies.get(*place));
        concerned.filter(|policy| policy.proposal.is_some()).fold(Load::default(), |sum, policy| Load {
            policies: sum.policies.saturating_add(1),
            terms: sum.terms.saturating_add(policy.terms),
        })
    }

    /// The first enacted policy that is about an action.
    pub fn enacted_on(&self, action: Action) -> Option<Deciding> {
        let mut enacted = self.policies.iter().filter(|policy| policy.proposal.is_some());
        enacted.find(|policy| policy.scope.actions.contains(&action)).map(|policy| Deciding::new(policy))
    }

    /// Decides. What nothing permits is refused, what anything forbids as well, and so is what cannot be decided.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        self.decide_by(request, &self.index.candidates(request))
    }

    /// Decides by the policies at these places.
    fn decide_by(&self, request: &Request<'_>, places: &[usize]) -> Decision {
        if !is_possible(request) {
            return Decision::new(Code::NotPermitted, Vec::new(), Vec::new());
        }
        let candidates = || places.iter().filter_map(|place| self.policies.get(*place));
        let timed = candidates().any(|policy| policy.sight.has(Sight::TIME));
        let facts = match self.engine.facts(request, timed) {
            Ok(facts) => facts,
            // Only a time can have no words.
            Err(error) => return without_time(candidates(), &error),
        };
        with_evaluation_stack(|| {
            let verdicts = candidates().map(|policy| (policy, policy.verdict(&self.engine, &facts)));
            conclude(verdicts)
        })
    }

    /// A decision, what was asked, and what would have changed it.
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        let decision = self.decide(request);
        let nearest = match decision.code {
            Code::NotPermitted if is_possible(request) => self.nearest(request),
            _ => Vec::new(),
        };
        Explanation { asked: Asked::from(request), decision, nearest }
    }

    fn nearest(&self, request: &Request<'_>) -> Vec<Near> {
        let permits = self.policies.iter().filter(|policy| {
            policy.effect == Effect::Permit && policy.scope.has_deed(request.action, &request.resource)
        });
        let mut nearest: Vec<Near> = permits
            .map(|policy| {
                let concerned = policy.scope.has_principal(&request.principal);
                let missed = if concerned { Missed::Condition } else { Missed::Principal };
                Near { policy: Deciding::new(policy), missed }
            })
            .collect();
        nearest.sort_by_key(|near| near.missed == Missed::Principal);
        nearest.truncate(MAX_NEAR);
        nearest
    }

    /// The first of these members of the committee who could not govern under this set, and so could not help to
    /// change it.
    ///
    /// No enacted policy covers the action `govern`, hence this finds only accounts that are no members by their role.
    pub fn locks_out(&self, committee: &[Principal<'_>]) -> Option<Lockout> {
        committee.iter().find_map(|member| {
            let request = Request {
                principal: *member,
                action: Action::Govern,
                resource: Resource::Ledger,
                context: Context::default(),
            };
            let decision = self.decide(&request);
            (!decision.allowed).then_some(Lockout { account: member.account, code: decision.code })
        })
    }

    /// What any policy on an action sees.
    pub(crate) fn sight(&self, action: Action) -> Sight {
        self.index.sight(action)
    }

    /// The decision, and whether it depends on the time.
    pub fn decide_and_tell_if_timed(&self, request: &Request<'_>) -> (Decision, bool) {
        let places = self.index.candidates(request);
        let mut candidates = places.iter().filter_map(|place| self.policies.get(*place));
        let timed = candidates.any(|policy| policy.sight.has(Sight::TIME));
        (self.decide_by(request, &places), timed)
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.policies.iter().map(|policy| policy.id.as_str()).collect();
        f.debug_struct("PolicySet").field("digest", &self.digest).field("policies", &ids).finish()
    }
}

/// Whether a role is one of an account: nodes and keys do nothing that policies are about.
pub(crate) const fn is_account(role: Role) -> bool {
    matches!(role.holder(), Holder::Account)
}

/// Whether policies can say anything of it.
fn is_possible(request: &Request<'_>) -> bool {
    is_account(request.principal.role) && request.action.applies_to(&request.resource)
}

fn catalogue(engine: &Engine) -> Result<Vec<Arc<Policy>>, PolicyError> {
    let broken = |reason: String| PolicyError::Catalogue { reason };
    let parsed: cedar_policy::PolicySet =
        DEFAULT_POLICIES.parse().map_err(|error: cedar_policy::ParseErrors| broken(error.to_string()))?;
    let mut policies: Vec<Arc<Policy>> = parsed
        .policies()
        .map(|policy| Policy::of_catalogue(engine, policy.clone()).map(Arc::new))
        .collect::<Result<_, _>>()?;
    policies.sort_by(|one, other| one.id.cmp(&other.id));
    match policies.windows(2).find(|pair| matches!(pair, [one, other] if one.id == other.id)) {
        Some(_) => Err(broken("two policies have one id".to_owned())),
        None => Ok(policies),
    }
}

fn check_size(enacted: &[EnactedPolicy]) -> Result<(), PolicyError> {
    if enacted.len() > MAX_POLICIES {
        return Err(PolicyError::TooMany { have: enacted.len() });
    }
    let total = enacted.iter().fold(0_usize, |sum, policy| sum.saturating_add(policy.text.len()));
    if total > MAX_TOTAL_BYTES { Err(PolicyError::TotalTooLong { have: total }) } else { Ok(()) }
}

fn is_same(policy: &Policy, enacted: &EnactedPolicy) -> bool {
    policy.proposal == Some(enacted.proposal) && policy.id == enacted.id && policy.text == enacted.text
}

#[derive(RlpEncodable, RlpDecodable)]
struct DigestedPolicy {
    /// Zero for the catalogue's, one for an enacted one.
    enacted: u8,
    id: String,
    text: String,
    proposal: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Digested {
    schema: String,
    policies: Vec<DigestedPolicy>,
}

fn digest(policies: &[Arc<Policy>]) -> B256 {
    let digested = |policy: &Arc<Policy>| DigestedPolicy {
        enacted: u8::from(policy.proposal.is_some()),
        id: policy.id.to_string(),
        text: policy.text.clone(),
        proposal: policy.proposal.unwrap_or_default(),
    };
    let policies = policies.iter().map(digested).collect();
    let bytes = wire::encode(&Digested { schema: SCHEMA.to_owned(), policies });
    B256::from_slice(&Sha256::digest(bytes))
}

/// The decision where Cedar could not be told the time: those who ask for it fail.
fn without_time<'a>(candidates: impl Iterator<Item = &'a Arc<Policy>>, error: &str) -> Decision {
    let (policies, errors) = candidates
        .filter(|policy| policy.sight.has(Sight::TIME))
        .map(|policy| (Deciding::new(policy), Failure { id: policy.id.clone(), error: error.to_owned() }))
        .unzip();
    Decision::new(Code::Undecidable, policies, errors)
}

/// The decision that verdicts amount to.
fn conclude<'a>(verdicts: impl Iterator<Item = (&'a Arc<Policy>, Verdict)>) -> Decision {
    let (mut permits, mut forbids, mut failed, mut errors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (policy, verdict) in verdicts {
        match (verdict, policy.effect) {
            (Verdict::Applies, Effect::Permit) => permits.push(Deciding::new(policy)),
            (Verdict::Applies, Effect::Forbid) => forbids.push(Deciding::new(policy)),
            (Verdict::Silent, _) => {}
            (Verdict::Fails(error), _) => {
                failed.push(Deciding::new(policy));
                errors.push(Failure { id: policy.id.clone(), error });
            }
        }
    }
    let (code, policies) = match (forbids.is_empty(), failed.is_empty(), permits.is_empty()) {
        // What is forbidden is so, whatever the others would have said.
        (false, ..) => (Code::Forbidden, forbids),
        (true, false, _) => (Code::Undecidable, failed),
        (true, true, false) => (Code::Permitted, permits),
        (true, true, true) => (Code::NotPermitted, Vec::new()),
    };
    Decision::new(code, policies, errors)
}

#[cfg(test)]
mod tests;
