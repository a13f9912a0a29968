//! The committee on chain, with real certificates: every way to propose, vote, execute and be refused.

mod ballots;
mod enactments;
mod founding;
mod freezes;
mod members;

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes, TxKind};
use alloy_sol_types::{SolCall, SolError as _, SolEvent as _};
use concordat_core::{
    CallStatus, ExecError, GOVERNANCE, GenesisStateError, IDENTITY_REGISTRY, IdentityEvent, Registry,
    abi::IIdentityRegistry as registry, genesis_state, governance::abi::IGovernance as governance,
};
use concordat_governance::{
    Action, Effect, Kind, Rule,
    action::{Admission, Basis, NewValidator, Scope},
};
use concordat_pki_authority::{Authority, AuthorityOptions, KeyType};
use concordat_types::{
    Receipt, Role,
    genesis::GenesisCommitteeMember,
    receipt::Outcome,
    validator::{ConsensusAddress, consensus_address},
};

use crate::kit::{
    Actor, BLOCK_GAS, Consortium, DAY, GENESIS_TIME, Probe, Say, bytecode, certify, key, org, pem, reason,
};

const YES: u8 = 1;

/// A governed chain and its members, each of another bank.
pub(crate) struct Committee {
    pub(crate) net: Consortium,
    pub(crate) members: Vec<Actor>,
}

/// A world around a committee.
pub(crate) trait Governed {
    fn committee(&mut self) -> &mut Committee;

    fn net(&mut self) -> &mut Consortium {
        &mut self.committee().net
    }

    fn passes(&mut self, action: &Action) {
        assert_eq!(self.committee().pass(action), 1, "{action:?}");
    }

    /// The code with which the first member's proposal is refused.
    fn refused(&mut self, action: &Action) -> u16 {
        self.committee().refused(0, &propose(action))
    }
}

impl Committee {
    pub(crate) fn new() -> Self {
        let (net, members) = Consortium::governed();
        Self { net, members }
    }

    /// Makes a proposal as the first member; its number.
    pub(crate) fn propose(&mut self, action: &Action) -> u64 {
        let receipt = self.net.one(&self.members[0].sign(&propose(action)));
        governance::ProposalOpened::decode_log(&receipt.logs[0]).unwrap().id
    }

    pub(crate) fn vote(&mut self, member: usize, id: u64) -> Receipt {
        let digest = self.proposal(id).digest;
        let vote = governance::voteCall { id, choice: YES, digest };
        self.net.try_one(&self.members[member].sign(&Say::governance(&vote)))
    }

    /// Everybody votes yes, time passes, and it is executed: the status.
    pub(crate) fn pass(&mut self, action: &Action) -> u8 {
        let id = self.propose(action);
        self.carry(id);
        self.execute(id)
    }

    /// Everybody votes yes, and the timelock passes.
    pub(crate) fn carry(&mut self, id: u64) {
        for member in 0..self.members.len() {
            if self.proposal(id).closes >= self.net.height {
                let receipt = self.vote(member, id);
                assert!(receipt.outcome.succeeded(), "{}", reason(&receipt.output));
            }
        }
        self.net.height = self.net.height.max(self.proposal(id).earliest);
    }

    pub(crate) fn execute(&mut self, id: u64) -> u8 {
        let receipt = self.net.one(&self.members[1].sign(&execute(id)));
        governance::ProposalDecided::decode_log(&receipt.logs[0]).unwrap().status
    }

    pub(crate) fn proposal(&self, id: u64) -> governance::Proposal {
        self.net.ask(GOVERNANCE, &governance::proposalCall { id })
    }

    /// The code with which an act is refused.
    pub(crate) fn refused(&mut self, actor: usize, say: &Say) -> u16 {
        refused(&mut self.net, &self.members[actor], say)
    }

    /// As [`Self::pass`], while one member cannot vote.
    fn pass_without(&mut self, member: usize, action: &Action) -> u8 {
        let id = self.propose(action);
        (0..self.members.len()).filter(|other| *other != member).for_each(|other| {
            assert!(self.vote(other, id).outcome.succeeded());
        });
        self.net.height = self.net.height.max(self.proposal(id).earliest);
        self.execute(id)
    }
}

pub(crate) fn propose(action: &Action) -> Say {
    Say::governance(&governance::proposeCall { kind: action.kind().code(), payload: action.encode() })
}

pub(crate) fn execute(id: u64) -> Say {
    Say::governance(&governance::executeCall { id })
}

pub(crate) fn refused(net: &mut Consortium, actor: &Actor, say: &Say) -> u16 {
    let receipt = net.try_one(&actor.sign(say));
    assert_eq!(receipt.outcome, Outcome::Reverted, "{receipt:?}");
    governance::Refused::abi_decode(&receipt.output).unwrap().code
}

fn business() -> Say {
    Say { to: TxKind::Call(Address::repeat_byte(9)), input: Bytes::new(), gas: 30_000 }
}

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Order 7".into() }
}

fn freeze(account: Address) -> Action {
    Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 }
}

pub(crate) fn admission(net: &mut Consortium, id: &str) -> Action {
    let authority = Authority::create(&org(id), &AuthorityOptions::default(), GENESIS_TIME - 60).unwrap();
    let root = concordat_pki_authority::pem::decode("CERTIFICATE", authority.root_pem().as_bytes()).unwrap();
    let roots = vec![Bytes::from(root)];
    net.authorities.push(authority);
    let roles = Role::ALL.iter().copied().collect();
    Action::AdmitOrganisation(Admission { id: org(id), name: "Bank E".into(), roots, roles })
}

fn validator(net: &mut Consortium, id: &str, name: &str, power: u64) -> NewValidator {
    let node = net.stranger_with(KeyType::P256, id, Role::Validator, name, 30);
    let vote = net.stranger_with(KeyType::Ed25519, id, Role::Consensus, name, 30);
    let node_address = "new.example:26656".into();
    NewValidator { node_chain: node.chain, consensus_chain: vote.chain, node_address, power }
}

fn consensus_key(net: &Consortium, id: &str) -> B256 {
    let records = Registry::new(&net.state).validator_records().unwrap();
    records.iter().find(|v| v.org.as_str() == id).unwrap().consensus_key.into()
}

fn down(net: &mut Consortium, id: &str) -> ConsensusAddress {
    let address = consensus_address(&consensus_key(net, id).0);
    net.down.insert(address);
    address
}
