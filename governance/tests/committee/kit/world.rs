//! Worlds, and what is done in them.

use alloy_primitives::{Address, B256};
use concordat_governance::{
    Action, Choice, Committee, Decision, Effect, Kind, Member, Proposal, Refusal, Rule,
    action::{BarTarget, Parameters, Scope},
    consent,
    facts::{Ability, ContractFacts, Halted, Membership, OrganisationFacts},
    lifecycle,
};
use concordat_types::{ChainParams, Role, validator::consensus_address};

use super::{
    Account, World, consensus_key, contract, fingerprints, member, org, refusal, roots, system_contract,
    validator,
};

impl World {
    /// Banks with a validator of power 10, an operator and a member of weight 1 each; the first has a regulator.
    pub fn of_banks(count: u8) -> Self {
        Self::of_weights(&vec![1; count.into()])
    }

    pub fn of_weights(weights: &[u64]) -> Self {
        let parameters = Parameters::of(&ChainParams::default());
        let mut world = Self { height: 1, running: 1, parameters, ..Self::default() };
        let mut members = Vec::new();
        for (index, weight) in (0..).zip(weights) {
            let facts = OrganisationFacts {
                name: org(index).to_string(),
                membership: Membership::Active,
                roles: Role::ALL.iter().copied().collect(),
                roots: fingerprints(&roots("first")),
            };
            world.organisations.insert(org(index), facts);
            for role in [Role::CommitteeMember, Role::Operator, Role::Developer, Role::Registrar] {
                world.enrol(index, role);
            }
            members.push(Member { address: member(index), organisation: org(index), weight: *weight });
            world.validators.push(validator(index, index, 10));
        }
        world.enrol(0, Role::Regulator);
        for index in 0..2 {
            world.contracts.insert(contract(index), ContractFacts::default());
        }
        let system = ContractFacts { system: true, ..ContractFacts::default() };
        world.contracts.insert(system_contract(), system);
        world.validators.sort_by_key(|v| v.consensus_key);
        world.committee = Committee::new(members).unwrap();
        let rule = |kind: &Kind| (*kind, Rule::initial(*kind, weights.len()));
        world.rules = Kind::ALL.iter().map(rule).collect();
        world.everybody_signs();
        world
    }

    pub fn enrol(&mut self, index: u8, role: Role) {
        let account = Account { organisation: org(index), role, expired: false, revoked: false };
        self.accounts.insert(super::account(index, role), account);
    }

    pub fn everybody_signs(&mut self) {
        self.recent = self.validators.iter().map(|v| consensus_address(&v.consensus_key.0)).collect();
    }

    /// Nobody signs with this key any more.
    pub fn down(&mut self, seed: u8) {
        self.recent.remove(&consensus_address(&consensus_key(seed).0));
    }

    pub fn proposal(&self, id: u64) -> &Proposal {
        &self.proposals[usize::try_from(id).unwrap() - 1].0
    }

    fn action(&self, id: u64) -> Action {
        self.proposals[usize::try_from(id).unwrap() - 1].1.clone()
    }

    /// Makes a proposal; its number.
    pub fn propose(&mut self, sender: Address, action: &Action) -> Result<u64, Refusal> {
        let id = self.proposals.len() as u64 + 1;
        let made = lifecycle::decide_proposal(self, id, sender, action.kind().code(), &action.encode());
        let Decision { proposal, .. } = made.map_err(refusal)?;
        self.proposals.push((proposal, action.clone()));
        Ok(id)
    }

    pub fn vote(&mut self, sender: Address, id: u64, choice: Choice) -> Result<(), Refusal> {
        let digest = self.proposal(id).digest;
        self.vote_for(sender, id, choice, digest)
    }

    pub fn vote_for(
        &mut self,
        sender: Address,
        id: u64,
        choice: Choice,
        digest: B256,
    ) -> Result<(), Refusal> {
        let proposal = self.proposal(id).clone();
        let decision = lifecycle::decide_ballot(self, &proposal, sender, choice, digest).map_err(refusal)?;
        self.keep(decision);
        Ok(())
    }

    pub fn revoke(&mut self, sender: Address, id: u64) -> Result<(), Refusal> {
        let proposal = self.proposal(id).clone();
        let decision = lifecycle::decide_revocation(self, &proposal, sender).map_err(refusal)?;
        self.keep(decision);
        Ok(())
    }

    pub fn veto(&mut self, sender: Address, id: u64) -> Result<(), Refusal> {
        let proposal = self.proposal(id).clone();
        let decision =
            lifecycle::decide_veto(self, &proposal, sender, B256::repeat_byte(7)).map_err(refusal)?;
        self.keep(decision);
        Ok(())
    }

    pub fn consent(&mut self, sender: Address, id: u64) -> Result<(), Refusal> {
        let digest = self.proposal(id).digest;
        self.consent_to(sender, id, digest)
    }

    pub fn consent_to(&mut self, sender: Address, id: u64, digest: B256) -> Result<(), Refusal> {
        let (proposal, action) = (self.proposal(id).clone(), self.action(id));
        let given = consent::decide_consent(self, &proposal, &action, sender, digest).map_err(refusal)?;
        self.consents.insert(id, given);
        Ok(())
    }

    /// Executes; the status that follows.
    pub fn execute(&mut self, id: u64) -> Result<&'static str, Refusal> {
        let (proposal, action) = (self.proposal(id).clone(), self.action(id));
        let decision = lifecycle::decide_execution(self, &proposal, &action).map_err(refusal)?;
        if let Some(effect) = &decision.effect {
            self.apply(effect, id);
        }
        let status = decision.proposal.status.name();
        self.keep(decision);
        Ok(status)
    }

    /// A proposal that these members vote for, executed as soon as it can be.
    pub fn pass(&mut self, action: &Action, voters: &[Address]) -> Result<&'static str, Refusal> {
        let id = self.propose(voters[0], action)?;
        for voter in voters {
            if self.proposal(id).closes >= self.height {
                self.vote(*voter, id, Choice::Yes)?;
            }
        }
        self.height = self.proposal(id).earliest.max(self.height);
        self.execute(id)
    }

    pub fn resolve(&mut self, action: &Action) -> Result<Effect, Refusal> {
        concordat_governance::resolve(action, self).map_err(refusal)
    }

    fn keep(&mut self, decision: Decision) {
        let place = usize::try_from(decision.proposal.id).unwrap() - 1;
        self.proposals[place].0 = decision.proposal;
    }

    /// What stops a contract now.
    pub fn halted(&self, contract: &Address) -> Option<&Halted> {
        self.contracts[contract].halted.as_ref().filter(|halted| halted.binds(self.height))
    }

    pub fn identity(&self, address: &Address) -> Address {
        self.identities.get(address).copied().unwrap_or(*address)
    }

    /// The account that acts for the identity of an account.
    pub fn holder(&self, address: &Address) -> Address {
        let identity = self.identity(address);
        self.holders.get(&identity).copied().unwrap_or(identity)
    }

    pub fn ability(&self, address: &Address) -> Ability {
        let account = &self.accounts[address];
        let identity = self.identity(address);
        let barred = self.bars.contains_key(&BarTarget::Account(identity));
        let frozen = self.freezes.get(&identity);
        let frozen = frozen.is_some_and(|f| f.binds(self.height) && f.scope == Scope::All);
        let active = self.organisations[&account.organisation].membership == Membership::Active;
        let shut_out = self.is_shut_out(&identity);
        match (account.revoked || frozen || barred || shut_out || !active, account.expired) {
            (true, _) => Ability::Not,
            (false, true) => Ability::Later,
            (false, false) => Ability::Now,
        }
    }
}
