//! Random interleavings of proposals, ballots, revocations, vetoes, executions and jumps of the height, against a
//! model that knows nothing of the crate's counting: 100,000 of them, or `GOVERNANCE_CASES`.

mod chain;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256};
use concordat_governance::{
    Action, Choice, Facts as _, Kind, Refusal, Rule,
    action::{Attributes, BarTarget, Correction, ListKind, Scope},
    committee::MAX_WEIGHT,
    facts::{Ability, Attested, ContractFacts, Halted, Implementation, LimitFacts, Membership, PolicyFacts},
    order::{Measure, Order, Target, Terms},
    regulator::{Power, RegulatorFacts},
};
use concordat_types::{Role, validator::consensus_address};

use crate::{kit::*, lifecycle::admission};
use chain::{Chain, is_unready};

/// Sequences of acts, and acts in each.
const SEQUENCES: u64 = 100_000;
const ACTS: u64 = 36;

/// Who has attested something before the first act.
const OLD: &str = "Old";

/// Reproducible numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    fn index(&mut self, count: u8) -> u8 {
        (self.next() % u64::from(count)) as u8
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}

/// A proposal as the model sees it.
struct Modelled {
    kind: Kind,
    proposer: Address,
    digest: B256,
    closes: u64,
    earliest: u64,
    latest: u64,
    votes: Vec<(Address, Choice)>,
    /// The account that consented last.
    consent: Option<Address>,
    outcome: Option<&'static str>,
}

/// Whether these ballots carry, counted as slowly and plainly as can be.
fn carries(world: &World, rule: &Rule, proposer: Address, votes: &[(Address, Choice)]) -> bool {
    let organisations: BTreeSet<_> = world.committee.members().iter().map(|m| &m.organisation).collect();
    let (mut whole, mut present, mut yes, mut no) = (0u128, 0u128, 0u128, 0u128);
    let mut behind = BTreeSet::new();
    for seat in world.committee.members() {
        let weight = u128::from(seat.weight);
        whole += weight;
        let Some((_, choice)) = votes.iter().find(|(voter, _)| *voter == seat.address) else { continue };
        if world.ability(&seat.address) != Ability::Now {
            continue;
        }
        present += weight;
        if *choice == Choice::Yes {
            behind.insert(&seat.organisation);
        }
        let judge_in_own_case =
            seat.address == world.holder(&proposer) && !rule.proposer_counts && organisations.len() > 1;
        match choice {
            _ if judge_in_own_case => {}
            Choice::Yes => yes += weight,
            Choice::No => no += weight,
            Choice::Abstain => {}
        }
    }
    let enough_present = present * 10_000 / whole.max(1) >= u128::from(rule.participation)
        || present * 10_000 >= u128::from(rule.participation) * whole;
    let approved = yes > 0 && yes * 10_000 >= u128::from(rule.approval) * (yes + no);
    enough_present && approved && behind.len() as u64 >= rule.organisations
}

/// Whether the ballots carry whatever those without a counted ballot may still say.
fn is_certain(world: &World, rule: &Rule, proposer: Address, votes: &[(Address, Choice)]) -> bool {
    let open = |address: &Address| {
        !votes.iter().any(|(voter, _)| voter == address) || world.ability(address) != Ability::Now
    };
    let mut awake = world.clone();
    let mut all: Vec<(Address, Choice)> = votes.iter().filter(|(voter, _)| !open(voter)).copied().collect();
    for seat in world.committee.members().iter().filter(|seat| open(&seat.address)) {
        all.push((seat.address, Choice::No));
        let account = awake.accounts.get_mut(&seat.address).unwrap();
        (account.expired, account.revoked) = (false, false);
        let identity = awake.identity(&seat.address);
        awake.freezes.remove(&identity);
        awake.bars.remove(&BarTarget::Account(identity));
        awake.organisations.get_mut(&seat.organisation).unwrap().membership = Membership::Active;
    }
    // Waking somebody must not wake another's ballot that does not count today.
    carries(world, rule, proposer, votes) && carries_alone(&awake, rule, proposer, &all)
}

/// As [`carries`], for approval alone: more ballots only add to participation.
fn carries_alone(world: &World, rule: &Rule, proposer: Address, votes: &[(Address, Choice)]) -> bool {
    let eased = Rule { participation: 1, organisations: 1, ..*rule };
    carries(world, &eased, proposer, votes)
}

/// What comes of a proposal whose reviewers do not all approve.
fn reviewed(world: &World, place: usize) -> Option<Result<&'static str, u16>> {
    let Action::DeployContract(deployment) = &world.proposals[place].1 else { return None };
    let said = |reviewer| world.reviews.get(&(place as u64 + 1, world.identity(reviewer))).copied();
    let said: Vec<_> = deployment.reviewers.iter().map(said).collect();
    if said.contains(&Some(false)) {
        return Some(Ok("failed"));
    }
    said.contains(&None).then_some(Err(95))
}

/// A regulator's order of before the first act, which takes nobody's vote.
fn imposed(id: u64) -> Order {
    Order {
        id,
        terms: Terms {
            measure: Measure::FreezeOutgoing,
            target: Target::Account(operator(0)),
            basis: basis(),
            until: 0,
        },
        issuer: regulator(),
        organisation: org(0),
        issued: 1,
        lapses: 20 * id,
        before: id - 1,
        confirmed: None,
        ended: None,
    }
}

/// The model beside the world, and what every act must leave true.
struct Run {
    world: World,
    model: Vec<Modelled>,
    chain: Chain,
    random: Random,
    banks: u8,
    /// How many proposals had each outcome, and how many of each kind were executed.
    counts: BTreeMap<&'static str, u64>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let banks = 1 + random.index(5);
        let weights: Vec<u64> = (0..banks).map(|_| random.pick(&[1, 1, 1, 2, 7, MAX_WEIGHT])).collect();
        let mut world = World::of_weights(&weights);
        for rule in world.rules.values_mut() {
            rule.voting_blocks = 1 + random.below(6);
            rule.timelock_blocks = random.below(3);
            rule.window_blocks = 1 + random.below(6);
            rule.lapse_blocks = rule.lapse_blocks.min(4);
            // Less than at the start is always within reach.
            rule.participation = random.pick(&[1, 2_500, rule.participation]);
        }
        // Suspended before the first act, where the others can do without it.
        let whole: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        let is_light = weights.last().is_some_and(|last| u128::from(*last) * 4 <= whole);
        if banks > 3 && is_light && random.below(2) == 0 {
            let last = org(banks - 1);
            world.validators.retain(|validator| validator.organisation != last);
            world.organisations.get_mut(&last).unwrap().membership = Membership::Suspended;
        }
        // Enacted before the first act.
        let old = PolicyFacts { text: "one".into(), proposal: 0 };
        world.policies.insert("treasury".into(), old);
        // Frozen before the first act.
        let frozen = Halted::Frozen { basis: basis(), until: 0, emergency: false };
        world.contracts.get_mut(&contract(1)).unwrap().halted = Some(frozen);
        // Imposed before the first act.
        world.bars.insert(BarTarget::Account(operator(0)), basis());
        world.bars.insert(BarTarget::Node(B256::repeat_byte(21)), basis());
        let attributes = Attributes { auditor: OLD.into(), ..attributes(50) };
        world.attributes.insert(contract(1), Attested { code: B256::ZERO, attributes });
        let old = LimitFacts { limit: Bytes::from_static(b"one"), proposal: 0 };
        world.limits.insert("daily".into(), old);
        // A proxy, and what it can be upgraded to and back.
        let code = B256::repeat_byte(1);
        world.contracts.values_mut().for_each(|contract| contract.code = code);
        let first = Implementation { address: contract(1), code };
        world.implementations.insert(contract(0), first);
        world.contracts.insert(contract(3), ContractFacts { code, ..ContractFacts::default() });
        (1..banks).for_each(|index| world.enrol(index, Role::Regulator));
        if random.below(2) == 0 {
            // Registered before the first act.
            for index in [0, banks - 1] {
                let entry = RegulatorFacts { organisation: org(index), mandate: mandate(&[Power::Veto], 0) };
                world.regulators.insert(account(index, Role::Regulator), entry);
            }
        }
        (1..=3).for_each(|id| world.orders.push(imposed(id)));
        let chain = Chain::of(&world);
        Self { world, model: Vec::new(), chain, random, banks, counts: BTreeMap::new() }
    }

    fn run(mut self) -> BTreeMap<&'static str, u64> {
        for _ in 0..ACTS {
            match self.random.below(19) {
                18 => self.announce(),
                0..=3 => self.propose(),
                4..=9 => self.vote(),
                10 => self.revoke(),
                11 => self.veto(),
                12..=13 => self.execute(),
                16..=17 => self.consent(),
                14 => self.world.height += 1 + self.random.below(4),
                _ => self.world_turns(),
            }
            self.check();
        }
        self.counts
    }

    fn anyone(&mut self) -> Address {
        let index = self.random.index(self.banks);
        match self.random.below(12) {
            0 => operator(index),
            2 => regulator(),
            // Mostly the account that has the seat now, sometimes the one that had it.
            1 => member(index),
            _ => self.world.holder(&member(index)),
        }
    }

    fn recovery(&mut self, index: u8) -> Action {
        let (account, role) = self.random.pick(&[
            (member(index), Role::CommitteeMember),
            (member(index), Role::CommitteeMember),
            (operator(index), Role::Operator),
            (account(index, Role::Regulator), Role::Regulator),
        ]);
        let account = if self.random.below(4) == 0 { account } else { self.world.holder(&account) };
        recover(account, (index, role, 100 + self.random.index(4)))
    }

    fn bar(&mut self, index: u8) -> Action {
        let account = self.random.pick(&[member(index), operator(index)]);
        match self.random.below(6) {
            0 | 1 => bar(account),
            2 => bar_node(self.random.pick(&[index, 20, 21])),
            3 => lift(BarTarget::Node(B256::repeat_byte(self.random.pick(&[20, 21])))),
            _ => {
                let holder = self.world.holder(&account);
                lift(BarTarget::Account(self.random.pick(&[holder, operator(0)])))
            }
        }
    }

    fn action(&mut self) -> Action {
        if let Some(action) = self.mend() {
            return action;
        }
        let (index, other) = (self.random.index(self.banks), self.random.index(self.banks + 1));
        let key = |index| consensus_key(index);
        match self.random.below(42) {
            40 => Action::ConfirmOrder { order: 1 + self.random.below(4), basis: basis() },
            41 => Action::LiftOrder { order: 1 + self.random.below(4), basis: basis() },
            24 => self.recovery(index),
            25 => self.bar(index),
            0 => admission(other, "first"),
            1 => Action::SuspendOrganisation(org(other)),
            2 => Action::ReinstateOrganisation(org(other)),
            3 => Action::ExpelOrganisation(org(other)),
            4 => Action::SetAuthorities {
                id: org(index),
                roots: roots(self.random.pick(&["first", "second"])),
            },
            5 | 6 => new_validator(other, 20 + self.random.index(6), 1 + self.random.below(20)),
            7 => Action::SetValidatorPower { consensus_key: key(index), power: 1 + self.random.below(30) },
            8 => Action::RetireValidator { consensus_key: key(index) },
            9 => seat(member(other), self.random.pick(&[0, 1, 2, MAX_WEIGHT])),
            10 => self.rule(),
            11 => {
                let account = self.random.pick(&[member(index), operator(index)]);
                let scope = self.random.pick(&[Scope::All, Scope::Outgoing]);
                let until = self.random.pick(&[0, self.world.height + 3]);
                Action::FreezeAccount { account, scope, basis: basis(), until }
            }
            12 => emergency(self.random.pick(&[member(index), operator(index)])),
            13..=15 => self.policy(),
            18..=22 => self.contract(),
            23 => {
                let kind = self.random.pick(&ListKind::ALL);
                let (one, two) = (operator(index), operator(0));
                let lists = [(vec![one], vec![]), (vec![], vec![one]), (vec![two], vec![]), (vec![], vec![])];
                let (add, remove) = &lists[self.random.below(4) as usize];
                deploy_list(kind, add, remove)
            }
            26..=28 => self.limit(),
            29..=32 => self.regulator(index),
            33 => upgrade(contract(0), self.random.pick(&[contract(0), contract(1), contract(3)])),
            34 => {
                let it = self.random.pick(&[contract(0), contract(1), system_contract()]);
                correct(it, Correction::Mint { to: operator(index), amount: U256::from(1) })
            }
            35..=39 => self.about_the_chain(),
            _ => {
                let account = self.random.pick(&[member(index), operator(index)]);
                Action::UnfreezeAccount { account, basis: basis() }
            }
        }
    }

    /// Sometimes takes back what was imposed: chance alone hardly ever names who is suspended or frozen.
    fn mend(&mut self) -> Option<Action> {
        let mut organisations = self.world.organisations.iter();
        let suspended = organisations.find(|(_, facts)| facts.membership == Membership::Suspended);
        let reinstate = suspended.map(|(id, _)| Action::ReinstateOrganisation(id.clone()));
        let frozen = self.world.freezes.keys().next();
        let unfreeze = frozen.map(|account| Action::UnfreezeAccount { account: *account, basis: basis() });
        match self.random.below(6) {
            0 | 1 => reinstate,
            2 => unfreeze,
            _ => None,
        }
    }

    fn rule(&mut self) -> Action {
        let kind = self.random.pick(Kind::ALL);
        let rule = Rule {
            participation: self.random.pick(&[1, 5_000, 6_667, 10_000]),
            approval: self.random.pick(&[5_001, 6_667, 10_000]),
            organisations: 1 + self.random.below(4),
            veto: self.random.below(2) == 0,
            proposer_counts: self.random.below(2) == 0,
            ..self.world.rules[&kind]
        };
        Action::SetRule { kind, rule }
    }

    fn policy(&mut self) -> Action {
        let id = self.random.pick(&["keystone", "office-hours", "treasury"]);
        match self.random.below(3) {
            0 => repeal_policy(id),
            _ => set_policy(id, self.random.pick(&["one", "two", "on the keystone", "bad"])),
        }
    }

    fn contract(&mut self) -> Action {
        let it = self.random.pick(&[contract(0), contract(0), contract(1), contract(2), system_contract()]);
        let index = self.random.index(self.banks);
        match self.random.below(16) {
            12..=14 => {
                let until = self.world.height + self.random.pick(&[10, 1_000]);
                Action::DeployContract(deployment(&[operator(index), operator(0)], until))
            }
            15 => Action::RequireApproval { required: self.random.below(3) > 0 },
            9 | 10 => set_attributes(it, self.random.pick(&[20, 90])),
            11 => revoke_attributes(contract(1)),
            0 | 1 => freeze_contract(it),
            2 => Action::FreezeContract { contract: it, basis: basis(), until: self.world.height + 3 },
            3 | 7 => unfreeze_contract(it),
            4 | 5 => emergency_contract(it),
            6 => administrator(it, self.random.pick(&[operator(index), member(index), Address::ZERO])),
            _ => retire_contract(it),
        }
    }

    fn regulator(&mut self, index: u8) -> Action {
        let account = account(index, Role::Regulator);
        let account = if self.random.below(4) == 0 { account } else { self.world.holder(&account) };
        let powers =
            self.random.pick(&[&[Power::Veto][..], &[Power::Observe], &[Power::Observe, Power::Veto]]);
        let until = self.random.pick(&[0, 0, self.world.height + 20]);
        match self.random.below(3) {
            0 => retire_regulator(account),
            1 => admit_regulator(self.random.pick(&[account, operator(index)]), powers, until),
            _ => admit_regulator(account, powers, until),
        }
    }

    fn limit(&mut self) -> Action {
        let id = self.random.pick(&["daily", "hourly", "sanctions"]);
        match self.random.below(3) {
            0 => repeal_limit(id),
            _ => set_limit(id, self.random.pick(&["one", "two", "three", "bad"])),
        }
    }

    fn propose(&mut self) {
        if self.random.below(16) == 0 {
            return self.propose_out_of_bounds();
        }
        let (sender, action) = (self.anyone(), self.action());
        let (kind, rule) = (action.kind(), self.world.rules[&action.kind()]);
        let expected = self.world.resolve(&action);
        self.check_judgement(&action, &expected);
        let made = self.world.propose(sender, &action);
        if let Err(refusal) = self.may_decide(sender) {
            assert_eq!(made, Err(refusal));
            return;
        }
        match expected {
            Err(refusal) => assert_eq!(made, Err(refusal)),
            Ok(effect) => {
                assert_eq!(made, Ok(self.model.len() as u64 + 1));
                let closes = self.world.height + rule.voting_blocks;
                let earliest = closes + 1 + rule.timelock_blocks;
                self.model.push(Modelled {
                    kind,
                    proposer: sender,
                    digest: effect.digest(),
                    closes,
                    earliest,
                    latest: earliest + rule.window_blocks,
                    votes: Vec::new(),
                    consent: None,
                    outcome: None,
                });
                self.review(&action);
            }
        }
    }

    fn propose_out_of_bounds(&mut self) {
        let (sender, action) = (self.anyone(), self.out_of_bounds());
        let expected = self.may_decide(sender).map_err(|refusal| refusal.code()).err();
        let made = self.world.propose(sender, &action).map_err(|refusal| refusal.code());
        assert_eq!(made, Err(expected.unwrap_or(6)), "{action:?}");
        *self.counts.entry("out of bounds").or_default() += 1;
    }

    /// Some reviewers approve, few object, and few never say anything.
    fn review(&mut self, action: &Action) {
        let Action::DeployContract(deployment) = action else { return };
        for reviewer in &deployment.reviewers {
            let said = self.random.pick(&[Some(true), Some(true), Some(true), Some(false), None]);
            let said = said.map(|said| ((self.model.len() as u64, self.world.identity(reviewer)), said));
            self.world.reviews.extend(said);
        }
    }

    fn may_decide(&self, sender: Address) -> Result<(), Refusal> {
        if !self.world.committee.members().iter().any(|seat| seat.address == sender) {
            return Err(Refusal::NotMember { sender });
        }
        match self.world.ability(&sender) {
            Ability::Now => Ok(()),
            _ => Err(Refusal::NotInGoodStanding { sender }),
        }
    }

    /// The number of a proposal, of the newest rather than of the old ones.
    fn some(&mut self) -> Option<usize> {
        let count = self.model.len();
        if count == 0 {
            return None;
        }
        let back = self.random.below(3).min(self.random.below(count as u64)) as usize;
        Some(count - 1 - back.min(count - 1))
    }

    fn is_open(&self, place: usize) -> bool {
        self.model[place].outcome.is_none() && self.world.height <= self.model[place].latest
    }

    fn vote(&mut self) {
        let Some(place) = self.some() else { return };
        let (sender, choice) = (
            self.anyone(),
            self.random.pick(&[Choice::Yes, Choice::Yes, Choice::Yes, Choice::No, Choice::Abstain]),
        );
        let (id, height) = (place as u64 + 1, self.world.height);
        let digest = if self.random.below(20) == 0 { B256::ZERO } else { self.model[place].digest };
        let voted = self.world.vote_for(sender, id, choice, digest).map_err(|refusal| refusal.code());
        let modelled = &self.model[place];
        let expected = match self.may_decide(sender) {
            Err(refusal) => Err(refusal.code()),
            Ok(()) if !self.is_open(place) => Err(11),
            Ok(()) if height > modelled.closes => Err(12),
            Ok(()) if digest != modelled.digest => Err(14),
            Ok(()) if modelled.votes.iter().any(|(voter, _)| *voter == sender) => Err(13),
            Ok(()) => Ok(()),
        };
        assert_eq!(voted, expected);
        if voted.is_ok() {
            let rule = self.world.rules[&self.model[place].kind];
            let modelled = &mut self.model[place];
            modelled.votes.push((sender, choice));
            if is_certain(&self.world, &rule, modelled.proposer, &modelled.votes) {
                modelled.closes = height;
                modelled.earliest = height + rule.timelock_blocks;
                modelled.latest = modelled.earliest + rule.window_blocks;
            }
        }
    }

    fn revoke(&mut self) {
        let Some(place) = self.some() else { return };
        let proposer = self.model[place].proposer;
        let sender = match self.random.below(8) {
            0 => self.world.holder(&proposer),
            _ => operator(0),
        };
        let revoked = self.world.revoke(sender, place as u64 + 1).map_err(|refusal| refusal.code());
        let own = sender == proposer || sender == self.world.holder(&proposer);
        let expected = match (self.is_open(place), own) {
            (false, _) => Err(11),
            (true, false) => Err(15),
            (true, true) => Ok(()),
        };
        assert_eq!(revoked, expected);
        if revoked.is_ok() {
            self.decided(place, "revoked");
        }
    }

    fn veto(&mut self) {
        let Some(place) = self.some() else { return };
        let own = account(self.random.index(self.banks), Role::Regulator);
        let sender = self.random.pick(&[regulator(), self.world.holder(&own), member(0), operator(0)]);
        let vetoed = self.world.veto(sender, place as u64 + 1).map_err(|refusal| refusal.code());
        let allowed = self.world.rules[&self.model[place].kind].veto;
        let is_regulator = self.world.accounts[&sender].role == Role::Regulator;
        let expected = match (self.is_open(place), is_regulator, self.world.ability(&sender)) {
            (false, ..) => Err(11),
            (true, false, _) => Err(17),
            (true, true, Ability::Now) if !self.is_empowered(sender) => Err(49),
            (true, true, Ability::Now) if allowed => Ok(()),
            (true, true, Ability::Now) => Err(16),
            _ => Err(3),
        };
        assert_eq!(vetoed, expected);
        if vetoed.is_ok() {
            self.decided(place, "vetoed");
        }
    }

    /// Whether somebody may veto, once regulators are registered.
    fn is_empowered(&self, sender: Address) -> bool {
        let registry = &self.world.regulators;
        let entry = registry.get(&self.world.identity(&sender));
        let own = entry.map(|entry| &entry.mandate).filter(|mandate| mandate.powers.contains(&Power::Veto));
        registry.is_empty() || own.is_some_and(|own| own.until == 0 || self.world.height <= own.until)
    }

    fn consent(&mut self) {
        let Some(place) = self.some() else { return };
        let own = self.world.holder(&account(self.random.index(self.banks), Role::Regulator));
        let asked = match self.world.proposals[place].1 {
            Action::AdmitRegulator { account, .. } | Action::RetireRegulator { account } => Some(account),
            _ => None,
        };
        let asked = asked.map(|account| self.world.holder(&account));
        let sender = if self.random.below(3) == 0 { own } else { asked.unwrap_or(own) };
        let digest = if self.random.below(10) == 0 { B256::ZERO } else { self.model[place].digest };
        let given = self.world.consent_to(sender, place as u64 + 1, digest).map_err(|refusal| refusal.code());
        let expected = match (self.is_open(place), asked == Some(sender), self.world.ability(&sender)) {
            (false, ..) => Err(11),
            (true, false, _) => Err(48),
            (true, true, Ability::Later | Ability::Not) => Err(3),
            (true, true, Ability::Now) if digest != self.model[place].digest => Err(14),
            (true, true, Ability::Now) if self.model[place].consent == Some(sender) => Err(35),
            (true, true, Ability::Now) => Ok(()),
        };
        assert_eq!(given, expected);
        if given.is_ok() {
            self.model[place].consent = Some(sender);
            *self.counts.entry("consented").or_default() += 1;
        }
    }

    /// Whether a proposal waits for a regulator's consent, in the world as it is.
    fn waits(&self, world: &World, place: usize) -> bool {
        let (account, always) = match &world.proposals[place].1 {
            Action::AdmitRegulator { account, .. } => (account, true),
            Action::RetireRegulator { account } => (account, false),
            _ => return false,
        };
        let own = world.identity(account);
        let others = world.regulators.iter().filter(|(other, _)| **other != own);
        let mut others = others.map(|(_, entry)| entry.mandate.until);
        let needed = always || !others.any(|until| until == 0 || until >= world.height);
        let holder = world.holder(account);
        needed && !(self.model[place].consent == Some(holder) && world.ability(&holder) == Ability::Now)
    }

    fn execute(&mut self) {
        let Some(place) = self.some() else { return };
        let before = self.world.clone();
        let executed = self.world.execute(place as u64 + 1).map_err(|refusal| refusal.code());
        let Modelled { kind, proposer, digest, earliest, latest, votes, outcome, .. } = &self.model[place];
        let rule = before.rules[kind];
        let expected = if outcome.is_some() {
            Err(11)
        } else if before.height > *latest {
            Ok("expired")
        } else if before.height < *earliest {
            Err(18)
        } else if !carries(&before, &rule, *proposer, votes) {
            Ok("rejected")
        } else if let Some(expected) = reviewed(&before, place) {
            expected
        } else {
            let action = before.proposals[place].1.clone();
            let resolved = before.clone().resolve(&action);
            self.check_judgement(&action, &resolved);
            match resolved {
                Ok(effect) if effect.digest() == *digest && self.waits(&before, place) => Err(47),
                Ok(effect) if effect.digest() == *digest && is_unready(&before, &action) => Err(113),
                Ok(effect) if effect.digest() == *digest => Ok("executed"),
                Ok(_) => Ok("void"),
                Err(_) => Ok("failed"),
            }
        };
        assert_eq!(executed, expected);
        match executed {
            Err(47) => *self.counts.entry("waited").or_default() += 1,
            Err(113) => *self.counts.entry("unready").or_default() += 1,
            _ => {}
        }
        if let Ok(status) = executed {
            self.decided(place, status);
            if status == "executed" {
                self.check_quorum(&before);
                self.check_regulators(&before, place);
                self.check_contracts(&before, &before.proposals[place].1);
                self.follow(&before, &before.proposals[place].1);
                *self.counts.entry(self.model[place].kind.name()).or_default() += 1;
            }
        }
    }

    fn decided(&mut self, place: usize, outcome: &'static str) {
        assert!(self.model[place].outcome.is_none(), "two outcomes of proposal {}", place + 1);
        self.model[place].outcome = Some(outcome);
        *self.counts.entry(outcome).or_default() += 1;
    }

    /// What nobody decides: certificates expire and are renewed, validators go down and come back, contracts write.
    fn world_turns(&mut self) {
        let index = self.random.index(self.banks);
        match self.random.below(5) {
            3 => self.write(),
            4 => self.wait_for_version(),
            0 => {
                let holder = self.world.holder(&member(index));
                let account = self.world.accounts.get_mut(&holder).unwrap();
                account.expired = !account.expired;
            }
            1 => self.world.down(index),
            _ => self.world.everybody_signs(),
        }
    }

    fn check(&mut self) {
        for (modelled, (proposal, _)) in self.model.iter().zip(&self.world.proposals) {
            assert_eq!(modelled.outcome.unwrap_or("open"), proposal.status.name());
            assert_eq!((modelled.closes, modelled.earliest), (proposal.closes, proposal.earliest));
        }
        assert!(!self.world.validators.is_empty());
        assert!(!self.world.committee.is_empty());
        let members = self.world.organisations.values();
        assert!(members.filter(|o| o.membership == Membership::Active).count() > 0);
        for seat in self.world.committee.members() {
            assert_eq!(self.world.accounts[&seat.address].role, Role::CommitteeMember);
        }
        self.check_changeable();
        self.check_policies();
        self.check_identities();
        self.check_limits();
        self.check_attributes();
        self.check_chain();
    }

    /// What is attested of a contract is what an executed proposal said, of the code that the contract had.
    fn check_attributes(&self) {
        let decided = |attested: &&Attested| attested.attributes.auditor != OLD;
        for (contract, attested) in self.world.attributes.iter().filter(|(_, it)| decided(it)) {
            assert_eq!(attested.code, self.world.contracts[contract].code);
            let said = Action::SetAttributes { contract: *contract, attributes: attested.attributes.clone() };
            let mut decided = self.model.iter().zip(&self.world.proposals);
            assert!(decided.any(|(it, (_, action))| it.outcome == Some("executed") && *action == said));
        }
    }

    /// Of the accounts of an identity none but one can ever act again, and each leads to it. No validator's node is
    /// barred.
    fn check_identities(&self) {
        let world = &self.world;
        for address in world.accounts.keys() {
            let holder = world.holder(address);
            assert_eq!(world.holder(&holder), holder);
            assert_eq!(world.holder(&world.identity(address)), holder);
            assert!(*address == holder || world.accounts[address].revoked, "{address} was replaced and acts");
        }
        for seat in world.committee.members() {
            assert_eq!(world.holder(&seat.address), seat.address, "a seat without a key");
        }
        for validator in &world.validators {
            assert!(!world.bars.contains_key(&BarTarget::Node(validator.node_key)));
        }
    }

    /// Each run-time rule in force is what a proposal said that was executed.
    fn check_limits(&self) {
        let limits = &self.world.limits;
        assert!(limits.len() <= MAX_LIMITS);
        for (id, set) in limits.iter().filter(|(_, set)| set.proposal > 0) {
            let place = usize::try_from(set.proposal).unwrap() - 1;
            assert_eq!(self.model[place].outcome, Some("executed"));
            let said = Action::SetLimit { id: id.clone(), limit: set.limit.clone() };
            assert_eq!(self.world.proposals[place].1, said);
            assert_ne!(set.limit, Bytes::from_static(b"bad"));
        }
    }

    /// Each policy in force is what a proposal said that was executed, and all of them together hold.
    fn check_policies(&self) {
        let policies = &self.world.policies;
        assert!(policies.len() <= MAX_POLICIES);
        for (id, policy) in policies.iter().filter(|(_, policy)| policy.proposal > 0) {
            assert_ne!(policy.text, "bad");
            let place = usize::try_from(policy.proposal).unwrap() - 1;
            assert_eq!(self.model[place].outcome, Some("executed"));
            assert_eq!(self.world.proposals[place].1, set_policy(id, &policy.text));
        }
        let leans = policies.values().any(|policy| policy.text == "on the keystone");
        assert!(!leans || policies.contains_key("keystone"));
    }

    /// The chain's own contracts are never touched, retirement is for good, and an emergency binds nothing anew that
    /// its like has bound lately.
    fn check_contracts(&self, before: &World, action: &Action) {
        assert_eq!(before.contracts[&system_contract()], self.world.contracts[&system_contract()]);
        for (address, facts) in &before.contracts {
            if matches!(facts.halted, Some(Halted::Retired { .. })) {
                assert_eq!(facts, &self.world.contracts[address]);
            }
        }
        let Action::EmergencyFreezeContract { contract, .. } = action else { return };
        assert!(before.halted(contract).is_none());
        if let Some(Halted::Frozen { until, emergency: true, .. }) = before.contracts[contract].halted {
            assert!(before.height > until + before.rules[&Kind::EmergencyFreezeContract].lapse_blocks);
        }
    }

    /// No mandate is imposed, and the registry is never emptied without the word of the last one.
    fn check_regulators(&self, before: &World, place: usize) {
        let after = &self.world.regulators;
        let gained = after.iter().find(|(identity, entry)| before.regulators.get(*identity) != Some(*entry));
        let emptied = before.regulators.keys().next().filter(|_| after.is_empty());
        if let Some(identity) = gained.map(|(identity, _)| identity).or(emptied) {
            assert_eq!(self.model[place].consent, Some(before.holder(identity)));
            assert_eq!(before.ability(&before.holder(identity)), Ability::Now);
        }
    }

    /// If all who can vote agreed, one of them could change the rules, and the committee.
    fn check_changeable(&mut self) {
        let mut renewed = self.world.clone();
        renewed.accounts.values_mut().for_each(|account| account.expired = false);
        let committee = renewed.committee().unwrap_or_else(|never| match never {});
        let everybody: Vec<_> = committee.members().iter().map(|seat| (seat.address, Choice::Yes)).collect();
        for kind in [Kind::SetRule, Kind::SetCommitteeMember] {
            let rule = renewed.rules[&kind];
            let able = everybody.iter().filter(|(voter, _)| renewed.ability(voter) == Ability::Now);
            let possible = able.clone().any(|(proposer, _)| carries(&renewed, &rule, *proposer, &everybody));
            assert!(possible, "nobody can pass a {kind} any more");
        }
    }

    /// Those of the new validators who signed lately have more than two thirds of the new power.
    fn check_quorum(&self, before: &World) {
        if before.validators == self.world.validators {
            return;
        }
        let total: u128 = self.world.validators.iter().map(|v| u128::from(v.power)).sum();
        let signs = |key: &B256| before.recent.contains(&consensus_address(&key.0));
        let signing = self.world.validators.iter().filter(|v| signs(&v.consensus_key));
        let signing: u128 = signing.map(|v| u128::from(v.power)).sum();
        assert!(signing * 3 > total * 2, "{signing} of {total} signed lately");
    }
}

#[test]
fn random_interleavings_have_the_outcomes_of_the_model() {
    let sequences = std::env::var("GOVERNANCE_CASES").ok().and_then(|count| count.parse().ok());
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..sequences.unwrap_or(SEQUENCES) {
        let done = std::panic::catch_unwind(|| Run::new(seed).run());
        let done = done.unwrap_or_else(|_| panic!("sequence {seed} fails"));
        done.into_iter().for_each(|(outcome, count)| *outcomes.entry(outcome).or_default() += count);
    }
    println!("{outcomes:?}");
    for outcome in ["executed", "failed", "rejected", "expired", "revoked", "vetoed", "void"] {
        assert!(outcomes.get(outcome).is_some_and(|count| *count > 0), "no proposal was {outcome}");
    }
    for act in ["consented", "waited", "announced", "unready", "began", "out of bounds"] {
        assert!(outcomes.contains_key(act), "nothing was ever {act}");
    }
    // A kind that is new is missing here until the sequences above propose it.
    for kind in Kind::ALL {
        assert!(outcomes.contains_key(kind.name()), "no proposal of kind {kind} was executed");
    }
}
