//! The list of the sanctioned: addresses, names of holders, organisations. Another list is another version, told by its
//! hash.

use std::collections::BTreeMap;

use concordat_types::{Address, B256, OrgId};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::{event::Party, parse::one_line};

/// The most entries.
pub const MAX_ENTRIES: usize = 200_000;

/// The longest text of an entry, in bytes.
const MAX_TEXT: usize = 500;

/// Why a list is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is not as lists are written.
    #[error("the list is not as lists are written: {0}")]
    Form(String),
    /// An entry cannot be judged by.
    #[error("entry {place} of the list: {reason}")]
    Entry {
        /// Its place, from 1 on.
        place: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Who is sanctioned, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As the list names it.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// SHA-256 of its file.
    pub hash: B256,
    /// Where it comes from.
    pub source: String,
    addresses: BTreeMap<Address, Entry>,
    names: BTreeMap<String, Entry>,
    organisations: BTreeMap<OrgId, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    source: String,
    #[serde(default)]
    entry: Vec<FileEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    address: Option<Address>,
    name: Option<String>,
    organisation: Option<OrgId>,
    reason: String,
}

/// A name as it is compared: letters in lower case, one space between words.
pub fn normalised(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

impl List {
    /// Reads a list.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn parse(text: &str) -> Result<Self, ListError> {
        let file: File = toml::from_str(text).map_err(|error| ListError::Form(one_line(&error)))?;
        if file.version != 1 {
            return Err(ListError::Form(format!(
                "version is {}, this program reads version 1",
                file.version
            )));
        }
        if file.entry.len() > MAX_ENTRIES {
            return Err(ListError::Form(format!("it has more than {MAX_ENTRIES} entries")));
        }
        let hash = B256::from(<[u8; 32]>::from(Sha256::digest(text)));
        let mut list = Self { hash, source: file.source, ..Self::default() };
        for (place, entry) in file.entry.into_iter().enumerate() {
            let place = place.saturating_add(1);
            list.add(entry).map_err(|reason| ListError::Entry { place, reason })?;
        }
        Ok(list)
    }

    fn add(&mut self, entry: FileEntry) -> Result<(), &'static str> {
        let FileEntry { address, name, organisation, reason } = entry;
        if reason.is_empty() || reason.len() > MAX_TEXT {
            return Err("its reason has to be 1 to 500 bytes long");
        }
        let again = "it stands on the list already";
        let told = |name: String| Entry { name, reason };
        match (address, name, organisation) {
            (Some(address), None, None) => {
                let told = told(format!("{address:#x}"));
                self.addresses.insert(address, told).map_or(Ok(()), |_| Err(again))
            }
            (None, Some(name), None) => {
                let compared = normalised(&name);
                if compared.is_empty() || name.len() > MAX_TEXT {
                    return Err("its name has to be 1 to 500 bytes long");
                }
                self.names.insert(compared, told(name)).map_or(Ok(()), |_| Err(again))
            }
            (None, None, Some(organisation)) => {
                let told = told(organisation.to_string());
                self.organisations.insert(organisation, told).map_or(Ok(()), |_| Err(again))
            }
            _ => Err("it has to have exactly one of address, name and organisation"),
        }
    }

    /// The entry that an account falls under: by its address, its holder's name, or its organisation.
    pub fn find(&self, account: Address, party: Option<&Party>) -> Option<&Entry> {
        let by_party = |party: &Party| {
            let by_name = || match self.names.is_empty() {
                true => None,
                false => self.names.get(&normalised(&party.common_name)),
            };
            by_name().or_else(|| self.organisations.get(&party.organisation))
        };
        self.addresses.get(&account).or_else(|| party.and_then(by_party))
    }

    /// The addresses on it.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.keys()
    }

    /// The names on it, as they are compared.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// The organisations on it.
    pub fn organisations(&self) -> impl Iterator<Item = &OrgId> {
        self.organisations.keys()
    }
}

#[cfg(test)]
mod tests {
    use concordat_types::Role;
    use proptest::prelude::*;

    use super::*;

    const LIST: &str = r#"
version = 1
source = "Council 2026/1"
[[entry]]
address = "0x0101010101010101010101010101010101010101"
reason = "No. 1"
[[entry]]
name = "John  DOE"
reason = "No. 2"
[[entry]]
organisation = "bank-x"
reason = "No. 3"
"#;

    #[test]
    fn an_account_is_found_by_its_address_its_holder_or_its_organisation() {
        let list = List::parse(LIST).unwrap();
        let party = |organisation: &str, name: &str| Party {
            organisation: organisation.parse().unwrap(),
            role: Role::Operator,
            common_name: name.into(),
        };
        let reason = |account: u8, party: Option<Party>| {
            list.find(Address::repeat_byte(account), party.as_ref()).map(|entry| entry.reason.clone())
        };
        assert_eq!(reason(1, None).as_deref(), Some("No. 1"));
        assert_eq!(reason(2, Some(party("bank-a", "john doe"))).as_deref(), Some("No. 2"));
        assert_eq!(reason(2, Some(party("bank-x", "Jane Doe"))).as_deref(), Some("No. 3"));
        assert_eq!(reason(2, Some(party("bank-a", "Johnny Doe"))), None);
        assert_eq!(reason(2, None), None);
    }

    #[test]
    fn another_word_is_another_version() {
        let other = LIST.replace("No. 3", "No. 4");
        assert_ne!(List::parse(LIST).unwrap().hash, List::parse(&other).unwrap().hash);
    }

    #[test]
    fn what_cannot_be_judged_by_is_refused() {
        let cases = [
            ("name = \"John  DOE\"", "", "entry 2 of the list: it has to have exactly one of"),
            ("reason = \"No. 2\"", "reason = \"No. 2\"\nborn = 1900", "unknown field"),
            ("reason = \"No. 1\"", "reason = \"\"", "entry 1 of the list: its reason"),
            (
                "organisation = \"bank-x\"",
                "name = \"john doe\"",
                "entry 3 of the list: it stands on the list already",
            ),
            ("version = 1", "version = 7", "version is 7"),
        ];
        for (from, to, said) in cases {
            let refused = List::parse(&LIST.replace(from, to)).unwrap_err().to_string();
            assert!(refused.contains(said), "{to}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_answered_with_a_panic(text in any::<String>(), value in "[-0-9a-zA-Z\" ]{0,60}") {
            let _told = List::parse(&text);
            for field in ["address", "name", "organisation"] {
                let entry = format!("[[entry]]\n{field} = {value}\nreason = \"r\"\n");
                let _told = List::parse(&format!("version = 1\nsource = \"s\"\n{entry}"));
            }
        }

        #[test]
        fn a_name_is_found_however_it_is_spaced(name in "\\PC{1,40}") {
            let compared = normalised(&name);
            prop_assert_eq!(normalised(&format!("  {compared}\t")), compared);
        }
    }
}
