//! The canonical bytes of effects.
//!
//! `[version, kind, action, [[what, key, before, after], …], quorum]`, RLP, where `before` and `after` are the RLP
//! of a record or empty, and `quorum` lists six numbers or none.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};

use super::{
    Change, Effect,
    records::{Key, Keys, Record},
};
use crate::{Kind, quorum::Quorum, wire};

/// Version of the encoding.
const VERSION: u8 = 1;

#[derive(RlpEncodable, RlpDecodable)]
struct EffectRow {
    version: u8,
    kind: Kind,
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
        kind: effect.kind,
        action: effect.action,
        changes: effect.changes.iter().map(to_row).collect(),
        quorum: effect.quorum.iter().flatten().flat_map(numbers).collect(),
    })
}

pub(super) fn decode(bytes: &[u8]) -> Option<Effect> {
    let row: EffectRow = wire::decode(bytes)?;
    let changes = row.changes.iter().map(from_row).collect::<Option<_>>()?;
    let quorum = match *row.quorum.as_slice() {
        [] => None,
        [validators, total, need, v, t, n] => {
            Some([Quorum { validators, total, need }, Quorum { validators: v, total: t, need: n }])
        }
        _ => return None,
    };
    let effect = Effect { kind: row.kind, action: row.action, changes, quorum };
    // One form only.
    (row.version == VERSION && encode(&effect) == bytes).then_some(effect)
}

/// A change is what it is about, by a number that never changes meaning, the fields that say which, and both sides; or
/// the fields of what it does, where there is nothing before.
macro_rules! changes {
    (
        both sides { $( $what:literal $change:ident [$($key:ident),*] $before:ident => $after:ident; )* }
        after alone { $( $deed:literal $done:ident [$($of:ident),*] $($field:ident),*; )* }
    ) => {
        fn to_row(change: &Change) -> ChangeRow {
            match change {
                $( Change::$change { $($key,)* $before, $after } => {
                    row($what, &[$($key),*], $before.write(), $after.write())
                } )*
                $( Change::$done { $($of,)* $($field),* } => {
                    row($deed, &[$($of),*], Vec::new(), wire::list(&[$($field),*]))
                } )*
            }
        }

        fn from_row(row: &ChangeRow) -> Option<Change> {
            let (mut key, before, after) = (Keys(&row.key), &row.before, &row.after);
            let change = match row.what {
                $( $what => Change::$change {
                    $( $key: key.next()?, )*
                    $before: Record::read(before)?,
                    $after: Record::read(after)?,
                }, )*
                $( $deed if before.is_empty() => {
                    let mut fields = wire::Fields::open(after)?;
                    let change = Change::$done { $($of: key.next()?,)* $( $field: fields.next()?, )* };
                    fields.end(change)?
                } )*
                _ => return None,
            };
            key.0.is_empty().then_some(change)
        }
    };
}

changes! {
    both sides {
        1 Organisation [id] before => after;
        2 Validator [consensus_key] before => after;
        3 Seat [member] before => after;
        4 Rule [kind] before => after;
        5 Freeze [account] before => after;
        6 Policy [id] before => after;
        7 DeployList [] before => after;
        8 ContractHalt [contract] before => after;
        9 ContractAdministrator [contract] before => after;
        10 Limit [id] before => after;
        11 Attributes [contract] before => after;
        12 Approval [code, deployer] before => after;
        13 ApprovalRule [] before => after;
        16 Regulator [identity] before => after;
        20 Identity [identity] before => after;
        21 Bar [target] before => after;
        30 Slot [contract, slot] before => after;
        32 Parameters [] before => after;
        33 Protocol [running] before => after;
        34 Implementation [contract] before => after;
        35 Correction [contract] code => correction;
        36 Code [contract] code => implementation;
        37 Migration [contract] code => call;
        38 Order [id] before => after;
    }
    after alone {
        31 RollBack [] height, root, transactions;
    }
}

fn row(what: u8, keys: &[&dyn Key], before: Vec<u8>, after: Vec<u8>) -> ChangeRow {
    let mut key = Vec::new();
    keys.iter().for_each(|part| part.put(&mut key));
    ChangeRow { what, key: key.into(), before: before.into(), after: after.into() }
}
