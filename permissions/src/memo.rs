//! Decisions that were made before, found again by all that their policies can see.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use alloy_primitives::{Address, B256};
use concordat_types::Role;

use crate::{
    decision::Decision,
    facts::{Action, Listing, Request, Resource},
    scope::OrgKey,
    set::{PolicySet, is_account},
    sight::Sight,
};

/// The most decisions that a memo keeps.
pub const MAX_SLOTS: usize = 1 << 20;

/// How many decisions share a place. With fewer, some of those that are asked for again and again would drive each
/// other out.
const WAYS: usize = 4;

/// Decisions of one set of policies. It gives exactly the answers of [`PolicySet::decide`], sooner.
///
/// It has a fixed number of slots. A new decision takes the oldest slot of its place; so no decision depends on what
/// the memo has seen, and no sender can make it grow.
#[derive(Debug)]
pub struct Memo {
    digest: B256,
    places: Vec<[Option<Known>; WAYS]>,
    mask: u64,
}

/// A decision that was made.
#[derive(Clone, Debug)]
struct Known {
    key: Key,
    decision: Arc<Decision>,
}

impl Memo {
    /// An empty memo of so many slots, rounded up to a power of two, at most [`MAX_SLOTS`].
    pub fn new(slots: usize) -> Self {
        let places = (slots.clamp(WAYS, MAX_SLOTS) / WAYS).next_power_of_two();
        let mask = u64::try_from(places).unwrap_or(1).saturating_sub(1);
        Self { digest: B256::ZERO, places: vec![[const { None }; WAYS]; places], mask }
    }

    /// What [`PolicySet::decide`] answers.
    pub fn decide(&mut self, policies: &PolicySet, request: &Request<'_>) -> Arc<Decision> {
        if let Some(known) = self.look(policies, request) {
            return known;
        }
        let (decision, timed) = policies.decide_and_tell_if_timed(request);
        let decision = Arc::new(decision);
        if !timed {
            self.keep(policies, request, &decision);
        }
        decision
    }

    /// A decision that is kept. Whoever shares a memo decides between this and [`Self::keep`], while others look.
    pub fn look(&self, policies: &PolicySet, request: &Request<'_>) -> Option<Arc<Decision>> {
        if self.digest != policies.digest() {
            return None;
        }
        let key = Key::new(request, policies.sight(request.action));
        let known = self.places.get(self.place(&key)).into_iter().flatten().flatten();
        known.into_iter().find(|known| known.key == key).map(|known| known.decision.clone())
    }

    /// Keeps what [`PolicySet::decide_and_tell_if_timed`] has decided; what depends on the time must not be kept. The
    /// first decision of another set forgets everything.
    pub fn keep(&mut self, policies: &PolicySet, request: &Request<'_>, decision: &Arc<Decision>) {
        if self.digest != policies.digest() {
            self.places.fill([const { None }; WAYS]);
            self.digest = policies.digest();
        }
        let key = Key::new(request, policies.sight(request.action));
        let place = self.place(&key);
        let Some(place) = self.places.get_mut(place) else { return };
        // Another one may have been faster.
        if place.iter().flatten().any(|known| known.key == key) {
            return;
        }
        place.rotate_right(1);
        if let Some(slot) = place.first_mut() {
            *slot = Some(Known { key, decision: decision.clone() });
        }
    }

    fn place(&self, key: &Key) -> usize {
        usize::try_from(key.digest() & self.mask).unwrap_or_default()
    }
}

/// All that the policies on an action can see of a request, but the time. What they cannot see is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    action: Action,
    /// Flags that are no facts of their own: what is there, and what is true.
    flags: u16,
    role: Option<Role>,
    account: Address,
    contract: Address,
    administrator: Address,
    caller: Address,
    method: [u8; 4],
    organisation: OrgKey,
    contract_organisation: OrgKey,
}

impl Key {
    fn new(request: &Request<'_>, sight: Sight) -> Self {
        let (principal, context) = (&request.principal, &request.context);
        let contract = match &request.resource {
            Resource::Ledger => None,
            Resource::Contract(contract) => Some(contract),
        };
        let seen = |fact: Sight, value: Address| if sight.has(fact) { value } else { Address::ZERO };
        let organisation =
            |fact: Sight, id| if sight.has(fact) { OrgKey::from(id) } else { OrgKey::default() };
        let of_contract = contract.and_then(|contract| contract.organisation);
        Self {
            action: request.action,
            flags: flags(request, sight),
            role: sight.has(Sight::ROLE).then_some(principal.role),
            account: seen(Sight::ACCOUNT, principal.account),
            contract: contract.map(|known| seen(Sight::CONTRACT, known.address)).unwrap_or_default(),
            administrator: contract
                .and_then(|known| known.administrator)
                .map(|address| seen(Sight::ADMINISTRATOR, address))
                .unwrap_or_default(),
            caller: seen(Sight::CALLER, context.caller.unwrap_or_default()),
            method: if sight.has(Sight::METHOD) { context.method.unwrap_or_default() } else { [0; 4] },
            organisation: organisation(Sight::ORGANISATION, principal.organisation),
            contract_organisation: of_contract
                .map(|id| organisation(Sight::CONTRACT_ORGANISATION, id))
                .unwrap_or_default(),
        }
    }

    /// A number that spreads keys over slots. Senders can choose keys that share a slot, which costs no more than a
    /// memo without that slot.
    fn digest(&self) -> u64 {
        let mut mixer = Mixer(0);
        self.hash(&mut mixer);
        mixer.finish()
    }
}

/// What stands in the flags: one bit each, two for a list's kind.
fn flags(request: &Request<'_>, sight: Sight) -> u16 {
    let context = &request.context;
    let (on_contract, administered, system) = match &request.resource {
        Resource::Ledger => (false, false, false),
        Resource::Contract(known) => (true, known.administrator.is_some(), known.system),
    };
    let bits = [
        is_account(request.principal.role),
        on_contract,
        administered && sight.has(Sight::ADMINISTRATOR),
        system && sight.has(Sight::SYSTEM),
        context.caller.is_some() && (sight.has(Sight::INTERNAL) || sight.has(Sight::CALLER)),
        context.method.is_some() && sight.has(Sight::METHOD),
    ];
    let lists = [
        listed(context.deploy_list, sight.has(Sight::DEPLOY_LIST)),
        listed(context.contract_list, sight.has(Sight::CONTRACT_LIST)),
        listed(context.method_list, sight.has(Sight::METHOD_LIST)),
    ];
    let flags = bits.into_iter().fold(0, |flags, bit| (flags << 1) | u16::from(bit));
    lists.into_iter().fold(flags, |flags, list| (flags << 3) | list)
}

const fn listed(list: Listing, seen: bool) -> u16 {
    if seen { ((list.kind as u16) << 1) | (list.listed as u16) } else { 0 }
}

/// Mixes bytes by multiplication: always in the same way, unlike the standard library's.
struct Mixer(u64);

impl Mixer {
    const fn mix(&mut self, word: u64) {
        // An odd constant without a pattern: the fractional part of the golden ratio.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        self.mix(rest.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(byte.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.mix(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_usize(&mut self, _length: usize) {
        // Only the lengths of arrays, which are always the same.
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests;
