//! What decisions change in this world.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use concordat_governance::{
    Effect, Member,
    effect::{Change, End, Freeze, Halt},
    facts::{Frozen, Halted, KeyFacts, LimitFacts, PolicyFacts},
};

use super::{Account, World};

impl World {
    pub(super) fn apply(&mut self, effect: &Effect, proposal: u64) {
        for change in &effect.changes {
            match change.clone() {
                Change::Organisation { id, after, .. } => {
                    self.organisations.insert(id, after.unwrap());
                }
                Change::Validator { consensus_key, after, .. } => {
                    self.validators.retain(|v| v.consensus_key != consensus_key);
                    self.validators.extend(after);
                    self.validators.sort_by_key(|v| v.consensus_key);
                }
                Change::Seat { member, after, .. } => {
                    let rest = self.committee.without(&member);
                    self.committee = after.map_or(rest.clone(), |seat| {
                        let (organisation, weight) = (seat.organisation, seat.weight);
                        rest.with(Member { address: member, organisation, weight }).unwrap()
                    });
                }
                Change::Rule { kind, after, .. } => {
                    self.rules.insert(kind, after);
                }
                Change::Freeze { account, after, .. } => self.apply_freeze(account, after),
                Change::Identity { identity, before, after } => self.rebind(identity, before.account, after),
                Change::Bar { target, after, .. } => put(&mut self.bars, target, after),
                Change::Policy { id, after, .. } => {
                    put(&mut self.policies, id, after.map(|text| PolicyFacts { text, proposal }));
                }
                Change::DeployList { before, after } => {
                    self.deploy_list.0 = after.kind;
                    before.accounts.iter().for_each(|account| assert!(self.deploy_list.1.remove(account)));
                    after.accounts.iter().for_each(|account| assert!(self.deploy_list.1.insert(*account)));
                }
                Change::ContractHalt { contract, after, .. } => self.apply_halt(contract, after),
                Change::ContractAdministrator { contract, after, .. } => {
                    self.contracts.get_mut(&contract).unwrap().administrator = after;
                }
                Change::Attributes { contract, after, .. } => put(&mut self.attributes, contract, after),
                Change::Approval { code, deployer, after, .. } => {
                    put(&mut self.approvals, (code, deployer), after);
                }
                Change::ApprovalRule { after, .. } => self.approval_required = after,
                Change::Regulator { identity, after, .. } => put(&mut self.regulators, identity, after),
                Change::Limit { id, after, .. } => {
                    put(&mut self.limits, id, after.map(|limit| LimitFacts { limit, proposal }));
                }
                Change::Parameters { after, .. } => self.parameters = after,
                Change::Protocol { running, after, .. } => {
                    (self.running, self.upgrade) = (running, after);
                }
                Change::Slot { contract, slot, after, .. } => {
                    self.storage.insert((contract, slot), after);
                }
                Change::RollBack { height, .. } => self.rollbacks.push(height),
                Change::Implementation { contract, after, .. } => {
                    self.contracts.get_mut(&contract).unwrap().code = after.code;
                    self.implementations.insert(contract, after);
                }
                Change::Correction { contract, correction, .. } => {
                    self.corrections.push((contract, correction));
                }
                Change::Order { id, after, .. } => self.decide_order(id, after.stage, proposal),
                Change::Code { .. } | Change::Migration { .. } => {}
            }
        }
    }

    fn rebind(&mut self, identity: Address, before: Address, after: KeyFacts) {
        let KeyFacts { account, organisation, role, .. } = after;
        self.accounts.get_mut(&before).unwrap().revoked = true;
        self.accounts.insert(account, Account { organisation, role, expired: false, revoked: false });
        self.identities.insert(account, identity);
        self.holders.insert(identity, account);
    }

    fn apply_freeze(&mut self, account: Address, after: Option<Freeze>) {
        let identity = self.identity(&account);
        let Some(freeze) = after else {
            // An emergency that was lifted is remembered as one that lapsed with the last block.
            let lifted = self.freezes.remove(&identity).filter(|freeze| freeze.emergency && self.height > 1);
            let lifted = lifted.map(|freeze| Frozen { until: self.height - 1, ..freeze });
            self.freezes.extend(lifted.map(|freeze| (identity, freeze)));
            return;
        };
        let until = last_height(freeze.end, self.height);
        let frozen = Frozen { scope: freeze.scope, basis: freeze.basis, until, emergency: freeze.emergency };
        self.freezes.insert(identity, frozen);
    }

    fn apply_halt(&mut self, contract: Address, after: Option<Halt>) {
        let height = self.height;
        let halt = &mut self.contracts.get_mut(&contract).unwrap().halted;
        *halt = match (after, halt.take()) {
            (Some(after), _) => Some(halted(after, height)),
            (None, Some(Halted::Frozen { basis, emergency: true, .. })) if height > 1 => {
                Some(Halted::Frozen { basis, until: height - 1, emergency: true })
            }
            (None, _) => None,
        };
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, after: Option<V>) {
    map.remove(&key);
    map.extend(after.map(|after| (key, after)));
}

/// The last height of what is imposed now.
fn last_height(end: End, height: u64) -> u64 {
    match end {
        End::Never => 0,
        End::At(height) => height,
        End::After(blocks) => height + blocks,
    }
}

fn halted(halt: Halt, height: u64) -> Halted {
    match halt {
        Halt::Frozen { basis, end, emergency } => {
            Halted::Frozen { basis, until: last_height(end, height), emergency }
        }
        Halt::Retired { basis } => Halted::Retired { basis },
    }
}
