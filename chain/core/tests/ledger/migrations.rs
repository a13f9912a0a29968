//! Upgrades that migrate what a proxy holds, in the same execution.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolError as _, SolEvent as _, sol};
use concordat_core::{
    CONTRACTS, GOVERNANCE, contracts::abi::IContracts as contracts,
    governance::abi::IGovernance as governance, permissions::abi::IPermissions as permissions,
};
use concordat_governance::{Action, Effect, action::Basis};
use concordat_types::{Receipt, receipt::Outcome};
use sha2::{Digest as _, Sha256};

use crate::{
    governance::{Governed as _, execute},
    kit::{Actor, Token, bytecode, token_init_code},
    permissions::deploy,
    upgrades::World,
};

sol! {
    contract CounterV3 {
        event Migrated(uint256 before, uint256 afterwards, uint256 version);
        error NotGovernance(address account);
        error TooLarge(uint256 count, uint256 limit);
        function migrate(uint256 limit) external;
        function fill(uint256 slots) external;
        function ask(address other, bytes calldata data) external;
        function counted(address account) external view returns (uint256);
        function migrations() external view returns (uint64);
        function step() external;
    }
}

fn migrate(limit: u64) -> CounterV3::migrateCall {
    CounterV3::migrateCall { limit: U256::from(limit) }
}

/// A proxy of the counter's first version, and the third one.
struct Migration {
    world: World,
    third: Address,
}

impl Migration {
    fn new() -> Self {
        let mut world = World::new();
        let third = deploy(&mut world.committee.net, &world.developer, bytecode("CounterV3").into());
        Self { world, third }
    }

    fn upgrade(&self, implementation: Address, call: &impl SolCall) -> Action {
        let migration = Bytes::from(call.abi_encode());
        Action::UpgradeContract { contract: self.world.proxy, implementation, migration }
    }

    /// An upgrade to the third version with this call is proposed and voted for; its number.
    fn carries(&mut self, call: &impl SolCall) -> u64 {
        let action = self.upgrade(self.third, call);
        let id = self.world.committee.propose(&action);
        self.world.committee.carry(id);
        id
    }

    fn executes(&mut self, id: u64) -> Receipt {
        let tx = self.world.committee.members[1].sign(&execute(id));
        self.world.committee.net.try_one(&tx)
    }

    fn migrations(&self) -> u64 {
        self.world.committee.net.ask(self.world.proxy, &CounterV3::migrationsCall {})
    }

    fn counted(&self, account: &Actor) -> u64 {
        let account = account.address;
        self.world.committee.net.ask(self.world.proxy, &CounterV3::countedCall { account }).to()
    }

    fn status(&self, id: u64) -> u8 {
        self.world.committee.proposal(id).status
    }
}

#[test]
fn an_upgrade_brings_what_the_proxy_holds_into_the_form_of_its_new_version() {
    let mut it = Migration::new();
    let (proxy, third, call) = (it.world.proxy, it.third, migrate(1_000).abi_encode());
    let action = it.upgrade(third, &migrate(1_000));
    let preview = governance::previewActionCall { kind: action.kind().code(), payload_: action.encode() };
    let effect =
        Effect::decode(&it.world.committee.net.ask(GOVERNANCE, &preview).effect).unwrap().to_string();
    let hash = B256::from_slice(&Sha256::digest(&call));
    assert!(effect.contains(&format!("in 36 bytes, SHA-256 {hash}")), "{effect}");

    let id = it.carries(&migrate(1_000));
    let receipt = it.executes(id);
    assert_eq!((receipt.outcome, it.world.version(), it.world.count()), (Outcome::Success, 3, 500));
    assert_eq!((it.migrations(), it.counted(&it.world.operator)), (1, 500));
    let told = governance::ContractMigrated::decode_log(&receipt.logs[2]).unwrap();
    assert_eq!((told.proxy, &told.call[..], told.proposalId), (proxy, &call[..], id));
    // The third event is the proxy's own. What runs in the migration finds the version that was decided.
    let migrated = CounterV3::Migrated::decode_log(&receipt.logs[4]).unwrap();
    let told = [migrated.before, migrated.afterwards, migrated.version].map(|word| word.to::<u64>());
    assert_eq!((receipt.logs.len(), told, it.world.slot()), (5, [5, 500, 3], third));
    let asked = contracts::versionsCall { contractAddress: proxy, from: 1, limit: 64 };
    let versions = it.world.committee.net.ask(CONTRACTS, &asked);
    assert_eq!(versions.iter().map(|version| version.migration).collect::<Vec<_>>(), [B256::ZERO, hash]);
}

#[test]
fn a_migration_that_is_refused_leaves_the_proxy_as_it_was_and_the_proposal_open() {
    let mut it = Migration::new();
    let (first, id) = (it.world.versions[0], it.carries(&migrate(4)));
    let receipt = it.executes(id);
    let error = CounterV3::TooLarge::abi_decode(&receipt.output).unwrap();
    assert_eq!(
        (receipt.outcome, error.count, error.limit),
        (Outcome::Reverted, U256::from(5), U256::from(4))
    );
    assert!(receipt.logs.is_empty() && receipt.gas_used < receipt.gas_limit / 4, "{receipt:?}");
    assert_eq!((it.world.version(), it.world.count(), it.world.slot()), (1, 5, first));
    let asked = contracts::versionsCall { contractAddress: it.world.proxy, from: 1, limit: 64 };
    assert_eq!((it.world.committee.net.ask(CONTRACTS, &asked).len(), it.status(id)), (1, 0));
}

#[test]
fn a_migration_has_its_gas_and_one_that_needs_more_does_not_happen() {
    let mut it = Migration::new();
    let fill = |slots| CounterV3::fillCall { slots: U256::from(slots) };
    let id = it.carries(&fill(1_000));
    for limit in [10_000_000, 16_777_216] {
        assert_eq!(it.world.committee.refused(1, &execute(id).gas(limit)), 128);
    }
    assert_eq!(it.world.committee.refused(1, &execute(id).gas(8_000_000)), 126);
    assert_eq!((it.world.version(), it.status(id)), (1, 0));
    let id = it.carries(&fill(300));
    assert_eq!(it.executes(id).outcome, Outcome::Success);
    assert_eq!(it.world.version(), 3);
}

#[test]
fn nobody_but_the_committee_migrates() {
    let mut it = Migration::new();
    let third = it.third;
    it.world.passes(&Action::UpgradeContract {
        contract: it.world.proxy,
        implementation: third,
        migration: Bytes::new(),
    });
    let receipt = it.world.calls(&migrate(1_000));
    let error = CounterV3::NotGovernance::abi_decode(&receipt.output).unwrap();
    assert_eq!((error.account, it.migrations(), it.world.count()), (it.world.operator.address, 0, 5));
}

#[test]
fn a_roll_back_migrates_as_well() {
    let mut it = Migration::new();
    let first = it.world.versions[0];
    let id = it.carries(&migrate(1_000));
    assert_eq!(it.executes(id).outcome, Outcome::Success);
    let back = it.upgrade(first, &CounterV3::stepCall {});
    it.world.passes(&back);
    assert_eq!((it.world.version(), it.world.count()), (1, 501), "by the code that it goes back to");
}

#[test]
fn what_a_migration_has_others_do_is_asked_about_as_always() {
    let mut it = Migration::new();
    let other = deploy(&mut it.world.committee.net, &it.world.developer, token_init_code(1_000));
    let data = Token::balanceOfCall { owner: Address::ZERO }.abi_encode().into();
    let id = it.carries(&CounterV3::askCall { other, data });
    let receipt = it.executes(id);
    assert_eq!((receipt.outcome, it.status(id)), (Outcome::Reverted, 0));
    assert!(permissions::NotPermitted::abi_decode(&receipt.output).is_ok(), "{:?}", receipt.output);
    let tx = it.world.operator.sign(&execute(id));
    assert_eq!(it.world.committee.net.try_one(&tx).outcome, Outcome::Success);
    assert_eq!(it.world.version(), 3);
}

#[test]
fn a_frozen_proxy_is_mended_by_a_migration() {
    let mut it = Migration::new();
    let basis = Basis { document: B256::repeat_byte(1), reference: "Finding 7".into() };
    let contract = it.world.proxy;
    it.world.passes(&Action::FreezeContract { contract, basis: basis.clone(), until: 0 });
    let id = it.carries(&migrate(1_000));
    let error = contracts::ContractFrozen::abi_decode(&it.executes(id).output).unwrap();
    assert_eq!(error.contractAddress, contract, "it asks the proxy from outside, which is frozen");
    let id = it.carries(&CounterV3::stepCall {});
    assert_eq!(it.executes(id).outcome, Outcome::Success);
    assert_eq!(it.world.calls(&CounterV3::stepCall {}).outcome, Outcome::ContractFrozen);
    it.world.passes(&Action::UnfreezeContract { contract, basis });
    assert_eq!(it.world.calls(&CounterV3::stepCall {}).outcome, Outcome::Success);
    assert_eq!(it.world.count(), 2_005);
}
