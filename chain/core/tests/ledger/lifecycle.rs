//! The life of contracts: what is attested of them, and what others make of that during execution.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolError as _, SolEvent as _, sol};
use concordat_core::{
    CONTRACTS, CallRequest, CallStatus, ExecError, contracts::abi::IContracts as contracts, gas,
    governance::abi::IGovernance as governance,
};
use concordat_governance::{
    Action,
    action::{Attributes, Basis, Deployment, Property, Scope},
};
use concordat_types::{Receipt, Role, StateKey, receipt::Outcome};
use sha2::{Digest as _, Sha256};

use crate::{
    governance::{Committee, Governed, execute, propose, refused},
    kit::{Actor, Consortium, Probe, Say, bytecode},
    permissions::{asked, deploy},
};

sol! {
    contract TieredVault {
        error AboveLimit(uint256 amount, uint256 limit);
        function deposit(address account, uint256 amount) external;
        function withdraw(uint256 amount) external;
        function limitOf(address caller) external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
    }
    contract VaultClient {
        function take(address vault, uint256 amount) external;
    }
}

const LARGE: u64 = 1_000_000;
const SMALL: u64 = 1_000;

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Finding 7".into() }
}

fn attributes(rating: u8, valid_until: u64) -> Attributes {
    Attributes {
        auditor: "Lab".into(),
        report: B256::repeat_byte(2),
        properties: vec![Property { text: "no reentrancy".into(), proof: B256::repeat_byte(3) }],
        rating,
        source: B256::repeat_byte(4),
        compiler: "solc 0.8.37".into(),
        valid_until,
    }
}

fn rated(contract: Address, rating: u8) -> Action {
    Action::SetAttributes { contract, attributes: attributes(rating, 0) }
}

fn revoked(contract: Address) -> Action {
    Action::RevokeAttributes { contract, basis: basis() }
}

/// A governed chain with a vault and a contract that calls it.
struct World {
    committee: Committee,
    operator: Actor,
    vault: Address,
    client: Address,
}

impl World {
    fn new() -> Self {
        let mut committee = Committee::new();
        let (developer, vault) = committee.net.deploy(bytecode("TieredVault").into());
        let client = deploy(&mut committee.net, &developer, bytecode("VaultClient").into());
        let operator = committee.net.actor("bank-b", Role::Operator);
        let deposit = TieredVault::depositCall { account: client, amount: U256::from(LARGE * 10) };
        committee.net.one(&operator.sign(&Say::call(vault, &deposit)));
        Self { committee, operator, vault, client }
    }

    fn take(&self, amount: u64) -> Say {
        let (vault, amount) = (self.vault, U256::from(amount));
        Say::call(self.client, &VaultClient::takeCall { vault, amount })
    }

    /// The client takes an amount out of the vault.
    fn takes(&mut self, amount: u64) -> Receipt {
        let tx = self.operator.sign(&self.take(amount));
        self.net().try_one(&tx)
    }

    fn limit(&self) -> u64 {
        let told = self.committee.net.ask(self.vault, &TieredVault::limitOfCall { caller: self.client });
        told.to()
    }

    fn rating(&self) -> u8 {
        self.committee.net.ask(CONTRACTS, &contracts::ratingCall { contractAddress: self.client })
    }

    fn told(&self) -> contracts::Attributes {
        self.committee.net.ask(CONTRACTS, &contracts::attributesCall { contractAddress: self.client })
    }
}

impl Governed for World {
    fn committee(&mut self) -> &mut Committee {
        &mut self.committee
    }
}

#[test]
fn a_vault_pays_large_amounts_to_a_safe_caller_and_small_ones_to_an_unsafe_one() {
    let mut world = World::new();
    assert_eq!(world.takes(SMALL).outcome, Outcome::Success);
    let receipt = world.takes(SMALL + 1);
    assert_eq!(receipt.outcome, Outcome::Reverted);
    let error = TieredVault::AboveLimit::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.amount, error.limit), (U256::from(SMALL + 1), U256::from(SMALL)));
    let client = world.client;
    world.passes(&rated(client, 79));
    assert_eq!(world.takes(SMALL + 1).outcome, Outcome::Reverted, "one below what the vault calls safe");
    world.passes(&rated(client, 80));
    assert_eq!(world.takes(LARGE).outcome, Outcome::Success);
    assert_eq!(world.takes(LARGE + 1).outcome, Outcome::Reverted);
    let left = world.net().height;
    let vault = world.vault;
    let balance = world.net().ask(vault, &TieredVault::balanceOfCall { account: client });
    assert_eq!(balance, U256::from(LARGE * 9 - SMALL), "height {left}");
    world.passes(&revoked(client));
    assert_eq!(world.takes(SMALL + 1).outcome, Outcome::Reverted);
}

#[test]
fn a_rating_binds_from_the_next_transaction_of_the_same_block() {
    let mut world = World::new();
    let client = world.client;
    let id = world.committee.propose(&rated(client, 90));
    world.committee.carry(id);
    let (large, executed) = (world.take(LARGE), execute(id));
    let World { committee, operator, .. } = &mut world;
    let txs = [operator.sign(&large), committee.members[0].sign(&executed), operator.sign(&large)];
    let block = committee.net.block(&txs);
    let outcomes: Vec<_> = block.receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Reverted, Outcome::Success, Outcome::Success]);
    let log = governance::AttributesChanged::decode_log(&block.receipts[1].logs[1]).unwrap();
    assert_eq!((log.contractAddress, log.attested, log.rating, log.proposalId), (client, true, 90, id));
    assert_eq!(log.codeHash, world.told().codeHash);
}

#[test]
fn a_rating_expires_by_the_time_of_the_block() {
    let mut world = World::new();
    let client = world.client;
    let until = world.net().time_secs + 1_000;
    world.passes(&Action::SetAttributes { contract: client, attributes: attributes(90, until) });
    world.net().time_secs = until;
    assert_eq!((world.rating(), world.limit(), world.told().holds), (90, LARGE, true));
    assert_eq!(world.takes(LARGE).outcome, Outcome::Success);
    assert_eq!(world.net().time_secs, until + 1);
    assert_eq!((world.rating(), world.limit()), (0, SMALL));
    assert_eq!(world.takes(LARGE).outcome, Outcome::Reverted);
    let told = world.told();
    assert_eq!((told.holds, told.rating, told.validUntil), (false, 90, until));
    let over = Action::SetAttributes { contract: client, attributes: attributes(90, until) };
    assert_eq!(world.refused(&over), 91);
}

#[test]
fn a_rating_says_nothing_of_other_code() {
    let mut world = World::new();
    let client = world.client;
    world.passes(&rated(client, 90));
    // No transaction puts other code there; a call that only asks may pretend that it is there.
    let input = alloy_sol_types::SolCall::abi_encode(&TieredVault::limitOfCall { caller: client });
    let mut request = CallRequest { to: Some(world.vault), input: input.into(), ..Default::default() };
    let ask = |world: &World, request: &CallRequest| {
        let outcome = concordat_core::call(&world.committee.net.state, &world.committee.net.env(), request);
        let outcome = outcome.unwrap();
        assert_eq!(outcome.status, CallStatus::Success);
        U256::from_be_slice(&outcome.output)
    };
    assert_eq!(ask(&world, &request), U256::from(LARGE));
    let code = Some(Bytes::from_static(&[0x00]));
    request.overrides.insert(client, concordat_core::AccountOverride { code, ..Default::default() });
    assert_eq!(ask(&world, &request), U256::from(SMALL));
}

#[test]
fn everything_attested_is_told_with_the_code_that_it_is_about() {
    let mut world = World::new();
    let client = world.client;
    let nothing = world.told();
    assert!(!nothing.holds && nothing.codeHash.is_zero() && nothing.auditor.is_empty());
    world.passes(&rated(client, 90));
    let (told, since) = (world.told(), world.net().height - 1);
    let account = concordat_core::account_state(&world.net().state, client).unwrap();
    assert_eq!(Some(told.codeHash), account.code_hash);
    assert!(told.holds);
    assert_eq!((told.auditor.as_str(), told.compiler.as_str()), ("Lab", "solc 0.8.37"));
    assert_eq!((told.report, told.source), (B256::repeat_byte(2), B256::repeat_byte(4)));
    assert_eq!((told.rating, told.validUntil, told.since, told.proposalId), (90, 0, since, 1));
    assert_eq!(told.properties.len(), 1);
    assert_eq!(
        (told.properties[0].text.as_str(), told.properties[0].proof),
        ("no reentrancy", B256::repeat_byte(3))
    );
    world.passes(&revoked(client));
    assert!(world.told().codeHash.is_zero());
    assert!(!world.net().state.values.contains_key(&StateKey::system(0x45, client.as_slice())));
}

#[test]
fn nothing_is_attested_of_what_is_no_contract_of_the_chain_itself_or_retired() {
    let mut world = World::new();
    let client = world.client;
    assert_eq!(world.refused(&rated(Address::repeat_byte(9), 90)), 80);
    assert_eq!(world.refused(&rated(CONTRACTS, 90)), 81);
    assert_eq!(world.refused(&revoked(client)), 90);
    world.passes(&rated(client, 90));
    assert_eq!(world.refused(&rated(client, 90)), 35);
    world.passes(&Action::RetireContract { contract: client, basis: basis() });
    assert_eq!(world.refused(&rated(client, 20)), 82);
    assert_eq!(world.rating(), 90, "whether it answers is told elsewhere");
    world.passes(&revoked(client));
    assert_eq!(world.rating(), 0);
}

#[test]
fn a_rating_costs_a_row_and_where_there_is_one_the_account_and_its_version() {
    let mut world = World::new();
    let client = world.client;
    let cost = |world: &World, what: &dyn Fn(&Consortium) -> u64| what(&world.committee.net);
    let rating = |net: &Consortium| {
        net.ask_raw(CONTRACTS, &contracts::ratingCall { contractAddress: client }).gas_used
    };
    let all = |net: &Consortium| {
        net.ask_raw(CONTRACTS, &contracts::attributesCall { contractAddress: client }).gas_used
    };
    let before = [cost(&world, &rating), cost(&world, &all)];
    // Four bytes of the method and twenty of the address at 16, twelve of zeros at 4.
    let intrinsic = 21_000 + 24 * 16 + 12 * 4;
    assert_eq!(before, [intrinsic + gas::BASE + gas::ROW_READ; 2]);
    world.passes(&rated(client, 90));
    let after = [cost(&world, &rating), cost(&world, &all)];
    let rows = 2 * gas::ROW_READ;
    assert_eq!(after, [before[0] + rows, before[1] + rows + gas::LISTED]);
}

/// A governed chain with a developer of bank-a, and reviewers of bank-b and bank-c.
struct Studio {
    committee: Committee,
    developer: Actor,
    reviewers: [Actor; 2],
}

impl Studio {
    fn new() -> Self {
        let mut committee = Committee::new();
        let developer = committee.net.actor("bank-a", Role::Developer);
        let reviewers = ["bank-b", "bank-c"].map(|bank| committee.net.actor(bank, Role::Operator));
        Self { committee, developer, reviewers }
    }

    fn net(&mut self) -> &mut Consortium {
        &mut self.committee.net
    }

    fn deployment(&self, name: &str, until: u64) -> Deployment {
        let mut reviewers: Vec<_> = self.reviewers.iter().map(|reviewer| reviewer.address).collect();
        reviewers.sort();
        Deployment {
            code: fingerprint(name),
            source: B256::repeat_byte(2),
            compiler: "solc 0.8.37".into(),
            reports: vec![B256::repeat_byte(3)],
            deployer: self.developer.address,
            reviewers,
            until,
        }
    }

    fn requires(&mut self, required: bool) {
        assert_eq!(self.committee.pass(&Action::RequireApproval { required }), 1);
    }

    fn reviews(&mut self, reviewer: usize, id: u64, approves: bool) -> Receipt {
        let tx = self.reviewers[reviewer].sign(&review(id, approves));
        self.net().try_one(&tx)
    }

    /// A proposal is made, reviewed and carried; its number.
    fn approves(&mut self, name: &str, until: u64) -> u64 {
        let action = Action::DeployContract(self.deployment(name, until));
        let id = self.committee.propose(&action);
        for reviewer in 0..2 {
            assert_eq!(self.reviews(reviewer, id, true).outcome, Outcome::Success);
        }
        self.committee.carry(id);
        assert_eq!(self.committee.execute(id), 1);
        id
    }

    fn deploys(&mut self, name: &str) -> Receipt {
        let tx = self.developer.sign(&Say::deploy(bytecode(name).into()));
        self.net().try_one(&tx)
    }
}

fn fingerprint(name: &str) -> B256 {
    B256::from_slice(&Sha256::digest(bytecode(name)))
}

fn review(id: u64, approves: bool) -> Say {
    Say::call(CONTRACTS, &contracts::reviewCall { id, approves, report: B256::repeat_byte(8) })
}

#[test]
fn a_deployment_is_reviewed_approved_and_made() {
    let mut studio = Studio::new();
    studio.requires(true);
    let until = studio.net().height + 1_000;
    let (code, deployer) = (fingerprint("Probe"), studio.developer.address);
    let receipt = studio.deploys("Probe");
    assert_eq!((receipt.outcome, receipt.outcome.code()), (Outcome::ApprovalMissing, 23));
    assert_eq!(receipt.output[..4], keccak256("ApprovalMissing(bytes32,address)")[..4]);
    let error = contracts::ApprovalMissing::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.code, error.account), (code, deployer));
    assert_eq!(Receipt::decode(&receipt.encode()).unwrap(), receipt);
    let id = studio.approves("Probe", until);
    let told = studio.net().ask(CONTRACTS, &contracts::approvalCall { code, deployer });
    assert_eq!((told.proposalId, told.until), (id, until));
    let receipt = studio.deploys("Probe");
    assert_eq!(receipt.outcome, Outcome::Success);
    let contract_address = receipt.contract_address.unwrap();
    let by = |studio: &mut Studio, it| {
        studio.net().ask(CONTRACTS, &contracts::approvedByCall { contractAddress: it })
    };
    assert_eq!(by(&mut studio, contract_address), id);
    assert_eq!(studio.deploys("Token").outcome, Outcome::ApprovalMissing, "other code");
    let other = studio.net().stranger("bank-a", Role::Developer, "another");
    studio.net().enrol(&other);
    let tx = other.sign(&Say::deploy(bytecode("Probe").into()));
    assert_eq!(studio.net().try_one(&tx).outcome, Outcome::ApprovalMissing, "another developer");
    studio.net().height = until;
    assert_eq!(studio.deploys("Probe").outcome, Outcome::Success, "the last height");
    assert_eq!(studio.deploys("Probe").outcome, Outcome::ApprovalMissing, "the height after that");
    studio.requires(false);
    let receipt = studio.deploys("Token");
    assert_ne!(receipt.outcome, Outcome::ApprovalMissing);
}

#[test]
fn the_pool_turns_away_what_has_no_approval_and_says_what_to_do() {
    let mut studio = Studio::new();
    studio.requires(true);
    let tx = studio.developer.sign(&Say::deploy(bytecode("Probe").into()));
    let Err(ExecError::Invalid(invalid)) = asked(studio.net(), &tx) else { panic!("the pool took it") };
    assert_eq!(invalid.kind(), "approval_missing");
    assert!(invalid.to_string().ends_with("propose it first (deploy-contract)"), "{invalid}");
}

#[test]
fn a_contract_makes_others_if_its_own_deployment_was_approved() {
    let mut studio = Studio::new();
    let make = Probe::makeCall { value: U256::from(5) };
    let old = studio.deploys("Probe").contract_address.unwrap();
    let tx = studio.developer.sign(&Say::call(old, &make));
    studio.net().one(&tx);
    studio.requires(true);
    let tx = studio.developer.sign(&Say::call(old, &make));
    let receipt = studio.net().try_one(&tx);
    assert_eq!(receipt.outcome, Outcome::Reverted);
    let error = contracts::ApprovalMissing::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.code, error.account), (B256::ZERO, old));
    let until = studio.net().height + 1_000;
    studio.approves("Probe", until);
    let new = studio.deploys("Probe").contract_address.unwrap();
    // The first one writes a slot that was empty.
    let [_, cost] = [0, 1].map(|_| {
        let tx = studio.developer.sign(&Say::call(new, &make));
        studio.net().one(&tx).gas_used
    });
    // What it makes was not approved by itself.
    let child = new.create(1);
    let told = studio.net().ask(CONTRACTS, &contracts::approvedByCall { contractAddress: child });
    assert_eq!(told, 0);
    studio.requires(false);
    let tx = studio.developer.sign(&Say::call(new, &make));
    let free = studio.net().one(&tx).gas_used;
    assert_eq!(cost - gas::ROW_READ, free, "asking whether the maker is approved costs its row");
}

#[test]
fn a_constructor_that_makes_contracts_is_a_part_of_what_was_approved() {
    let mut studio = Studio::new();
    studio.requires(true);
    // create(0, 0, 0) in the constructor; the code that is left is one STOP.
    let init: Bytes = Bytes::from_static(&[0x5f, 0x5f, 0x5f, 0xf0, 0x50, 0x60, 0x01, 0x5f, 0xf3]);
    let until = studio.net().height + 1_000;
    let code = B256::from_slice(&Sha256::digest(&init));
    let action = Action::DeployContract(Deployment { code, ..studio.deployment("Probe", until) });
    let id = studio.committee.propose(&action);
    for reviewer in 0..2 {
        assert!(studio.reviews(reviewer, id, true).outcome.succeeded());
    }
    studio.committee.carry(id);
    assert_eq!(studio.committee.execute(id), 1);
    let tx = studio.developer.sign(&Say::deploy(init));
    assert_eq!(studio.net().try_one(&tx).outcome, Outcome::Success);
}

#[test]
fn only_named_reviewers_review_open_proposals_to_deploy_and_once() {
    let mut studio = Studio::new();
    let until = studio.net().height + 500_000;
    let action = Action::DeployContract(studio.deployment("Probe", until));
    let id = studio.committee.propose(&action);
    let receipt = studio.reviews(0, id, true);
    let log = contracts::Reviewed::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!((log.id, log.reviewer, log.approves), (id, studio.reviewers[0].address, true));
    assert_eq!(log.report, B256::repeat_byte(8));
    let reviewer = studio.reviewers[0].address;
    let told = studio.net().ask(CONTRACTS, &contracts::reviewOfCall { id, reviewer });
    assert_eq!(
        (told.approves, told.report, told.height),
        (true, B256::repeat_byte(8), studio.net().height - 1)
    );
    let again = studio.reviews(0, id, false);
    let error = contracts::ReviewedAlready::abi_decode(&again.output).unwrap();
    assert_eq!((again.outcome, error.account), (Outcome::Reverted, reviewer));
    let tx = studio.developer.sign(&review(id, true));
    let receipt = studio.net().try_one(&tx);
    let error = contracts::NotReviewer::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.id, error.account), (id, studio.developer.address));
    let other = studio.committee.propose(&Action::RequireApproval { required: true });
    for nothing in [other, 99] {
        let receipt = studio.reviews(1, nothing, true);
        assert_eq!(contracts::NothingToReview::abi_decode(&receipt.output).unwrap().id, nothing);
    }
    studio.committee.carry(id);
    let late = execute(id);
    let code = refused(&mut studio.committee.net, &studio.committee.members[1], &late);
    assert_eq!(code, 95, "one review is missing");
    assert!(studio.reviews(1, id, true).outcome.succeeded());
    assert_eq!(studio.committee.execute(id), 1);
    let over = studio.reviews(1, id, true);
    assert_eq!(contracts::NothingToReview::abi_decode(&over.output).unwrap().id, id);
}

#[test]
fn an_objection_ends_a_proposal_with_the_code_of_its_refusal() {
    let mut studio = Studio::new();
    let until = studio.net().height + 1_000;
    let action = Action::DeployContract(studio.deployment("Probe", until));
    let id = studio.committee.propose(&action);
    assert!(studio.reviews(0, id, false).outcome.succeeded());
    studio.committee.carry(id);
    assert_eq!(studio.committee.execute(id), 2);
    assert_eq!(studio.committee.proposal(id).refusal, 96);
    let none = Action::DeployContract(Deployment {
        reviewers: vec![studio.developer.address],
        ..studio.deployment("Probe", until)
    });
    assert_eq!(studio.committee.refused(0, &propose(&none)), 93);
}

#[test]
fn a_reviewer_that_is_not_in_good_standing_reviews_nothing() {
    let mut studio = Studio::new();
    let until = studio.net().height + 500_000;
    let action = Action::DeployContract(studio.deployment("Probe", until));
    let id = studio.committee.propose(&action);
    let account = studio.reviewers[0].address;
    let freeze = Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 };
    assert_eq!(studio.committee.pass(&freeze), 1);
    assert_eq!(studio.reviews(0, id, true).outcome, Outcome::Frozen);
    let told = studio.net().ask(CONTRACTS, &contracts::reviewOfCall { id, reviewer: account });
    assert_eq!(told.height, 0);
}
