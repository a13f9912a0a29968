//! The canonical bytes of orders.
//!
//! `[id, measure, contract, target, basis, until, issuer, organisation, issued, lapses, before, confirmed, ended]`, RLP.
//! The contract is empty where the measure names none; the target is `[kind, bytes]`; the last two list one mark or end
//! each, or none. A mark is `[by, bytes, height]`, an end `[how, mark, basis]`.

use alloy_primitives::{Address, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::OrgId;

use super::{By, Ended, How, Mark, Measure, Order, Target, Terms};
use crate::{action::Basis, wire};

// The numbers are part of the state and never change meaning.
const ACCOUNT: u8 = 1;
const CONTRACT: u8 = 2;
const ORGANISATION: u8 = 3;
const IDENTITY: u8 = 1;
const PROPOSAL: u8 = 2;
const LATER_ORDER: u8 = 3;

/// Version of what a digest is of.
const VERSION: u8 = 1;

#[derive(RlpEncodable, RlpDecodable)]
struct TargetRow {
    kind: u8,
    bytes: Bytes,
}

#[derive(RlpEncodable, RlpDecodable)]
struct TermsRow {
    measure: u8,
    contract: Bytes,
    target: TargetRow,
    basis: Basis,
    until: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct MarkRow {
    by: u8,
    bytes: Bytes,
    height: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct EndedRow {
    how: u8,
    mark: MarkRow,
    basis: Basis,
}

#[derive(RlpEncodable, RlpDecodable)]
struct OrderRow {
    id: u64,
    terms: TermsRow,
    issuer: Address,
    organisation: OrgId,
    issued: u64,
    lapses: u64,
    before: u64,
    confirmed: Vec<MarkRow>,
    ended: Vec<EndedRow>,
}

#[derive(RlpEncodable)]
struct ImposedRow {
    version: u8,
    id: u64,
    terms: TermsRow,
    issuer: Address,
    organisation: OrgId,
    issued: u64,
    lapses: u64,
}

/// What a digest is of.
pub(super) fn imposed(order: &Order) -> Vec<u8> {
    let Order { id, terms, issuer, organisation, issued, lapses, .. } = order;
    wire::encode(&ImposedRow {
        version: VERSION,
        id: *id,
        terms: terms.into(),
        issuer: *issuer,
        organisation: organisation.clone(),
        issued: *issued,
        lapses: *lapses,
    })
}

pub(super) fn encode(order: &Order) -> Vec<u8> {
    let Order { id, terms, issuer, organisation, issued, lapses, before, confirmed, ended } = order;
    wire::encode(&OrderRow {
        id: *id,
        terms: terms.into(),
        issuer: *issuer,
        organisation: organisation.clone(),
        issued: *issued,
        lapses: *lapses,
        before: *before,
        confirmed: confirmed.iter().map(MarkRow::from).collect(),
        ended: ended.iter().map(EndedRow::from).collect(),
    })
}

pub(super) fn decode(bytes: &[u8]) -> Option<Order> {
    let OrderRow { id, terms, issuer, organisation, issued, lapses, before, confirmed, ended } =
        wire::decode(bytes)?;
    let confirmed = at_most_one(confirmed)?.map(MarkRow::mark);
    let ended = at_most_one(ended)?.map(EndedRow::ended);
    let order = Order {
        id,
        terms: terms.terms()?,
        issuer,
        organisation,
        issued,
        lapses,
        before,
        confirmed: transposed(confirmed)?,
        ended: transposed(ended)?,
    };
    // One form only.
    (encode(&order) == bytes).then_some(order)
}

/// `Some(None)` for none, `None` for several.
fn at_most_one<T>(list: Vec<T>) -> Option<Option<T>> {
    let mut list = list.into_iter();
    let first = list.next();
    list.next().is_none().then_some(first)
}

/// `None` where there is something that is nothing known.
fn transposed<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

impl From<&Terms> for TermsRow {
    fn from(terms: &Terms) -> Self {
        let Terms { measure, target, basis, until } = terms;
        let contract = measure.contract().map(|contract| Bytes::copy_from_slice(contract.as_slice()));
        let (kind, bytes) = match target {
            Target::Account(account) => (ACCOUNT, account.as_slice()),
            Target::Contract(contract) => (CONTRACT, contract.as_slice()),
            Target::Organisation(id) => (ORGANISATION, id.as_str().as_bytes()),
        };
        let target = TargetRow { kind, bytes: Bytes::copy_from_slice(bytes) };
        let contract = contract.unwrap_or_default();
        Self { measure: measure.code(), contract, target, basis: basis.clone(), until: *until }
    }
}

impl TermsRow {
    fn terms(self) -> Option<Terms> {
        let Self { measure, contract, target: TargetRow { kind, bytes }, basis, until } = self;
        let contract = if contract.is_empty() { None } else { Some(Address::try_from(&contract[..]).ok()?) };
        let address = || Address::try_from(&bytes[..]).ok();
        let target = match kind {
            ACCOUNT => Target::Account(address()?),
            CONTRACT => Target::Contract(address()?),
            ORGANISATION => Target::Organisation(str::from_utf8(&bytes).ok()?.parse().ok()?),
            _ => return None,
        };
        let terms = Terms { measure: Measure::from_code(measure, contract)?, target, basis, until };
        terms.is_of_one_kind().then_some(terms)
    }
}

impl From<&Mark> for MarkRow {
    fn from(mark: &Mark) -> Self {
        let (by, bytes) = match mark.by {
            By::Identity(identity) => (IDENTITY, identity.to_vec()),
            By::Proposal(id) => (PROPOSAL, id.to_be_bytes().to_vec()),
            By::Order(id) => (LATER_ORDER, id.to_be_bytes().to_vec()),
        };
        Self { by, bytes: bytes.into(), height: mark.height }
    }
}

impl MarkRow {
    fn mark(self) -> Option<Mark> {
        let number = || <[u8; 8]>::try_from(&self.bytes[..]).ok().map(u64::from_be_bytes);
        let by = match self.by {
            IDENTITY => By::Identity(Address::try_from(&self.bytes[..]).ok()?),
            PROPOSAL => By::Proposal(number()?),
            LATER_ORDER => By::Order(number()?),
            _ => return None,
        };
        Some(Mark { by, height: self.height })
    }
}

impl From<&Ended> for EndedRow {
    fn from(ended: &Ended) -> Self {
        Self { how: ended.how as u8, mark: (&ended.mark).into(), basis: ended.basis.clone() }
    }
}

impl EndedRow {
    fn ended(self) -> Option<Ended> {
        let known = [How::Released, How::Superseded, How::Answered];
        let how = known.into_iter().find(|how| *how as u8 == self.how)?;
        Some(Ended { how, mark: self.mark.mark()?, basis: self.basis })
    }
}

wire::by_row!(Terms, TermsRow, TermsRow::terms);
