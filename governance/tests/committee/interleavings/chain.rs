//! The chain as executed proposals made it, written down beside the world: parameters, protocol versions, words of
//! contracts, what proxies run, what was corrected, who may deploy. It judges those proposals on its own.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256};
use concordat_governance::{
    Action, Refusal,
    action::{ListKind, Parameters, Reversed, Rollback, SlotChange},
    facts::{Ability, Halted, Upgrade},
    upgrade::MIN_NOTICE_BLOCKS,
};
use concordat_types::Role;

use super::{Run, World};
use crate::{kit::*, parameters::announce};

/// The slot whose words are looked at.
const SLOT: U256 = U256::from_limbs([5, 0, 0, 0]);

/// How many words there are, so that what has moved comes back to what it was as well.
const WORDS: u64 = 4;

/// What the model knows of the chain.
pub(super) struct Chain {
    parameters: Parameters,
    running: u64,
    scheduled: Option<Upgrade>,
    words: BTreeMap<(Address, U256), U256>,
    rollbacks: Vec<u64>,
    corrections: Vec<(Address, Bytes)>,
    implementation: Address,
    deployers: (ListKind, BTreeSet<Address>),
}

impl Chain {
    /// That of a world in which nothing was decided yet.
    pub fn of(world: &World) -> Self {
        Self {
            parameters: world.parameters,
            running: world.running,
            scheduled: None,
            words: BTreeMap::new(),
            rollbacks: Vec::new(),
            corrections: Vec::new(),
            implementation: world.implementations[&contract(0)].address,
            deployers: world.deploy_list.clone(),
        }
    }

    /// A scheduled version runs from its height on, and no other ever does. Whether one begins.
    fn turn(&mut self, height: u64) -> bool {
        let Some(begun) = self.scheduled.filter(|scheduled| scheduled.height <= height) else { return false };
        assert_eq!(begun.version, self.running + 1);
        (self.running, self.scheduled) = (begun.version, None);
        true
    }

    /// What an executed proposal did, as its action reads.
    fn follow(&mut self, action: &Action) {
        match action {
            Action::SetParameters(parameters) => self.parameters = *parameters,
            Action::SetProtocolVersion { height: 0, .. } => self.scheduled = None,
            Action::SetProtocolVersion { version, height } => {
                self.scheduled = Some(Upgrade { version: *version, height: *height });
            }
            Action::RollBack(rollback) => {
                for slot in &rollback.slots {
                    let before = self.words.insert((slot.contract, slot.slot), slot.after);
                    assert_eq!(before.unwrap_or_default(), slot.before, "a word that had moved was restored");
                }
                self.rollbacks.push(rollback.height);
            }
            Action::Correct { contract, call, .. } => self.corrections.push((*contract, call.clone())),
            Action::UpgradeContract { implementation, .. } => self.implementation = *implementation,
            Action::SetDeployList { kind, add, remove } => {
                self.deployers.0 = *kind;
                self.deployers.1.extend(add);
                self.deployers.1.retain(|account| !remove.contains(account));
            }
            _ => {}
        }
    }
}

/// Who is not up to a protocol version, counted as slowly and plainly as can be: whether too many.
pub(super) fn is_unready(world: &World, action: &Action) -> bool {
    let Action::SetProtocolVersion { version, height: 1.. } = action else { return false };
    let power = |only_ready: bool| -> u128 {
        let knows = |organisation| world.announced.get(organisation).is_some_and(|known| known >= version);
        let validators = world.validators.iter();
        validators.filter(|v| !only_ready || knows(&v.organisation)).map(|v| u128::from(v.power)).sum()
    };
    power(true) * 3 <= power(false) * 2
}

impl Run {
    /// A proposal about parameters, versions, or an earlier state.
    pub(super) fn about_the_chain(&mut self) -> Action {
        match self.random.below(5) {
            0 => self.parameters(),
            1 | 2 => self.version(),
            _ => self.rollback(),
        }
    }

    fn parameters(&mut self) -> Action {
        let block_gas_limit = self.random.pick(&[30_000_000, 60_000_000]);
        let message_delay_ms = self.random.pick(&[3_000, 6_000]);
        Action::SetParameters(Parameters { block_gas_limit, message_delay_ms, ..self.world.parameters })
    }

    fn version(&mut self) -> Action {
        let (next, now) = (self.chain.running + 1, self.world.height);
        let from = now + MIN_NOTICE_BLOCKS;
        let (version, height) = self.random.pick(&[
            (next, from + 20),
            (next, from + 20),
            (next, from + 30),
            (next, from),
            (next, now + 5),
            (next + 1, from + 20),
            (self.chain.running, 0),
            (next, 0),
        ]);
        Action::SetProtocolVersion { version, height }
    }

    fn rollback(&mut self) -> Action {
        let now = self.world.height;
        let height = self.random.pick(&[now.saturating_sub(1), now.saturating_sub(1), now / 2, now]);
        let reversed = Reversed { height: height + 1 + self.random.below(2), hash: B256::repeat_byte(4) };
        let transactions = self.random.pick(&[None, Some(reversed)]).into_iter().collect();
        // In the order of addresses, as the payload must have them; the last two are not to be rolled back.
        let rarely = self.random.below(12);
        let all = [contract(0), contract(1), contract(2), system_contract()];
        let of = [rarely % 3 != 1, rarely % 3 != 2, rarely == 0, rarely == 3];
        let contracts = all.into_iter().zip(of).filter(|(_, named)| *named).map(|(it, _)| it);
        let slots = contracts.map(|it| self.slot(it)).collect();
        Action::RollBack(Rollback { basis: basis(), height, root: B256::repeat_byte(3), transactions, slots })
    }

    /// A word that a slot has, or hardly ever another one, and what it shall have.
    fn slot(&mut self, contract: Address) -> SlotChange {
        let have = self.word(contract);
        let before = if self.random.below(8) == 0 { (have + 1) % WORDS } else { have };
        let after = (before + 1 + self.random.below(WORDS - 1)) % WORDS;
        SlotChange { contract, slot: SLOT, before: U256::from(before), after: U256::from(after) }
    }

    fn word(&self, contract: Address) -> u64 {
        self.chain.words.get(&(contract, SLOT)).copied().unwrap_or_default().to()
    }

    /// A payload that breaks a bound: nobody can propose it.
    pub(super) fn out_of_bounds(&mut self) -> Action {
        let [one, two] = [operator(0), operator(1)];
        let list = |add, remove| Action::SetDeployList { kind: ListKind::Allow, add, remove };
        let back = |height, at, slots| {
            let transactions = vec![Reversed { height: at, hash: B256::repeat_byte(4) }];
            Action::RollBack(Rollback { basis: basis(), height, root: B256::ZERO, transactions, slots })
        };
        let word = |contract, after| {
            let before = U256::from(1);
            SlotChange { contract, slot: SLOT, before, after: U256::from(after) }
        };
        match self.random.below(15) {
            0 => set_policy("Office Hours", "one"),
            1 => set_policy("office-hours", ""),
            2 => repeal_policy("office-"),
            3 => list(vec![two, one], vec![]),
            4 => list(vec![one], vec![one]),
            5 => set_limit("Daily", "one"),
            6 => set_limit("daily", ""),
            7 => repeal_limit("-daily"),
            8 => Action::SetParameters(Parameters { block_gas_limit: 1, ..self.world.parameters }),
            9 => Action::SetParameters(Parameters { clock_precision_ms: 10_001, ..self.world.parameters }),
            10 => back(1, 2, vec![]),
            11 => back(1, 2, vec![word(contract(0), 1)]),
            12 => back(1, 2, vec![word(contract(1), 2), word(contract(0), 2)]),
            13 => back(1, 1, vec![word(contract(0), 2)]),
            _ => {
                let call = Bytes::from_static(&[0xa9, 0x05, 0x9c, 0xbb]);
                Action::Correct { contract: contract(0), call, basis: basis() }
            }
        }
    }

    /// What the model says of a proposal about the chain: nothing of others.
    pub(super) fn judge(&self, action: &Action) -> Option<Result<(), u16>> {
        let (chain, now) = (&self.chain, self.world.height);
        let refused = |code: Option<u16>| Some(code.map_or(Ok(()), Err));
        match *action {
            Action::SetParameters(parameters) => refused((parameters == chain.parameters).then_some(35)),
            Action::SetProtocolVersion { version, height: 0 } => refused(match chain.scheduled {
                _ if version != chain.running => Some(111),
                None => Some(35),
                Some(_) => None,
            }),
            Action::SetProtocolVersion { version, height } => refused(match chain.scheduled {
                _ if version != chain.running + 1 => Some(111),
                _ if height < now + MIN_NOTICE_BLOCKS => Some(112),
                Some(scheduled) if scheduled.height == height => Some(35),
                _ => None,
            }),
            Action::RollBack(ref rollback) => refused(self.judge_rollback(rollback)),
            _ => None,
        }
    }

    fn judge_rollback(&self, rollback: &Rollback) -> Option<u16> {
        if rollback.height >= self.world.height {
            return Some(101);
        }
        if rollback.transactions.iter().any(|reversed| reversed.height > self.world.height) {
            return Some(103);
        }
        let contracts = rollback.slots.iter().map(|slot| self.world.contracts.get(&slot.contract));
        let unfit = contracts.filter_map(|known| match known {
            None => Some(80),
            Some(known) if known.system => Some(102),
            Some(known) if matches!(known.halted, Some(Halted::Retired { .. })) => Some(82),
            Some(_) => None,
        });
        let moved = rollback.slots.iter().any(|slot| U256::from(self.word(slot.contract)) != slot.before);
        unfit.into_iter().next().or(moved.then_some(100))
    }

    /// The crate says of a proposal what the model says.
    pub(super) fn check_judgement<T>(&self, action: &Action, said: &Result<T, Refusal>) {
        let said = said.as_ref().map(|_| ()).map_err(Refusal::code);
        assert_eq!(said, self.judge(action).unwrap_or(said), "{action:?}");
    }

    /// A registrar, or somebody else, says which version the program on its validators knows.
    pub(super) fn announce(&mut self) {
        let index = self.random.index(self.banks);
        let role = self.random.pick(&[Role::Registrar, Role::Registrar, Role::Registrar, Role::Operator]);
        let sender = account(index, role);
        let next = self.chain.running + 1;
        let version = self.random.pick(&[next, next, next, next + 1, next - 1, next.saturating_sub(2)]);
        let known = self.world.announced.get(&org(index)).copied().unwrap_or_default();
        let validates = self.world.validators.iter().any(|v| v.organisation == org(index));
        let expected = match self.world.ability(&sender) {
            _ if role != Role::Registrar => Err(114),
            Ability::Later | Ability::Not => Err(3),
            Ability::Now if !validates => Err(115),
            Ability::Now if version < self.chain.running => Err(116),
            Ability::Now if version == known => Err(35),
            Ability::Now => Ok(()),
        };
        let said = announce(&mut self.world, sender, version).map_err(|refusal| refusal.code());
        assert_eq!(said, expected);
        if said.is_ok() {
            *self.counts.entry("announced").or_default() += 1;
        }
    }

    /// A contract writes a slot of its own.
    pub(super) fn write(&mut self) {
        let it = contract(self.random.index(2));
        let word = U256::from(self.random.below(WORDS));
        self.world.storage.insert((it, SLOT), word);
        self.chain.words.insert((it, SLOT), word);
    }

    /// Time passes until the next version begins.
    pub(super) fn wait_for_version(&mut self) {
        let height = self.chain.scheduled.map_or(0, |scheduled| scheduled.height);
        self.world.height = self.world.height.max(height);
    }

    /// What was executed was allowed, and the model follows it.
    pub(super) fn follow(&mut self, before: &World, action: &Action) {
        match action {
            Action::SetProtocolVersion { height: 1.., .. } => {
                assert!(!is_unready(before, action), "the chain would stop at {action:?}");
            }
            Action::RollBack(rollback) => {
                for slot in &rollback.slots {
                    let known = &before.contracts[&slot.contract];
                    assert!(!known.system && !matches!(known.halted, Some(Halted::Retired { .. })));
                }
            }
            Action::Correct { contract, .. } => {
                assert!(!before.contracts[contract].system && before.halted(contract).is_none());
            }
            Action::UpgradeContract { contract, implementation, .. } => {
                assert!(before.implementations.contains_key(contract));
                assert!(!before.implementations.contains_key(implementation), "a proxy of a proxy");
                assert!(before.halted(implementation).is_none() && !before.contracts[implementation].system);
            }
            _ => {}
        }
        self.chain.follow(action);
    }

    /// The chain is what executed proposals made of it, and nothing else.
    pub(super) fn check_chain(&mut self) {
        if self.chain.turn(self.world.height) {
            *self.counts.entry("began").or_default() += 1;
        }
        let (world, chain) = (&self.world, &self.chain);
        assert_eq!(world.parameters, chain.parameters);
        let begun = world.upgrade.filter(|upgrade| upgrade.height <= world.height);
        let running = begun.map_or(world.running, |begun| begun.version);
        let scheduled = world.upgrade.filter(|_| begun.is_none());
        assert_eq!((running, scheduled), (chain.running, chain.scheduled));
        assert_eq!((&world.storage, &world.rollbacks), (&chain.words, &chain.rollbacks));
        let corrected = world.corrections.iter().map(|(it, correction)| (*it, correction.encode()));
        assert!(corrected.eq(chain.corrections.iter().cloned()));
        assert_eq!(world.implementations.len(), 1);
        assert_eq!(world.implementations[&contract(0)].address, chain.implementation);
        assert_eq!(world.deploy_list, chain.deployers);
    }
}
