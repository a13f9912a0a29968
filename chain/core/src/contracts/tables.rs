//! The tables of contracts and lists over the rows of the state.

use concordat_permissions::ListKind;
use concordat_types::{Address, B256, Bytes, ReadError};

use super::{
    approvals::{Approval, Review},
    attributes::ContractAttributes,
    records::{Contract, ContractHalt},
    versions::Version,
};
use crate::{
    account::corrupt,
    identity::{
        Record as _,
        tables::{read, required},
    },
    system::{RowKey, Rows, Write, is_system},
};

// The numbers are part of the state's keys and never change meaning.
pub(crate) const CONTRACTS: u8 = 0x40;
const METHOD_LISTS: u8 = 0x41;
const LISTED: u8 = 0x42;
const DEPLOY_LIST: u8 = 0x43;
pub(crate) const HALTS: u8 = 0x44;
const ATTRIBUTES: u8 = 0x45;
/// Approvals and the reviews before them. The lengths of their keys tell them apart.
const APPROVALS: u8 = 0x46;
const APPROVAL_RULE: u8 = 0x47;
/// Versions of proxies: the one in force, and each by its number. The lengths of their keys tell them apart.
const VERSIONS: u8 = 0x48;

/// What a member's row says: it is there.
const MEMBER: &[u8] = &[1];

/// The first four bytes of a call's input.
pub(crate) type Method = [u8; 4];

/// A list, by what it is about. The lengths of their keys tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// Who may deploy.
    Deploy,
    /// Who may call a contract.
    Contract(Address),
    /// Who may call one of its methods.
    Method(Address, Method),
}

impl List {
    /// Key of the row that says that an account is on it.
    pub(crate) fn member_key(&self, account: Address) -> RowKey {
        let key = match self {
            List::Deploy => account.to_vec(),
            List::Contract(contract) => [contract.as_slice(), account.as_slice()].concat(),
            List::Method(contract, method) => [contract.as_slice(), method, account.as_slice()].concat(),
        };
        RowKey::new(LISTED, &key)
    }

    /// Whether an account is on it, however it binds.
    pub(crate) fn has(&self, rows: &mut impl Rows, account: Address) -> Result<bool, ReadError> {
        match rows.row(&self.member_key(account))?.as_ref().map(AsRef::as_ref) {
            None => Ok(false),
            Some(MEMBER) => Ok(true),
            Some(_) => Err(corrupt(format!("the row of {account} on a list"))),
        }
    }

    /// What puts an account on it, or takes it off.
    pub(crate) fn member_write(&self, account: Address, listed: bool) -> Write {
        (self.member_key(account), listed.then(|| Bytes::from_static(MEMBER)))
    }
}

/// Key of a contract's row.
pub(crate) fn contract_key(contract: Address) -> RowKey {
    RowKey::new(CONTRACTS, contract.as_slice())
}

/// Key of the row that says how a method's list binds.
pub(crate) fn method_list_key(contract: Address, method: Method) -> RowKey {
    RowKey::new(METHOD_LISTS, &[contract.as_slice(), &method].concat())
}

/// Key of the row that says how the list of who may deploy binds.
pub(crate) fn deploy_list_key() -> RowKey {
    RowKey::new(DEPLOY_LIST, &[])
}

/// Key of the row of what stops a contract.
pub(crate) fn halt_key(contract: Address) -> RowKey {
    RowKey::new(HALTS, contract.as_slice())
}

/// Key of the row of what is attested of a contract.
pub(crate) fn attributes_key(contract: Address) -> RowKey {
    RowKey::new(ATTRIBUTES, contract.as_slice())
}

/// Key of the row of the approval of an init code, by its SHA-256, for an identity.
pub(crate) fn approval_key(code: B256, deployer: Address) -> RowKey {
    RowKey::new(APPROVALS, &[code.as_slice(), deployer.as_slice()].concat())
}

/// Key of the row of what an identity says of a proposal.
pub(crate) fn review_key(proposal: u64, reviewer: Address) -> RowKey {
    RowKey::new(APPROVALS, &[&proposal.to_be_bytes()[..], reviewer.as_slice()].concat())
}

/// Key of the row of the version that a vote has given a proxy last.
pub(crate) fn version_in_force_key(proxy: Address) -> RowKey {
    RowKey::new(VERSIONS, proxy.as_slice())
}

/// Key of the row of a version of a proxy.
pub(crate) fn version_key(proxy: Address, number: u64) -> RowKey {
    RowKey::new(VERSIONS, &[proxy.as_slice(), &number.to_be_bytes()].concat())
}

/// What says whether deployments need an approval.
pub(crate) fn approval_rule_write(required: bool) -> Write {
    (RowKey::new(APPROVAL_RULE, &[]), required.then(|| Bytes::from_static(MEMBER)))
}

/// What puts a kind of list in its row.
pub(crate) fn kind_write(key: RowKey, kind: ListKind) -> Write {
    (key, (kind != ListKind::None).then(|| kind.to_row()))
}

/// A contract's row. Contracts that were there from the start have none until something is decided about them.
pub(crate) fn contract(rows: &mut impl Rows, address: Address) -> Result<Option<Contract>, ReadError> {
    read(rows, &contract_key(address))
}

/// A contract that somebody can decide about: code that is no part of the chain itself. Reads its account and its row.
pub(crate) fn existing(rows: &mut impl Rows, address: Address) -> Result<Option<Contract>, ReadError> {
    if is_system(&address) || !rows.has_code(address)? {
        return Ok(None);
    }
    Ok(Some(contract(rows, address)?.unwrap_or_default()))
}

/// Rows that [`existing`] takes.
pub(crate) const EXISTING_ROWS: usize = 2;

pub(crate) fn method_list(
    rows: &mut impl Rows,
    contract: Address,
    method: Method,
) -> Result<ListKind, ReadError> {
    Ok(read(rows, &method_list_key(contract, method))?.unwrap_or_default())
}

pub(crate) fn deploy_list(rows: &mut impl Rows) -> Result<ListKind, ReadError> {
    Ok(read(rows, &deploy_list_key())?.unwrap_or_default())
}

/// What stops a contract whose row says that something does.
pub(crate) fn halt(rows: &mut impl Rows, contract: Address) -> Result<ContractHalt, ReadError> {
    required(rows, &halt_key(contract))
}

/// The approval of an init code for an identity; it may be over.
pub(crate) fn approval(
    rows: &mut impl Rows,
    code: B256,
    deployer: Address,
) -> Result<Option<Approval>, ReadError> {
    read(rows, &approval_key(code, deployer))
}

/// What an identity says of a proposal.
pub(crate) fn review(
    rows: &mut impl Rows,
    proposal: u64,
    reviewer: Address,
) -> Result<Option<Review>, ReadError> {
    read(rows, &review_key(proposal, reviewer))
}

/// Whether deployments need an approval.
pub(crate) fn approval_required(rows: &mut impl Rows) -> Result<bool, ReadError> {
    match rows.row(&approval_rule_write(true).0)?.as_ref().map(AsRef::as_ref) {
        None => Ok(false),
        Some(MEMBER) => Ok(true),
        Some(_) => Err(corrupt("the rule on approvals of deployments")),
    }
}

/// What is attested of a contract, whether it still holds or not.
pub(crate) fn attributes(
    rows: &mut impl Rows,
    contract: Address,
) -> Result<Option<ContractAttributes>, ReadError> {
    read(rows, &attributes_key(contract))
}

/// The version that a vote has given a proxy last; `None` where none has.
pub(crate) fn version_in_force(rows: &mut impl Rows, proxy: Address) -> Result<Option<Version>, ReadError> {
    read(rows, &version_in_force_key(proxy))
}

/// A version that a vote has given a proxy.
pub(crate) fn version(rows: &mut impl Rows, proxy: Address, number: u64) -> Result<Version, ReadError> {
    required(rows, &version_key(proxy, number))
}

#[cfg(test)]
mod tests {
    use concordat_types::StateKey;

    use super::*;

    #[test]
    fn keys_are_golden_and_lists_have_keys_of_their_own() {
        let (contract, account, method) = (Address::repeat_byte(1), Address::repeat_byte(2), [3; 4]);
        let (one, two, three) = ("01".repeat(20), "02".repeat(20), "03".repeat(4));
        let keys = [
            (contract_key(contract), format!("40/{one}")),
            (method_list_key(contract, method), format!("41/{one}{three}")),
            (List::Deploy.member_key(account), format!("42/{two}")),
            (List::Contract(contract).member_key(account), format!("42/{one}{two}")),
            (List::Method(contract, method).member_key(account), format!("42/{one}{three}{two}")),
            (deploy_list_key(), "43/".to_owned()),
            (halt_key(contract), format!("44/{one}")),
            (attributes_key(contract), format!("45/{one}")),
            (approval_key(B256::repeat_byte(4), account), format!("46/{}{two}", "04".repeat(32))),
            (review_key(5, account), format!("46/0000000000000005{two}")),
            (approval_rule_write(true).0, "47/".to_owned()),
            (version_in_force_key(contract), format!("48/{one}")),
            (version_key(contract, 5), format!("48/{one}0000000000000005")),
        ];
        for (key, golden) in keys {
            assert_eq!(key.to_string(), golden);
        }
        assert_eq!(deploy_list_key().state_key(), StateKey::system(0x43, &[]));
    }

    #[test]
    fn the_committee_and_the_policies_mean_the_same_by_the_kinds_of_lists() {
        let told = concordat_governance::action::ListKind::ALL.map(|kind| (kind.code(), kind.to_string()));
        let meant = ListKind::ALL.map(|kind| (kind.code(), kind.name().to_owned()));
        assert_eq!(told, meant);
    }
}
