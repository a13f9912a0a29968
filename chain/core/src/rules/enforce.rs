//! Holds what a transaction did against the rules, after it ran and before its changes are kept.
//!
//! Events stand in the journal's logs, in their order; those of frames that reverted are gone. Calls that a rule watches
//! stand among them as marks ([`mark`]), which revm undoes with their frames like any log: so there is one order of
//! events and calls, and no list of ours that has to agree with revm's. Marks carry the address of the rules' contract,
//! which itself never logs, and are taken out here. They are made only where this follows ([`Bound`]).

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::LogData;
use alloy_sol_types::{SolError as _, SolEvent as _};
use concordat_types::{Address, Bytes, Log, OrgId, ReadError, receipt::MAX_OUTPUT_BYTES};

use super::{
    abi::IRules as abi,
    decide::{Act, Code, Counters, Decision, counterparty, decide},
    force::LimitSet,
    limit::{Effect, Limit, LimitId, MAX_WORD, Per, Watched},
    tables::{self, Counted, EnactedLimit},
    window::Window,
};
use crate::{
    evm::{Run, RunStatus},
    identity::tables::identity_of,
    permissions::Sender,
    system::{GasMeter, RULES, RowKey, Rows, SystemError, Write, gas, is_system},
};

/// The longest error: its selector, four words, the length of the id and the id.
const MAX_VIOLATION_BYTES: usize = 4 + 32 * 7;
const _: () = assert!(MAX_VIOLATION_BYTES <= MAX_OUTPUT_BYTES, "a receipt keeps a whole violation");

/// The most of a call's input that a rule looks at.
const MAX_INPUT_BYTES: usize = 4 + 32 * (MAX_WORD as usize + 1);

/// Whom a transaction binds to the rules, and which rules there are.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    limits: Arc<LimitSet>,
    account: Address,
    organisation: Arc<OrgId>,
    time_secs: u64,
    /// A contract whose acts no rule is held against.
    spared: Option<Address>,
}

/// A call that a rule watches.
#[derive(Debug)]
pub(crate) struct SeenCall {
    mark: Log,
    /// Gas for holding it against those rules.
    pub(crate) price: u64,
}

impl SeenCall {
    /// What stands for it among the journal's logs.
    pub(crate) fn into_mark(self) -> Log {
        self.mark
    }
}

impl Bound {
    /// `None` where there are no rules, so that nothing is watched.
    pub(crate) fn new(limits: Arc<LimitSet>, sender: &Sender, time_secs: u64) -> Option<Self> {
        let Sender { account, organisation, .. } = sender;
        let (account, organisation) = (*account, organisation.clone());
        (!limits.is_empty()).then_some(Self { limits, account, organisation, time_secs, spared: None })
    }

    /// The same, where a contract's acts are the committee's.
    pub(crate) fn sparing(self, contract: Address) -> Self {
        Self { spared: Some(contract), ..self }
    }

    /// The rules that watch a contract's acts.
    fn watching(&self, watched: Watched, contract: Address) -> impl Iterator<Item = &EnactedLimit> {
        let watching = (self.spared != Some(contract)).then(|| self.limits.watching(watched, contract));
        watching.into_iter().flatten()
    }

    /// A call, if a rule watches it.
    pub(crate) fn see(&self, contract: Address, input: &[u8]) -> Option<SeenCall> {
        let selector = *input.first_chunk::<4>()?;
        let watching = self.watching(Watched::Method(selector), contract).count();
        if watching == 0 {
            return None;
        }
        let price = u64::try_from(watching).unwrap_or(u64::MAX).saturating_mul(gas::RULE);
        Some(SeenCall { mark: mark(contract, input), price })
    }

    /// Whose counters a rule keeps.
    fn party(&self, per: Per) -> &[u8] {
        party(per, &self.account, &self.organisation)
    }
}

/// The key of a party's counters.
pub(super) fn party<'a>(per: Per, account: &'a Address, organisation: &'a OrgId) -> &'a [u8] {
    match per {
        Per::Account => account.as_slice(),
        Per::Organisation => organisation.as_str().as_bytes(),
    }
}

/// What stands for a call among the journal's logs: the contract, and as much of the input as rules look at.
fn mark(contract: Address, input: &[u8]) -> Log {
    let seen = input.get(..MAX_INPUT_BYTES).unwrap_or(input);
    let data = LogData::new_unchecked(vec![contract.into_word()], Bytes::copy_from_slice(seen));
    Log { address: RULES, data }
}

/// Whether a log is a mark.
pub(crate) fn is_mark(log: &Log) -> bool {
    log.address == RULES
}

/// The act behind a log, and what watches it. System contracts' own are none.
fn act(log: &Log) -> Option<(Act<'_>, Watched)> {
    if is_mark(log) {
        let contract = Address::from_word(*log.topics().first()?);
        let input = &log.data.data;
        return Some((Act::Call { contract, input }, Watched::Method(*input.first_chunk()?)));
    }
    if is_system(&log.address) {
        return None;
    }
    Some((Act::Event(log), Watched::Event(*log.topics().first()?)))
}

/// How a rule was violated.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Violation {
    id: LimitId,
    proposal: u64,
    code: Code,
    contract: Address,
}

impl Violation {
    /// The Solidity error `RuleViolated`.
    fn error(&self) -> Bytes {
        let Self { id, proposal, code, contract } = self;
        let (id, code) = (id.to_string(), code.code());
        abi::RuleViolated { id, proposal: *proposal, code, subject: *contract }.abi_encode().into()
    }

    /// The event `Alert`.
    fn alert(&self, bound: &Bound) -> Log {
        let id = self.id.to_string();
        let alert = abi::Alert {
            id: alloy_primitives::keccak256(&id),
            account: bound.account,
            rule: id,
            organisation: bound.organisation.to_string(),
            contractAddress: self.contract,
            code: self.code.code(),
            proposal: self.proposal,
        };
        Log { address: RULES, data: alert.encode_log_data() }
    }
}

/// Why a transaction does not stand.
enum Stop {
    Violated(Violation),
    System(SystemError),
}

impl From<SystemError> for Stop {
    fn from(error: SystemError) -> Self {
        Self::System(error)
    }
}

/// Judges a run that may have succeeded, with what its gas limit has left. If a rule that reverts is violated, or the
/// gas does not suffice, `run` becomes one of which nothing stands. The rows to write are returned otherwise.
pub(crate) fn enforce(
    bound: &Bound,
    rows: &mut impl Rows,
    gas_limit: u64,
    run: &mut Run,
) -> Result<Vec<Write>, ReadError> {
    if run.status != RunStatus::Success {
        return Ok(Vec::new());
    }
    let meter = GasMeter::new(gas_limit.saturating_sub(run.gas_used));
    let (counters, identities) = (BTreeMap::new(), BTreeMap::new());
    let mut bench = Bench { bound, rows, meter, counters, identities, alerts: Vec::new() };
    let judged = bench.judge(&run.logs);
    let Bench { meter, counters, alerts, .. } = bench;
    let gas_used = gas_limit.saturating_sub(meter.left());
    match judged {
        Ok(()) => {
            run.gas_used = gas_used;
            run.logs.retain(|log| !is_mark(log));
            run.logs.extend(alerts.iter().map(|violation| violation.alert(bound)));
            Ok(counters.into_iter().map(|(key, window)| (key, window.encode())).collect())
        }
        Err(Stop::Violated(violation)) => {
            let (output, logs) = (violation.error(), vec![violation.alert(bound)]);
            *run = Run { status: RunStatus::Violated, gas_used, output, logs, created: None };
            Ok(Vec::new())
        }
        Err(Stop::System(SystemError::State(error))) => Err(error),
        Err(Stop::System(_)) => {
            run.starve(gas_limit);
            Ok(Vec::new())
        }
    }
}

/// Where a transaction is judged.
struct Bench<'a, R> {
    bound: &'a Bound,
    rows: &'a mut R,
    meter: GasMeter,
    /// What this transaction has counted, over the rows.
    counters: BTreeMap<RowKey, Window>,
    /// The identities of counterparties.
    identities: BTreeMap<Address, Address>,
    /// The first violation of each rule that only alerts.
    alerts: Vec<Violation>,
}

impl<R: Rows> Bench<'_, R> {
    fn judge(&mut self, logs: &[Log]) -> Result<(), Stop> {
        let bound = self.bound;
        for (act, watched) in logs.iter().filter_map(act) {
            for enacted in bound.watching(watched, act.contract()) {
                // Calls were charged for where they were made.
                if matches!(watched, Watched::Event(_)) {
                    self.meter.charge(gas::RULE)?;
                }
                if enacted.limit.binds.binds(bound.account, &bound.organisation) {
                    self.hold(enacted, &act)?;
                }
            }
        }
        Ok(())
    }

    /// Holds an act against a rule.
    fn hold(&mut self, enacted: &EnactedLimit, act: &Act<'_>) -> Result<(), Stop> {
        let EnactedLimit { limit, proposal } = enacted;
        let [total, count] = self.keys(limit, *proposal);
        let before = Counters { total: self.counter(total.as_ref())?, count: self.counter(count.as_ref())? };
        let identity = counterparty(limit, act).map(|account| self.identity(account)).transpose()?;
        let Decision { violation, counters } = decide(limit, act, identity, self.bound.time_secs, before);
        if let Some(code) = violation {
            let (id, contract) = (limit.id.clone(), act.contract());
            let violation = Violation { id, proposal: *proposal, code, contract };
            match limit.effect {
                Effect::Revert => return Err(Stop::Violated(violation)),
                Effect::Alert => self.raise(violation)?,
            }
        }
        self.counters.extend(total.map(|key| (key, counters.total)));
        self.counters.extend(count.map(|key| (key, counters.count)));
        Ok(())
    }

    fn raise(&mut self, violation: Violation) -> Result<(), SystemError> {
        if self.alerts.iter().any(|other| other.id == violation.id) {
            return Ok(());
        }
        self.meter.charge(gas::EVENT)?;
        self.alerts.push(violation);
        Ok(())
    }

    /// The keys of the counters of the sender that a rule keeps.
    fn keys(&self, limit: &Limit, proposal: u64) -> [Option<RowKey>; 2] {
        let key = |counted, per| tables::counter_key(proposal, counted, self.bound.party(per));
        [
            limit.total.map(|total| key(Counted::Total, total.per)),
            limit.count.map(|count| key(Counted::Count, count.per)),
        ]
    }

    /// What stands under a key; its row is read, and paid for with its writing, once.
    fn counter(&mut self, key: Option<&RowKey>) -> Result<Window, SystemError> {
        let Some(key) = key else { return Ok(Window::default()) };
        if let Some(window) = self.counters.get(key) {
            return Ok(window.clone());
        }
        self.meter.charge(gas::ROW_READ.saturating_add(gas::ROW_WRITE))?;
        Ok(tables::counter(self.rows, key)?)
    }

    /// The identity of a counterparty; its row is read, and paid for, once. A key that was recovered is no way around a
    /// list that names the one before it.
    fn identity(&mut self, account: Address) -> Result<Address, SystemError> {
        if let Some(identity) = self.identities.get(&account) {
            return Ok(*identity);
        }
        self.meter.charge(gas::ROW_READ)?;
        let identity = identity_of(self.rows, account)?;
        self.identities.insert(account, identity);
        Ok(identity)
    }
}
