//! System contracts: native code at fixed addresses, called through Solidity ABIs.
//!
//! Their state lies in rows of the authenticated state, outside of EVM storage. revm's journal does not
//! know those rows and could not undo them. So a call that changes rows must be the transaction itself,
//! never a contract's: then nothing can revert after it but the calls that it may ask for itself ([`Then`]), and
//! its [`Effects`] are applied if and only if the transaction succeeds. Reads are open to everybody (docs/adr/0003).

mod dispatch;
mod entry;
mod then;

use std::{collections::BTreeSet, fmt, sync::Arc};

use alloy_primitives::{LogData, address, hex};
use alloy_sol_types::SolCall as _;
use concordat_types::{
    Address, B256, Bytes, ChainParams, ReadError, StateKey, U256, validator::ConsensusAddress,
};

pub(crate) use dispatch::SystemPrecompiles;
pub(crate) use entry::{decode, malformed};
pub(crate) use then::Then;

use crate::{
    contracts::{self, Contract},
    identity::IdentityEvent,
};

/// The identity registry.
pub const IDENTITY_REGISTRY: Address = address!("0x000000000000000000000000000000000000C001");

/// The committee's contract. It is there on chains that were started with a committee.
pub const GOVERNANCE: Address = address!("0x000000000000000000000000000000000000C002");

/// The contract that tells who may do what.
pub const PERMISSIONS: Address = address!("0x000000000000000000000000000000000000C003");

/// The registry of contracts.
pub const CONTRACTS: Address = address!("0x000000000000000000000000000000000000C004");

/// The contract that tells which run-time rules bind.
pub const RULES: Address = address!("0x000000000000000000000000000000000000C005");

/// The contract of regulators' orders.
pub const ORDERS: Address = address!("0x000000000000000000000000000000000000C006");

/// The addresses of all system contracts.
pub const SYSTEM_CONTRACTS: [Address; 6] =
    [IDENTITY_REGISTRY, GOVERNANCE, PERMISSIONS, CONTRACTS, RULES, ORDERS];

/// The code that the state shows at system contracts (`INVALID`), so that Solidity's check for code passes.
pub const MARKER_CODE: &[u8] = &[0xfe];

/// Whether the answer to a call may depend on who signed lately ([`crate::BlockEnv::recent_signers`]).
pub fn asks_who_signed(to: Option<Address>, input: &[u8]) -> bool {
    let retires =
        || input.starts_with(&crate::identity::abi::IIdentityRegistry::retireValidatorCall::SELECTOR);
    to == Some(GOVERNANCE) || (to == Some(IDENTITY_REGISTRY) && retires())
}

/// Whether a system contract answers at this address.
pub fn is_system(address: &Address) -> bool {
    SYSTEM_CONTRACTS.contains(address)
}

/// What system contracts and permissions charge, in gas. Consensus rules of protocol version 1.
pub mod gas {
    /// Answering at all.
    pub const BASE: u64 = 2_000;
    /// Reading a row: a cold `SLOAD` (EIP-2929).
    pub const ROW_READ: u64 = 2_100;
    /// Writing a row, or a slot that is rolled back: a cold `SSTORE` from zero (EIP-2929).
    pub const ROW_WRITE: u64 = 22_100;
    /// Parsing a certificate and checking its signature; about 60 µs.
    pub const CERTIFICATE: u64 = 40_000;
    /// Parsing an entry of a CRL.
    pub const CRL_ENTRY: u64 = 500;
    /// An event (`LOG2` with some data).
    pub const EVENT: u64 = 4_000;
    /// Telling one entry of a list.
    pub const LISTED: u64 = 100;
    /// Checking a byte of a policy's text: 8 KiB of the dearest take 16 ms, and whoever previews a proposal has them
    /// checked again and again.
    pub const POLICY_BYTE: u64 = 400;
    /// Making a set of policies, for each byte of those that are in force already: they are copied and hashed.
    pub const POLICY_KEPT_BYTE: u64 = 2;
    /// Checking a byte of a run-time rule.
    pub const LIMIT_BYTE: u64 = 100;
    /// Explaining a decision.
    pub const DECISION: u64 = 3_000;
    /// Asking whether a call or a creation out of a contract is permitted, for the first time in a transaction: the
    /// decision may have to be made anew, in some 30 µs by the catalogue. The rows that it reads come to that: the
    /// contract's, or the kind of the list of who may deploy, and those of lists that bind; and the enacted policies that
    /// it concerns. A transaction's own call or creation is asked about for those policies alone: its intrinsic gas
    /// covers the rest.
    pub const PERMISSION: u64 = 3_000;
    /// An enacted policy whose scope a question is in: some 2 µs, whatever its conditions are.
    pub const POLICY: u64 = 400;
    /// A term of its conditions: an operator, an attribute, a literal. The dearest policies of 8 KiB that were tried have
    /// 4,000 of them and take 0.6 ms.
    pub const POLICY_TERM: u64 = 20;
    /// Asking the same again in that transaction.
    pub const PERMISSION_AGAIN: u64 = 100;
    /// Making a contract, by a transaction or out of another one: writing its row. It is due where the creation
    /// begins, whatever comes of it.
    pub const CONTRACT_MADE: u64 = ROW_WRITE;
    /// Holding an event or a call against a run-time rule that watches it. A call pays where it is made, events when the
    /// transaction has run. What the rule counts costs a row read and written, once in a transaction, and a counterparty that it
    /// looks for in a list a row read, likewise.
    pub const RULE: u64 = 1_000;
    /// An address that a transaction's events name in their topics, above the first [`NAMED_FREE`]: whoever is enrolled or has
    /// code there has its row changed by that. It is due when the transaction has run, as for writing to a slot.
    pub const NAMED: u64 = 5_000;
    /// How many distinct addresses the events of a transaction name at no price of their own.
    pub const NAMED_FREE: usize = 8;
    /// What a call in the name of the committee may use, a correction's or a migration's: half of what a transaction may,
    /// so that the decision has the other half. It is the same whoever executes.
    pub const DECIDED_CALL: u32 = 1 << 23;
    /// The same for telling a governed proxy its implementation, which takes a slot and an event.
    pub const TELLING: u32 = 1 << 16;
}

/// The key of a row: a table and a key within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey {
    table: u8,
    key: Vec<u8>,
}

impl RowKey {
    pub(crate) fn new(table: u8, key: &[u8]) -> Self {
        Self { table, key: key.to_vec() }
    }

    pub(crate) fn state_key(&self) -> StateKey {
        StateKey::system(self.table, &self.key)
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}/{}", self.table, hex::encode(&self.key))
    }
}

/// Reads of system contracts' rows. It takes `&mut self` because reads are cached.
pub(crate) trait Rows {
    /// The row under a key.
    fn row(&mut self, key: &RowKey) -> Result<Option<Bytes>, ReadError>;

    /// Keccak-256 of the code at an address; `None` where there is none.
    fn code_hash(&mut self, address: Address) -> Result<Option<B256>, ReadError>;

    /// The code at an address; empty where there is none.
    fn code(&mut self, address: Address) -> Result<Bytes, ReadError>;

    /// Whether there is code at an address.
    fn has_code(&mut self, address: Address) -> Result<bool, ReadError> {
        Ok(self.code_hash(address)?.is_some())
    }

    /// The word in a contract's storage slot.
    fn word(&mut self, address: Address, slot: U256) -> Result<U256, ReadError>;

    /// A contract's row. Where each call reads it, it is kept decoded.
    fn contract(&mut self, address: Address) -> Result<Option<Arc<Contract>>, ReadError>
    where
        Self: Sized,
    {
        Ok(contracts::tables::contract(self, address)?.map(Arc::new))
    }

    /// The parameters of the block: where the state names none, they are the genesis document's.
    fn params(&self) -> Result<ChainParams, ReadError>;

    /// Whether a block is decided by what is read, so that whatever this process remembers for that is not to give way to
    /// questions about other heights.
    fn decides(&self) -> bool {
        false
    }

    /// The validators that signed lately: see [`crate::BlockEnv::recent_signers`].
    fn recent_signers(&self) -> Result<BTreeSet<ConsensusAddress>, ReadError>;
}

/// Who only looks into the state knows of no block.
pub(crate) fn params_unknown() -> ReadError {
    ReadError::Store {
        what: "the parameters of the block".into(),
        reason: "they are known where one is executed only".into(),
    }
}

/// A node that cannot know who signed lately has no verdict on a change of validators.
pub(crate) fn signers_unknown() -> ReadError {
    ReadError::Store {
        what: "the signers of the last blocks".into(),
        reason:
            "this node joined from a snapshot within the last three blocks, or only answers a question; to \
                 execute a change of validators, join from a snapshot of another height"
                .into(),
    }
}

/// A new value of a row, `None` where the row goes.
pub(crate) type Write = (RowKey, Option<Bytes>);

/// A slot of a contract, and the word that it holds from then on.
pub(crate) type SlotWrite = (Address, U256, U256);

/// What a successful call changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// New values of rows.
    pub(crate) writes: Vec<Write>,
    /// Solidity events.
    pub(crate) logs: Vec<LogData>,
    /// The same for the node.
    pub(crate) events: Vec<IdentityEvent>,
    /// New words of contracts' slots. Rollbacks alone have any.
    pub(crate) slots: Vec<SlotWrite>,
    /// Calls that follow. Where one fails, nothing of all that is changed.
    pub(crate) then: Option<Then>,
}

impl Effects {
    /// Gas for the writing.
    pub(crate) fn gas(&self) -> u64 {
        let times = |count: usize, price: u64| u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(price);
        let written = self.writes.len().saturating_add(self.slots.len());
        times(written, gas::ROW_WRITE).saturating_add(times(self.logs.len(), gas::EVENT))
    }
}

/// A call to a system contract.
#[derive(Clone, Debug)]
pub(crate) struct SystemCall {
    /// `msg.sender`.
    pub(crate) caller: Address,
    /// Whether this is the transaction itself, so that it may change rows.
    pub(crate) direct: bool,
    /// The block's height.
    pub(crate) height: u64,
    /// The block's time, Unix seconds.
    pub(crate) time_secs: u64,
    /// Call data.
    pub(crate) input: Bytes,
}

/// What a call brings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    /// ABI-encoded results.
    pub(crate) output: Bytes,
    /// What changes; views change nothing.
    pub(crate) effects: Option<Effects>,
}

/// Why a call brings nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SystemError {
    /// Refused, with an ABI-encoded error.
    Revert(Bytes),
    /// The gas does not suffice.
    OutOfGas,
    /// The state could not be read.
    State(ReadError),
}

impl From<ReadError> for SystemError {
    fn from(error: ReadError) -> Self {
        Self::State(error)
    }
}

/// Gas that a call has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GasMeter {
    left: u64,
}

impl GasMeter {
    pub(crate) const fn new(limit: u64) -> Self {
        Self { left: limit }
    }

    pub(crate) const fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn charge(&mut self, amount: u64) -> Result<(), SystemError> {
        self.left = self.left.checked_sub(amount).ok_or(SystemError::OutOfGas)?;
        Ok(())
    }

    pub(crate) fn charge_each(&mut self, count: usize, price: u64) -> Result<(), SystemError> {
        self.charge(u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(price))
    }
}

/// A contract implemented by the chain itself.
pub(crate) trait SystemContract {
    /// Where it answers.
    const ADDRESS: Address;

    /// Answers a call. Must charge for work before doing it.
    fn call(call: &SystemCall, rows: &mut impl Rows, gas: &mut GasMeter) -> Result<Reply, SystemError>;
}
