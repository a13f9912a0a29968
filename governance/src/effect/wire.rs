//! The canonical bytes of effects.
//!
//! `[version, kind, action, [[what, key, before, after], …], quorum]`, RLP, where `before` and `after` are the RLP
//! of a record or empty, and `quorum` lists six numbers or none.

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};

use super::{Change, Effect, End, Freeze, Seat};
use crate::{
    Kind, Rule,
    action::{Basis, Scope, is_policy_id},
    facts::{Membership, OrganisationFacts, ValidatorFacts},
    quorum::Quorum,
    wire,
};

/// Version of the encoding.
const VERSION: u8 = 1;

// What changes. The numbers never change meaning.
const ORGANISATION: u8 = 1;
const VALIDATOR: u8 = 2;
const SEAT: u8 = 3;
const RULE: u8 = 4;
const FREEZE: u8 = 5;
const POLICY: u8 = 6;
const LIMIT: u8 = 8;

#[derive(RlpEncodable, RlpDecodable)]
struct EffectRow {
    version: u8,
    kind: u8,
    action: B256,
    changes: Vec<ChangeRow>,
    quorum: Vec<u64>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct ChangeRow {
    what: u8,
    key: Bytes,
    before: Bytes,
    after: Bytes,
}

pub(super) fn encode(effect: &Effect) -> Vec<u8> {
    let numbers = |quorum: &Quorum| [quorum.validators, quorum.total, quorum.need];
    wire::encode(&EffectRow {
        version: VERSION,
        kind: effect.kind.code(),
        action: effect.action,
        changes: effect.changes.iter().map(change_row).collect(),
        quorum: effect.quorum.iter().flatten().flat_map(numbers).collect(),
    })
}

pub(super) fn decode(bytes: &[u8]) -> Option<Effect> {
    let row: EffectRow = wire::decode(bytes)?;
    let changes = row.changes.iter().map(change).collect::<Option<_>>()?;
    let quorum = match *row.quorum.as_slice() {
        [] => None,
        [validators, total, need, v, t, n] => {
            Some([Quorum { validators, total, need }, Quorum { validators: v, total: t, need: n }])
        }
        _ => return None,
    };
    let effect = Effect { kind: Kind::from_code(row.kind)?, action: row.action, changes, quorum };
    // One form only.
    (row.version == VERSION && encode(&effect) == bytes).then_some(effect)
}

fn change_row(change: &Change) -> ChangeRow {
    let row = |what, key: &[u8], before: Vec<u8>, after: Vec<u8>| ChangeRow {
        what,
        key: Bytes::copy_from_slice(key),
        before: before.into(),
        after: after.into(),
    };
    match change {
        Change::Organisation { id, before, after } => row(
            ORGANISATION,
            id.as_str().as_bytes(),
            maybe(before, organisation_row),
            maybe(after, organisation_row),
        ),
        Change::Validator { consensus_key, before, after } => row(
            VALIDATOR,
            consensus_key.as_slice(),
            maybe(before, validator_row),
            maybe(after, validator_row),
        ),
        Change::Seat { member, before, after } => {
            row(SEAT, member.as_slice(), maybe(before, seat_row), maybe(after, seat_row))
        }
        Change::Rule { kind, before, after } => row(RULE, &[kind.code()], before.encode(), after.encode()),
        Change::Freeze { account, before, after } => {
            row(FREEZE, account.as_slice(), maybe(before, freeze_row), maybe(after, freeze_row))
        }
        Change::Policy { id, before, after } => {
            let text = |text: &String| policy_row(text);
            row(POLICY, id.as_bytes(), maybe(before, text), maybe(after, text))
        }
        Change::Limit { id, before, after } => {
            row(LIMIT, id.as_bytes(), maybe(before, limit_row), maybe(after, limit_row))
        }
    }
}

fn maybe<T, R: alloy_rlp::Encodable>(value: &Option<T>, row: impl Fn(&T) -> R) -> Vec<u8> {
    value.as_ref().map(|value| wire::encode(&row(value))).unwrap_or_default()
}

fn change(row: &ChangeRow) -> Option<Change> {
    let ChangeRow { what, key, before, after } = row;
    Some(match *what {
        ORGANISATION => Change::Organisation {
            id: wire::org(std::str::from_utf8(key).ok()?)?,
            before: read(before, organisation)?,
            after: read(after, organisation)?,
        },
        VALIDATOR => Change::Validator {
            consensus_key: B256::try_from(key.as_ref()).ok()?,
            before: read(before, validator)?,
            after: read(after, validator)?,
        },
        SEAT => Change::Seat {
            member: Address::try_from(key.as_ref()).ok()?,
            before: read(before, seat)?,
            after: read(after, seat)?,
        },
        RULE => {
            let [code] = *key.as_ref() else { return None };
            let (before, after) = (Rule::decode(before)?, Rule::decode(after)?);
            Change::Rule { kind: Kind::from_code(code)?, before, after }
        }
        FREEZE => Change::Freeze {
            account: Address::try_from(key.as_ref()).ok()?,
            before: read(before, freeze)?,
            after: read(after, freeze)?,
        },
        POLICY => Change::Policy {
            id: std::str::from_utf8(key).ok().filter(|id| is_policy_id(id))?.to_owned(),
            before: read(before, policy)?,
            after: read(after, policy)?,
        },
        LIMIT => Change::Limit {
            id: std::str::from_utf8(key).ok().filter(|id| is_policy_id(id))?.to_owned(),
            before: read(before, limit)?,
            after: read(after, limit)?,
        },
        _ => return None,
    })
}

/// `None` for bytes that are no record; `Some(None)` where there is none.
fn read<R: alloy_rlp::Decodable, T>(bytes: &[u8], from: impl Fn(R) -> Option<T>) -> Option<Option<T>> {
    if bytes.is_empty() {
        return Some(None);
    }
    from(wire::decode(bytes)?).map(Some)
}

#[derive(RlpEncodable, RlpDecodable)]
struct OrganisationRow {
    name: String,
    membership: u8,
    roles: Bytes,
    roots: Vec<B256>,
}

fn organisation_row(facts: &OrganisationFacts) -> OrganisationRow {
    let OrganisationFacts { name, membership, roles, roots } = facts;
    let (membership, roles) = (*membership as u8, wire::role_codes(roles));
    OrganisationRow { name: name.clone(), membership, roles, roots: roots.clone() }
}

fn organisation(row: OrganisationRow) -> Option<OrganisationFacts> {
    let membership = [Membership::Suspended, Membership::Active, Membership::Expelled]
        .into_iter()
        .find(|membership| *membership as u8 == row.membership)?;
    Some(OrganisationFacts { name: row.name, membership, roles: wire::roles(&row.roles)?, roots: row.roots })
}

#[derive(RlpEncodable, RlpDecodable)]
struct ValidatorRow {
    organisation: String,
    consensus_key: B256,
    power: u64,
    node_key: B256,
    node_address: String,
}

fn validator_row(facts: &ValidatorFacts) -> ValidatorRow {
    ValidatorRow {
        organisation: facts.organisation.to_string(),
        consensus_key: facts.consensus_key,
        power: facts.power,
        node_key: facts.node_key,
        node_address: facts.node_address.clone(),
    }
}

fn validator(row: ValidatorRow) -> Option<ValidatorFacts> {
    let ValidatorRow { organisation, consensus_key, power, node_key, node_address } = row;
    let organisation = wire::org(&organisation)?;
    Some(ValidatorFacts { organisation, consensus_key, power, node_key, node_address })
}

#[derive(RlpEncodable, RlpDecodable)]
struct SeatRow {
    organisation: String,
    weight: u64,
}

fn seat_row(seat: &Seat) -> SeatRow {
    SeatRow { organisation: seat.organisation.to_string(), weight: seat.weight }
}

fn seat(row: SeatRow) -> Option<Seat> {
    Some(Seat { organisation: wire::org(&row.organisation)?, weight: row.weight })
}

#[derive(RlpEncodable, RlpDecodable)]
struct FreezeRow {
    scope: u8,
    basis: Basis,
    end: u8,
    height: u64,
    emergency: bool,
}

fn freeze_row(freeze: &Freeze) -> FreezeRow {
    let (end, height) = match freeze.end {
        End::Never => (0, 0),
        End::At(height) => (1, height),
        End::After(blocks) => (2, blocks),
    };
    let Freeze { scope, basis, emergency, .. } = freeze;
    FreezeRow { scope: scope.code(), basis: basis.clone(), end, height, emergency: *emergency }
}

fn freeze(row: FreezeRow) -> Option<Freeze> {
    let FreezeRow { scope, basis, end, height, emergency } = row;
    let end = match end {
        0 => End::Never,
        1 => End::At(height),
        2 => End::After(height),
        _ => return None,
    };
    Some(Freeze { scope: Scope::from_code(scope)?, basis, end, emergency })
}

#[derive(RlpEncodable, RlpDecodable)]
struct PolicyRow {
    text: String,
}

fn policy_row(text: &str) -> PolicyRow {
    PolicyRow { text: text.to_owned() }
}

fn policy(row: PolicyRow) -> Option<String> {
    Some(row.text)
}

#[derive(RlpEncodable, RlpDecodable)]
struct LimitRow {
    limit: Bytes,
}

fn limit_row(limit: &Bytes) -> LimitRow {
    LimitRow { limit: limit.clone() }
}

fn limit(row: LimitRow) -> Option<Bytes> {
    Some(row.limit)
}
