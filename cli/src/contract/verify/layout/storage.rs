//! Where variables stand in storage, by the compiler's word, and what becomes of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use eyre::{Result, WrapErr as _, bail, eyre};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::verify::input::ContractName;

/// How room for later variables is named. It holds nothing, so that it may shrink, move or go.
const GAP: &str = "__gap";

/// What becomes of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// It stands elsewhere.
    Moved { variable: String, from: Place, to: Place },
    /// It is of another type, or the type has other members.
    Retyped { variable: String, from: String, to: String },
    /// It is there no more; with what stands in its first byte now.
    Removed { variable: String, at: Place, now: Option<String> },
}

/// Where a variable stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// In decimal.
    slot: String,
    /// The first byte within the slot, from the lowest.
    offset: u64,
}

/// A layout as solc tells it.
#[derive(Debug, Deserialize)]
pub struct Layout {
    storage: Vec<Variable>,
    /// Null where there are no variables.
    types: Option<BTreeMap<String, Type>>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    label: String,
    slot: String,
    offset: u64,
    r#type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    label: String,
    encoding: String,
    number_of_bytes: String,
    key: Option<String>,
    value: Option<String>,
    base: Option<String>,
    members: Option<Vec<Variable>>,
}

impl Layout {
    /// Takes it out of standard JSON output.
    pub fn of(output: &Value, name: &ContractName) -> Result<Self> {
        let made = &output["contracts"][&name.file][&name.name];
        if made.is_null() {
            bail!("there is no contract {name} in the sources");
        }
        let layout = made.get("storageLayout").filter(|layout| !layout.is_null());
        let layout =
            layout.ok_or_else(|| eyre!("the compiler tells no storage layout: have solc 0.5.13 or later"))?;
        Self::read(layout).wrap_err_with(|| format!("the storage layout of {name}"))
    }

    fn read(layout: &Value) -> Result<Self> {
        let layout: Self = serde_json::from_value(layout.clone())?;
        match layout.storage.iter().find(|variable| layout.kind(&variable.r#type).is_none()) {
            None => Ok(layout),
            Some(variable) => bail!("the compiler does not tell the type of {}", variable.label),
        }
    }

    fn kind(&self, id: &str) -> Option<&Type> {
        self.types.as_ref()?.get(id)
    }

    /// What becomes of the variables, in their order, and the names of those that are new.
    pub fn changes(&self, new: &Self) -> (Vec<Change>, Vec<String>) {
        let (before, after) = (self.named(), new.named());
        let mut changes = Vec::new();
        for (name, variable) in &before {
            match find(&after, name) {
                Some(found) => changes.extend(self.changed(variable, new, found)),
                None => changes.push(Change::Removed {
                    variable: variable.label.clone(),
                    at: variable.place(),
                    now: new.at(variable).map(|taken| taken.label.clone()),
                }),
            }
        }
        let added = after.iter().filter(|(name, _)| find(&before, name).is_none());
        (changes, added.map(|(_, variable)| variable.label.clone()).collect())
    }

    /// The variables by name, without room for later ones. Bases may each have a private variable of one name: the first
    /// is told from the second by how many came before.
    fn named(&self) -> Vec<(Name<'_>, &Variable)> {
        let mut named: Vec<(Name<'_>, &Variable)> = Vec::new();
        for variable in self.storage.iter().filter(|variable| !variable.label.starts_with(GAP)) {
            let earlier = named.iter().filter(|((label, _), _)| *label == variable.label).count();
            named.push(((&variable.label, earlier), variable));
        }
        named
    }

    fn changed(&self, variable: &Variable, new: &Self, found: &Variable) -> Vec<Change> {
        let (from, to) = (variable.place(), found.place());
        let moved = (from != to).then(|| Change::Moved { variable: variable.label.clone(), from, to });
        let difference = self.difference((&variable.r#type, new, &found.r#type), &mut BTreeSet::new());
        let retyped = difference.map(|(within_old, within_new)| {
            let (from, to) = (self.label(&variable.r#type), new.label(&found.r#type));
            // Where both have one name, only what differs within tells them apart.
            let (from, to) = if from == to { (within_old, within_new) } else { (from, to) };
            Change::Retyped { variable: variable.label.clone(), from, to }
        });
        moved.into_iter().chain(retyped).collect()
    }

    /// The variable that holds the first byte of another one's place.
    fn at(&self, place: &Variable) -> Option<&Variable> {
        let within = |variable: &&Variable| {
            let bytes = self.kind(&variable.r#type)?.number_of_bytes.parse::<u64>().ok()?;
            let (slot, first) = (place.slot.parse::<u64>().ok()?, variable.slot.parse::<u64>().ok()?);
            let begins = slot.checked_sub(first)?.checked_mul(32)?.checked_add(place.offset)?;
            let own = variable.offset;
            Some((own..own.saturating_add(bytes)).contains(&begins))
        };
        self.storage.iter().find(|variable| within(variable).unwrap_or_default())
    }

    fn label(&self, id: &str) -> String {
        self.kind(id).map_or_else(|| id.to_owned(), |kind| kind.label.clone())
    }

    /// How the bytes of two types differ in storage, in words about each; `None` where they read the same. Pairs that were
    /// compared, or are being compared, are the same as far as is known: types may refer to themselves, and a source
    /// may have one in another many times over.
    fn difference<'a>(
        &'a self,
        (old, layout, new): (&'a str, &'a Self, &'a str),
        compared: &mut BTreeSet<(&'a str, &'a str)>,
    ) -> Option<(String, String)> {
        if !compared.insert((old, new)) {
            return None;
        }
        let labels = || (self.label(old), layout.label(new));
        let (Some(one), Some(other)) = (self.kind(old), layout.kind(new)) else { return Some(labels()) };
        if one.number_of_bytes != other.number_of_bytes || one.encoding != other.encoding {
            return Some(labels());
        }
        let mut within = |old: &'a Option<String>, new: &'a Option<String>| match (old, new) {
            (Some(old), Some(new)) => self.difference((old, layout, new), compared),
            (None, None) => None,
            _ => Some(labels()),
        };
        let part = within(&one.key, &other.key)
            .or_else(|| within(&one.value, &other.value))
            .or_else(|| within(&one.base, &other.base));
        if part.is_some() {
            return part;
        }
        match (&one.members, &other.members) {
            (Some(members), Some(others)) => {
                let described =
                    |(old, new)| (format!("{} with {old}", one.label), format!("{} with {new}", other.label));
                self.members((members, layout, others), compared).map(described)
            }
            (None, None) if one.base.is_some() || one.value.is_some() => None,
            (None, None) if one.plain() == other.plain() => None,
            _ => Some(labels()),
        }
    }

    /// The first member that differs. Its place is that within the struct.
    fn members<'a>(
        &'a self,
        (old, layout, new): (&'a [Variable], &'a Self, &'a [Variable]),
        compared: &mut BTreeSet<(&'a str, &'a str)>,
    ) -> Option<(String, String)> {
        if old.len() != new.len() {
            return Some((format!("{} members", old.len()), format!("{} members", new.len())));
        }
        old.iter().zip(new).find_map(|(one, other)| {
            let named =
                |old: &str, new: &str| (format!("{} {old}", one.label), format!("{} {new}", other.label));
            if one.label != other.label || one.place() != other.place() {
                return Some(named(&self.label(&one.r#type), &layout.label(&other.r#type)));
            }
            let types = (one.r#type.as_str(), layout, other.r#type.as_str());
            self.difference(types, compared).map(|(old, new)| named(&old, &new))
        })
    }
}

/// A variable's name, and how many of that name came before.
type Name<'a> = (&'a str, usize);

fn find<'a>(named: &[(Name<'_>, &'a Variable)], name: &Name<'_>) -> Option<&'a Variable> {
    named.iter().find(|(known, _)| known == name).map(|(_, variable)| *variable)
}

impl Type {
    /// Its name as far as storage knows it: addresses, payable or not, and contracts are of one; in which contract an
    /// enumeration is declared makes no difference, since the next version has another name.
    fn plain(&self) -> &str {
        match self.label.as_str() {
            "address payable" => "address",
            label if label.starts_with("contract ") => "address",
            label => label.trim_start_matches("enum ").rsplit('.').next().unwrap_or(label),
        }
    }
}

impl Variable {
    fn place(&self) -> Place {
        Place { slot: self.slot.clone(), offset: self.offset }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Moved { variable, from, to } => write!(f, "{variable} moves from {from} to {to}"),
            Change::Retyped { variable, from, to } => write!(f, "{variable} was {from} and becomes {to}"),
            Change::Removed { variable, at, now: None } => write!(f, "{variable} at {at} goes"),
            Change::Removed { variable, at, now: Some(now) } => {
                write!(f, "{variable} at {at} goes, {now} takes its place")
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            0 => write!(f, "slot {}", self.slot),
            offset => write!(f, "slot {} byte {offset}", self.slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layout that solc has made, of the source that stands beside it or of one that differs in what the name says.
    fn layout(name: &str) -> Layout {
        let made: Value =
            serde_json::from_str(include_str!("../../../../testdata/storage-layouts.json")).unwrap();
        Layout::read(&made["layouts"][name]).unwrap()
    }

    fn changes(from: &str, to: &str) -> (Vec<String>, Vec<String>) {
        let (changes, added) = layout(from).changes(&layout(to));
        (changes.iter().map(ToString::to_string).collect(), added)
    }

    #[test]
    fn a_layout_is_kept_by_itself_and_by_what_only_adds() {
        assert_eq!(changes("old", "old"), (vec![], vec![]));
        // A gap shrinks, a contract becomes an address, identifiers of the syntax tree are others.
        assert_eq!(changes("old", "kept"), (vec![], vec!["guardian".to_owned(), "added".to_owned()]));
    }

    #[test]
    fn variables_behind_an_inserted_one_have_moved() {
        let (moved, added) = changes("old", "moved");
        assert_eq!(added, ["limit"]);
        assert_eq!(moved.len(), 9, "{moved:?}");
        assert_eq!(moved[0], "total moves from slot 4 to slot 5");
        assert_eq!(moved[1], "opened moves from slot 4 byte 16 to slot 5 byte 16");
    }

    #[test]
    fn another_type_is_told_and_so_is_another_member_of_a_struct() {
        let (retyped, _) = changes("old", "retyped");
        assert_eq!(retyped.len(), 3, "{retyped:?}");
        assert_eq!(retyped[0], "opened was uint64 and becomes int64");
        for (at, variable) in [(1, "accounts"), (2, "history")] {
            assert!(retyped[at].starts_with(variable), "{}", retyped[at]);
            assert!(
                retyped[at].contains("since uint64") && retyped[at].contains("since uint32"),
                "{}",
                retyped[at]
            );
        }
    }

    #[test]
    fn a_variable_that_goes_is_told_with_what_takes_its_place() {
        let (gone, _) = changes("old", "removed");
        assert_eq!(
            gone,
            [
                "paused at slot 9 goes, pendingOwner takes its place",
                "pendingOwner moves from slot 9 byte 1 to slot 9"
            ]
        );
        assert_eq!(changes("kept", "old").0.last().unwrap(), "added at slot 10 goes");
    }

    #[test]
    fn names_that_are_exchanged_have_moved_and_a_new_name_is_another_variable() {
        let (swapped, added) = changes("old", "swapped");
        assert_eq!(
            swapped,
            [
                "owner moves from slot 0 to slot 9 byte 1",
                "name at slot 8 goes, title takes its place",
                "pendingOwner moves from slot 9 byte 1 to slot 0"
            ]
        );
        assert_eq!(added, ["title"]);
    }

    /// A struct that holds the one before twice, and so on: 2^40 leaves, and a mapping to itself.
    fn nested(leaf: &str) -> Layout {
        let plain =
            |label: &str| serde_json::json!({ "label": label, "encoding": "inplace", "numberOfBytes": "32" });
        let mut types = serde_json::Map::from_iter([
            ("t0".to_owned(), plain(leaf)),
            ("key".to_owned(), plain("uint256")),
        ]);
        let member = |label: &str, slot: &str, of: String| serde_json::json!({ "label": label, "slot": slot, "offset": 0, "type": of });
        for level in 1..=40 {
            let mut kind = plain(&format!("struct S{level}"));
            let below = format!("t{}", level - 1);
            kind["members"] = serde_json::json!([member("a", "0", below.clone()), member("b", "1", below)]);
            types.insert(format!("t{level}"), kind);
        }
        types["t1"]["members"][1] = member("b", "1", "map".to_owned());
        let map = serde_json::json!({ "label": "mapping", "encoding": "mapping", "numberOfBytes": "32", "key": "key", "value": "t40" });
        types.insert("map".to_owned(), map);
        Layout::read(
            &serde_json::json!({ "types": types, "storage": [member("all", "0", "t40".to_owned())] }),
        )
        .unwrap()
    }

    #[test]
    fn types_within_one_another_are_compared_once() {
        assert_eq!(nested("uint256").changes(&nested("uint256")).0, []);
        let differs = nested("uint256").changes(&nested("int256")).0;
        let [Change::Retyped { from, to, .. }] = differs.as_slice() else { panic!("{differs:?}") };
        assert!(
            from.ends_with("struct S1 with a uint256") && to.ends_with("struct S1 with a int256"),
            "{from} {to}"
        );
    }

    #[test]
    fn where_a_type_is_declared_makes_no_difference() {
        let plain = |label: &str| {
            let kind = serde_json::json!({ "label": label, "encoding": "inplace", "numberOfBytes": "1" });
            serde_json::from_value::<Type>(kind).unwrap().plain().to_owned()
        };
        assert_eq!(plain("enum TillV1.State"), plain("enum TillV2.State"));
        assert_eq!(plain("enum TillV1.State"), plain("enum State"));
        assert_ne!(plain("enum Till.State"), plain("enum Till.Kind"));
        assert_eq!(plain("contract IToken"), plain("address payable"));
        assert_ne!(plain("uint8"), plain("bool"));
    }

    #[test]
    fn a_contract_without_variables_has_a_layout_and_one_without_types_has_none() {
        let empty = Layout::read(&serde_json::json!({ "storage": [], "types": null })).unwrap();
        assert_eq!(empty.changes(&layout("old")).0, []);
        assert_eq!(layout("old").changes(&empty).0.len(), 10, "all but the gap");
        let untold = serde_json::json!({ "types": {}, "storage": [
            { "label": "a", "slot": "0", "offset": 0, "type": "t_uint256" }
        ] });
        assert!(Layout::read(&untold).unwrap_err().to_string().contains("the type of a"));
    }
}
