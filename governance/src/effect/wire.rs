//! The canonical bytes of effects.
//!
//! `[version, kind, action, [[what, key, before, after], …], quorum]`, RLP, where `before` and `after` are the RLP
//! of a record or empty, and `quorum` lists six numbers or none.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::Role;

use super::{Change, Effect, End, Freeze, Halt, Listed, Seat};
use crate::{
    Kind, Rule,
    action::{Attributes, BarTarget, Basis, Correction, ListKind, Reversed, Scope, is_policy_id},
    facts::{Attested, Implementation, KeyFacts, Membership, OrganisationFacts, Upgrade, ValidatorFacts},
    quorum::Quorum,
    regulator::{MandateRow, RegulatorFacts},
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
const DEPLOY_LIST: u8 = 7;
const CONTRACT_HALT: u8 = 8;
const CONTRACT_ADMINISTRATOR: u8 = 9;
const IDENTITY: u8 = 20;
const BAR: u8 = 21;
const REGULATOR: u8 = 16;
const LIMIT: u8 = 10;
const ATTRIBUTES: u8 = 11;
const APPROVAL: u8 = 12;
const APPROVAL_RULE: u8 = 13;
const PARAMETERS: u8 = 32;
const PROTOCOL: u8 = 33;
const SLOT: u8 = 30;
const ROLL_BACK: u8 = 31;
const IMPLEMENTATION: u8 = 34;
const CORRECTION: u8 = 35;
const CODE: u8 = 36;
const MIGRATION: u8 = 37;

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
        Change::Identity { identity, before, after } => {
            row(IDENTITY, identity.as_slice(), wire::encode(&key_row(before)), wire::encode(&key_row(after)))
        }
        Change::Bar { target, before, after } => {
            row(BAR, target.as_bytes(), maybe(before, Basis::clone), maybe(after, Basis::clone))
        }
        Change::Regulator { identity, before, after } => {
            row(REGULATOR, identity.as_slice(), maybe(before, regulator_row), maybe(after, regulator_row))
        }
        Change::Policy { id, before, after } => {
            let text = |text: &String| policy_row(text);
            row(POLICY, id.as_bytes(), maybe(before, text), maybe(after, text))
        }
        Change::DeployList { before, after } => {
            row(DEPLOY_LIST, &[], wire::encode(&listed_row(before)), wire::encode(&listed_row(after)))
        }
        Change::ContractHalt { contract, before, after } => {
            row(CONTRACT_HALT, contract.as_slice(), maybe(before, halt_row), maybe(after, halt_row))
        }
        Change::ContractAdministrator { contract, before, after } => row(
            CONTRACT_ADMINISTRATOR,
            contract.as_slice(),
            maybe(before, |account| *account),
            maybe(after, |account| *account),
        ),
        Change::Attributes { contract, before, after } => {
            row(ATTRIBUTES, contract.as_slice(), maybe(before, attested_row), maybe(after, attested_row))
        }
        Change::Approval { code, deployer, before, after } => {
            let key = [code.as_slice(), deployer.as_slice()].concat();
            row(APPROVAL, &key, maybe(before, |until| vec![*until]), maybe(after, |until| vec![*until]))
        }
        Change::ApprovalRule { before, after } => {
            row(APPROVAL_RULE, &[], wire::encode(&vec![*before]), wire::encode(&vec![*after]))
        }
        Change::Limit { id, before, after } => {
            row(LIMIT, id.as_bytes(), maybe(before, limit_row), maybe(after, limit_row))
        }
        Change::Parameters { before, after } => {
            row(PARAMETERS, &[], wire::encode(before), wire::encode(after))
        }
        Change::Protocol { running, before, after } => {
            row(PROTOCOL, &running.to_be_bytes(), maybe(before, Upgrade::clone), maybe(after, Upgrade::clone))
        }
        Change::Slot { contract, slot, before, after } => {
            let key = [contract.as_slice(), &slot.to_be_bytes::<32>()].concat();
            row(SLOT, &key, wire::encode(&vec![*before]), wire::encode(&vec![*after]))
        }
        Change::RollBack { height, root, transactions } => {
            let (height, root, transactions) = (*height, *root, transactions.clone());
            row(ROLL_BACK, &[], Vec::new(), wire::encode(&RollBackRow { height, root, transactions }))
        }
        Change::Implementation { contract, before, after } => row(
            IMPLEMENTATION,
            contract.as_slice(),
            wire::encode(&implementation_row(before)),
            wire::encode(&implementation_row(after)),
        ),
        Change::Correction { contract, code, correction } => {
            let call = vec![correction.encode()];
            row(CORRECTION, contract.as_slice(), wire::encode(&vec![*code]), wire::encode(&call))
        }
        Change::Code { contract, code, implementation } => {
            let implementation = maybe(implementation, implementation_row);
            row(CODE, contract.as_slice(), wire::encode(&vec![*code]), implementation)
        }
        Change::Migration { contract, call } => {
            row(MIGRATION, contract.as_slice(), Vec::new(), wire::encode(&vec![call.clone()]))
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
        IDENTITY => Change::Identity {
            identity: Address::try_from(key.as_ref()).ok()?,
            before: key_facts(wire::decode(before)?)?,
            after: key_facts(wire::decode(after)?)?,
        },
        BAR => Change::Bar {
            target: BarTarget::from_bytes(key)?,
            before: read(before, Some)?,
            after: read(after, Some)?,
        },
        REGULATOR => Change::Regulator {
            identity: Address::try_from(key.as_ref()).ok()?,
            before: read(before, regulator)?,
            after: read(after, regulator)?,
        },
        POLICY => Change::Policy {
            id: std::str::from_utf8(key).ok().filter(|id| is_policy_id(id))?.to_owned(),
            before: read(before, policy)?,
            after: read(after, policy)?,
        },
        DEPLOY_LIST if key.is_empty() => Change::DeployList {
            before: listed(wire::decode(before)?)?,
            after: listed(wire::decode(after)?)?,
        },
        CONTRACT_HALT => Change::ContractHalt {
            contract: Address::try_from(key.as_ref()).ok()?,
            before: read(before, halt)?,
            after: read(after, halt)?,
        },
        CONTRACT_ADMINISTRATOR => Change::ContractAdministrator {
            contract: Address::try_from(key.as_ref()).ok()?,
            before: read(before, Some)?,
            after: read(after, Some)?,
        },
        ATTRIBUTES => Change::Attributes {
            contract: Address::try_from(key.as_ref()).ok()?,
            before: read(before, attested)?,
            after: read(after, attested)?,
        },
        APPROVAL => {
            let (code, deployer) = key.split_at_checked(32)?;
            Change::Approval {
                code: B256::try_from(code).ok()?,
                deployer: Address::try_from(deployer).ok()?,
                before: read(before, only)?,
                after: read(after, only)?,
            }
        }
        APPROVAL_RULE if key.is_empty() => {
            Change::ApprovalRule { before: only(wire::decode(before)?)?, after: only(wire::decode(after)?)? }
        }
        LIMIT => Change::Limit {
            id: std::str::from_utf8(key).ok().filter(|id| is_policy_id(id))?.to_owned(),
            before: read(before, limit)?,
            after: read(after, limit)?,
        },
        PARAMETERS if key.is_empty() => {
            Change::Parameters { before: wire::decode(before)?, after: wire::decode(after)? }
        }
        PROTOCOL => Change::Protocol {
            running: u64::from_be_bytes(<[u8; 8]>::try_from(key.as_ref()).ok()?),
            before: read(before, Some)?,
            after: read(after, Some)?,
        },
        SLOT => {
            let (contract, slot) = key.split_at_checked(20)?;
            Change::Slot {
                contract: Address::try_from(contract).ok()?,
                slot: B256::try_from(slot).ok()?.into(),
                before: only::<U256>(wire::decode(before)?)?,
                after: only::<U256>(wire::decode(after)?)?,
            }
        }
        ROLL_BACK if key.is_empty() && before.is_empty() => {
            let RollBackRow { height, root, transactions } = wire::decode(after)?;
            Change::RollBack { height, root, transactions }
        }
        IMPLEMENTATION => Change::Implementation {
            contract: Address::try_from(key.as_ref()).ok()?,
            before: implementation(wire::decode(before)?),
            after: implementation(wire::decode(after)?),
        },
        CORRECTION => {
            let [call]: [Bytes; 1] = wire::decode::<Vec<Bytes>>(after)?.try_into().ok()?;
            Change::Correction {
                contract: Address::try_from(key.as_ref()).ok()?,
                code: only(wire::decode(before)?)?,
                correction: Correction::decode(&call)?,
            }
        }
        CODE => Change::Code {
            contract: Address::try_from(key.as_ref()).ok()?,
            code: only(wire::decode(before)?)?,
            implementation: read(after, |row| Some(implementation(row)))?,
        },
        MIGRATION if before.is_empty() => {
            let [call]: [Bytes; 1] = wire::decode::<Vec<Bytes>>(after)?.try_into().ok()?;
            Change::Migration { contract: Address::try_from(key.as_ref()).ok()?, call }
        }
        _ => return None,
    })
}

fn only<T: Copy>(list: Vec<T>) -> Option<T> {
    let [one] = *list.as_slice() else { return None };
    Some(one)
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

const fn end_row(end: End) -> (u8, u64) {
    match end {
        End::Never => (0, 0),
        End::At(height) => (1, height),
        End::After(blocks) => (2, blocks),
    }
}

const fn end(code: u8, height: u64) -> Option<End> {
    match code {
        0 => Some(End::Never),
        1 => Some(End::At(height)),
        2 => Some(End::After(height)),
        _ => None,
    }
}

fn freeze_row(freeze: &Freeze) -> FreezeRow {
    let (end, height) = end_row(freeze.end);
    let Freeze { scope, basis, emergency, .. } = freeze;
    FreezeRow { scope: scope.code(), basis: basis.clone(), end, height, emergency: *emergency }
}

fn freeze(row: FreezeRow) -> Option<Freeze> {
    let FreezeRow { scope, basis, end: code, height, emergency } = row;
    Some(Freeze { scope: Scope::from_code(scope)?, basis, end: end(code, height)?, emergency })
}

#[derive(RlpEncodable, RlpDecodable)]
struct ListedRow {
    kind: u8,
    accounts: Vec<Address>,
}

fn listed_row(listed: &Listed) -> ListedRow {
    ListedRow { kind: listed.kind.code(), accounts: listed.accounts.clone() }
}

fn listed(row: ListedRow) -> Option<Listed> {
    let ListedRow { kind, accounts } = row;
    let ordered = accounts.is_sorted_by(|one, other| one < other);
    ordered.then_some(Listed { kind: ListKind::from_code(kind)?, accounts })
}

// What stops a contract. The numbers never change meaning.
const FROZEN: u8 = 1;
const RETIRED: u8 = 2;

#[derive(RlpEncodable, RlpDecodable)]
struct HaltRow {
    state: u8,
    basis: Basis,
    end: u8,
    height: u64,
    emergency: bool,
}

fn halt_row(halt: &Halt) -> HaltRow {
    match halt {
        Halt::Frozen { basis, end, emergency } => {
            let (end, height) = end_row(*end);
            HaltRow { state: FROZEN, basis: basis.clone(), end, height, emergency: *emergency }
        }
        Halt::Retired { basis } => {
            HaltRow { state: RETIRED, basis: basis.clone(), end: 0, height: 0, emergency: false }
        }
    }
}

fn halt(row: HaltRow) -> Option<Halt> {
    let HaltRow { state, basis, end: code, height, emergency } = row;
    match state {
        FROZEN => Some(Halt::Frozen { basis, end: end(code, height)?, emergency }),
        RETIRED => Some(Halt::Retired { basis }),
        _ => None,
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct KeyRow {
    account: Address,
    organisation: String,
    role: u8,
    common_name: String,
    fingerprint: B256,
}

fn key_row(facts: &KeyFacts) -> KeyRow {
    let KeyFacts { account, organisation, role, common_name, fingerprint } = facts;
    KeyRow {
        account: *account,
        organisation: organisation.to_string(),
        role: role.code(),
        common_name: common_name.clone(),
        fingerprint: *fingerprint,
    }
}

fn key_facts(row: KeyRow) -> Option<KeyFacts> {
    let KeyRow { account, organisation, role, common_name, fingerprint } = row;
    let (organisation, role) = (wire::org(&organisation)?, Role::from_code(role)?);
    Some(KeyFacts { account, organisation, role, common_name, fingerprint })
}

#[derive(RlpEncodable, RlpDecodable)]
struct RegulatorRow {
    organisation: String,
    mandate: MandateRow,
}

fn regulator_row(facts: &RegulatorFacts) -> RegulatorRow {
    let RegulatorFacts { organisation, mandate } = facts;
    RegulatorRow { organisation: organisation.to_string(), mandate: mandate.into() }
}

fn regulator(row: RegulatorRow) -> Option<RegulatorFacts> {
    let RegulatorRow { organisation, mandate } = row;
    Some(RegulatorFacts { organisation: wire::org(&organisation)?, mandate: mandate.mandate()? })
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
struct AttestedRow {
    code: B256,
    attributes: Attributes,
}

fn attested_row(attested: &Attested) -> AttestedRow {
    AttestedRow { code: attested.code, attributes: attested.attributes.clone() }
}

fn attested(row: AttestedRow) -> Option<Attested> {
    let AttestedRow { code, attributes } = row;
    Some(Attested { code, attributes })
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

#[derive(RlpEncodable, RlpDecodable)]
struct RollBackRow {
    height: u64,
    root: B256,
    transactions: Vec<Reversed>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct ImplementationRow {
    address: Address,
    code: B256,
}

const fn implementation_row(implementation: &Implementation) -> ImplementationRow {
    ImplementationRow { address: implementation.address, code: implementation.code }
}

const fn implementation(row: ImplementationRow) -> Implementation {
    Implementation { address: row.address, code: row.code }
}
