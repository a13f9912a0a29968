//! Who had a part in a block: noted while it executes, and put into the state at its end.
//!
//! Receipts tell most of it: the sender, whom a transaction called or made, who emitted logs and whom they name. What
//! revm's state tells besides is whose storage was changed. At the end of the block each of those that has code or is
//! enrolled then, and each sender, is a subject, and so is the organisation of each account among them
//! ([`concordat_types::activity`], docs/regulator.md).
//!
//! | Key | Value |
//! |---|---|
//! | row `60` | the history's peaks |
//! | row `60`, organisation id | the height of the block in which it was active last, 8 bytes |
//! | `account(address)` | holds the same of the account or contract |
//!
//! A block without transactions changes nothing of this.

use std::{collections::BTreeMap, sync::Arc};

use concordat_types::{
    Address, B256, Bytes, OrgId, ReadError, Receipt, StateReader, VerifiedTx,
    activity::{
        Activity, BlockActivity, BlockHistory, BlockRecord, Part, Peaks, Subject, TABLE, merkle, roles,
    },
};
use revm::state::EvmState;

use crate::{
    access::SlotAccess,
    account::{AccountState, corrupt},
    error::ExecError,
    evm::{Run, RunStatus},
    overlay::Overlay,
    system::{RowKey, Rows as _, gas},
};

/// The height of the block in which a subject was active last, as the value under its key says; zero where it was in
/// none.
///
/// # Errors
/// [`ReadError::Store`] for bytes that nobody wrote.
pub fn last_active(subject: &Subject, value: Option<&[u8]>) -> Result<u64, ReadError> {
    let Some(bytes) = value else { return Ok(0) };
    let height = match subject {
        Subject::Address(_) => AccountState::decode(bytes).map(|account| account.last_active),
        Subject::Organisation(_) => decode_height(bytes),
    };
    height.ok_or_else(|| corrupt(format!("the row of {subject}")))
}

fn decode_height(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The parts that addresses had in a block's transactions so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted(Vec<(Address, Part)>);

impl Noted {
    /// Notes a transaction with the contracts whose storage it changed.
    pub(crate) fn note(&mut self, index: usize, tx: &VerifiedTx, receipt: &Receipt, changed: Vec<Address>) {
        // Blocks are far smaller than that.
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let mut note = |address: Address, roles: u8| self.0.push((address, Part { index, roles }));
        note(receipt.sender, roles::SENDER);
        tx.kind().to().copied().into_iter().for_each(|address| note(address, roles::CALLED));
        receipt.contract_address.into_iter().for_each(|address| note(address, roles::CALLED));
        changed.into_iter().for_each(|address| note(address, roles::CHANGED));
        for log in &receipt.logs {
            note(log.address, roles::EMITTED);
            log.topics().iter().filter_map(address_in).for_each(|address| note(address, roles::NAMED));
        }
    }

    /// The parts of each address in the order of transactions, what it was to the same one put together.
    fn by_address(mut self) -> Vec<(Address, Vec<Part>)> {
        self.0.sort_unstable_by_key(|(address, part)| (*address, part.index));
        let groups = self.0.chunk_by(|(one, _), (next, _)| one == next);
        groups
            .filter_map(|group| Some((group.first()?.0, merged(group.iter().map(|(_, part)| *part)))))
            .collect()
    }
}

/// Parts in the order of transactions, those in the same one put together.
fn merged(parts: impl Iterator<Item = Part>) -> Vec<Part> {
    let mut merged: Vec<Part> = Vec::new();
    for part in parts {
        match merged.last_mut().filter(|last| last.index == part.index) {
            Some(last) => last.roles |= part.roles,
            None => merged.push(part),
        }
    }
    merged
}

/// The address that a topic may be. Zero is nobody: tokens name it where they are made and destroyed.
fn address_in(topic: &B256) -> Option<Address> {
    let address = Address::from_word(*topic);
    (address.into_word() == *topic && !address.is_zero()).then_some(address)
}

/// Has a run that succeeded pay for the addresses that its events name, each of which may change a row. If its gas limit
/// does not suffice, nothing of it stands.
pub(crate) fn charge(gas_limit: u64, run: &mut Run) {
    if run.status != RunStatus::Success {
        return;
    }
    let mut named: Vec<Address> =
        run.logs.iter().flat_map(|log| log.topics().iter().filter_map(address_in)).collect();
    // Hardly a transaction names as many, even counting twice.
    if named.len() <= gas::NAMED_FREE {
        return;
    }
    named.sort_unstable();
    named.dedup();
    let paid = u64::try_from(named.len().saturating_sub(gas::NAMED_FREE)).unwrap_or(u64::MAX);
    run.gas_used = run.gas_used.saturating_add(paid.saturating_mul(gas::NAMED));
    if run.gas_used > gas_limit {
        run.starve(gas_limit);
    }
}

/// The contracts whose storage a transaction changed, from what revm leaves behind it.
pub(crate) fn changed(state: &EvmState) -> Vec<Address> {
    let changed = state.iter().filter(|(_, account)| {
        !account.is_selfdestructed() && account.storage.values().any(|word| word.is_changed())
    });
    changed.map(|(address, _)| *address).collect()
}

/// The contracts whose slots a rollback has written.
pub(crate) fn restored(slots: &[SlotAccess]) -> impl Iterator<Item = Address> {
    slots.iter().map(|slot| slot.contract)
}

/// Puts a block's activity into the state. `None` where it has no transactions.
pub(crate) fn close<R: StateReader>(
    noted: Noted,
    overlay: &mut Overlay<R>,
    (height, time_secs): (u64, u64),
    (receipts, results_hash): (usize, B256),
) -> Result<Option<BlockHistory>, ExecError> {
    if receipts == 0 {
        return Ok(None);
    }
    let activities = activities(noted, overlay, height)?;
    let leaves = activities.iter().map(Activity::leaf).collect();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let record = BlockRecord {
        height,
        time_secs,
        transactions: count(receipts),
        results_hash,
        subjects: count(activities.len()),
        activity_root: merkle::root(leaves),
    };
    let mut peaks = peaks(overlay)?;
    let place = peaks.count();
    let nodes = peaks.append(record.leaf());
    overlay.write_rows(vec![(peaks_key(), Some(peaks.encode().into()))])?;
    Ok(Some(BlockHistory { activity: BlockActivity { place, record, activities }, nodes }))
}

/// The activities of all subjects in their order, each linked to the one before, which is replaced in the state.
fn activities<R: StateReader>(
    noted: Noted,
    overlay: &mut Overlay<R>,
    height: u64,
) -> Result<Vec<Activity>, ReadError> {
    let (mut activities, mut organisations) = (Vec::new(), BTreeMap::<Arc<OrgId>, Vec<Part>>::new());
    for (address, parts) in noted.by_address() {
        let has_code = overlay.has_code(address)?;
        let organisation = if has_code { None } else { overlay.organisation_of(address)? };
        let sent = || parts.iter().any(|part| part.roles & roles::SENDER != 0);
        if !has_code && organisation.is_none() && !sent() {
            continue;
        }
        if let Some(organisation) = organisation {
            organisations.entry(organisation).or_default().extend_from_slice(&parts);
        }
        let previous = overlay.mark_active(address, height)?;
        activities.push(Activity { subject: Subject::Address(address), previous, parts });
    }
    for (organisation, mut parts) in organisations {
        parts.sort_unstable_by_key(|part| part.index);
        let key = RowKey::new(TABLE, organisation.as_str().as_bytes());
        let previous = match overlay.row(&key)? {
            None => 0,
            Some(row) => decode_height(&row).ok_or_else(|| corrupt(format!("the row of {organisation}")))?,
        };
        overlay.write_rows(vec![(key, Some(Bytes::copy_from_slice(&height.to_be_bytes())))])?;
        let subject = Subject::Organisation(organisation.as_ref().clone());
        activities.push(Activity { subject, previous, parts: merged(parts.into_iter()) });
    }
    Ok(activities)
}

fn peaks_key() -> RowKey {
    RowKey::new(TABLE, &[])
}

fn peaks<R: StateReader>(overlay: &mut Overlay<R>) -> Result<Peaks, ReadError> {
    match overlay.row(&peaks_key())? {
        None => Ok(Peaks::default()),
        Some(row) => Peaks::decode(&row).ok_or_else(|| corrupt("the history's peaks")),
    }
}
