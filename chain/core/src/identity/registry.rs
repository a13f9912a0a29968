//! The registry as nodes and RPC read it.

use std::collections::BTreeSet;

use concordat_pki_verify::Purpose;
use concordat_types::{
    Address, B256, Bytes, ChainParams, ChangeSet, OrgId, ReadError, Role, StateReader, U256, ValidatorSet,
    validator::ConsensusAddress,
};

use super::{
    ActError, RegistryError, bars,
    certificates::CheckedPath,
    membership::{account_rows, check_member_path},
    records::{Account, Bar, CertificateId, Organisation, Revocation, ValidatorRecord},
    tables,
};
use crate::{
    account::{account_state, code, corrupt, storage_word},
    reading::ReadAt,
    system::{RowKey, Rows, params_unknown, signers_unknown},
};

/// Rows straight from a reader.
pub(crate) struct ReaderRows<'a, R>(pub(crate) &'a R);

impl<R: StateReader> Rows for ReaderRows<'_, R> {
    fn row(&mut self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        Ok(self.0.get(&key.state_key())?.map(Bytes::from))
    }

    fn code_hash(&mut self, address: Address) -> Result<Option<B256>, ReadError> {
        Ok(account_state(self.0, address)?.code_hash)
    }

    fn params(&self) -> Result<ChainParams, ReadError> {
        Err(params_unknown())
    }

    fn word(&mut self, address: Address, slot: U256) -> Result<U256, ReadError> {
        storage_word(self.0, address, slot.into())
    }

    fn code(&mut self, address: Address) -> Result<Bytes, ReadError> {
        code(self.0, address)
    }

    fn recent_signers(&self) -> Result<BTreeSet<ConsensusAddress>, ReadError> {
        Err(signers_unknown())
    }
}

/// A node that may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Its organisation.
    pub org: OrgId,
    /// Its role, one of the node roles.
    pub role: Role,
    /// SHA-256 of its SubjectPublicKeyInfo: who it is, across renewals.
    pub spki_sha256: B256,
    /// The common name of its certificate.
    pub common_name: String,
    /// The last second at which its path is valid, Unix seconds.
    pub not_after: u64,
    /// The certificates that vouch for it, to be looked up when CRLs come in.
    pub path: Vec<CertificateId>,
}

/// An application that may use the RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Its organisation.
    pub org: OrgId,
    /// Its role, one of the account roles.
    pub role: Role,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki_sha256: B256,
    /// The common name of its certificate.
    pub common_name: String,
    /// The last second at which its path is valid, Unix seconds.
    pub not_after: u64,
    /// The account that its key controls.
    pub address: Option<Address>,
    /// The certificates that vouch for it, to be looked up when CRLs come in.
    pub path: Vec<CertificateId>,
}

/// Why a certificate opens no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizeError {
    /// The registry says no.
    #[error(transparent)]
    Refused(RegistryError),
    /// The registry could not be read.
    #[error(transparent)]
    State(ReadError),
}

impl From<ActError> for AuthorizeError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(refusal) => Self::Refused(refusal),
            ActError::State(error) => Self::State(error),
        }
    }
}

/// Reads of the registry in one state.
#[derive(Clone, Debug)]
pub struct Registry<R> {
    reader: R,
}

impl<R: StateReader> Registry<R> {
    /// The registry in a state.
    pub fn new(reader: R) -> Self {
        Self { reader }
    }

    fn rows(&self) -> ReaderRows<'_, R> {
        ReaderRows(&self.reader)
    }

    /// An organisation's entry.
    pub fn organisation(&self, id: &OrgId) -> Result<Option<Organisation>, ReadError> {
        tables::organisation(&mut self.rows(), id)
    }

    /// All organisations, in the order of their ids.
    pub fn organisations(&self) -> Result<Vec<Organisation>, ReadError> {
        let rows = &mut self.rows();
        tables::organisation_ids(rows)?
            .iter()
            .map(|id| tables::organisation(rows, id)?.ok_or_else(|| corrupt(format!("registry row of {id}"))))
            .collect()
    }

    /// An account's entry.
    pub fn account(&self, address: Address) -> Result<Option<Account>, ReadError> {
        tables::account(&mut self.rows(), address)
    }

    /// The identity that an account belongs to, or belonged to.
    pub fn identity_of(&self, account: Address) -> Result<Address, ReadError> {
        tables::identity_of(&mut self.rows(), account)
    }

    /// The account that acts for an identity now, which may be told by any account that ever did.
    pub fn account_of(&self, identity: Address) -> Result<Address, ReadError> {
        Ok(tables::bound(&mut self.rows(), identity)?.account)
    }

    /// The bar of the identity of an account.
    pub fn bar(&self, account: Address) -> Result<Option<Bar>, ReadError> {
        let identity = self.identity_of(account)?;
        tables::bar(&mut self.rows(), identity)
    }

    /// The bar of a node, by the SHA-256 of its SubjectPublicKeyInfo.
    pub fn node_bar(&self, node_key: B256) -> Result<Option<Bar>, ReadError> {
        tables::barred_node(&mut self.rows(), node_key)
    }

    /// The rows of the state that hold an account, as enrolment writes them: for states that are made as a
    /// whole, where no transaction enrols anyone. `None` if this state does not know the account's authority.
    pub fn account_rows(&self, account: &Account) -> Result<Option<ChangeSet>, ReadError> {
        let Some(authority) = account.authority() else { return Ok(None) };
        let number = tables::authority_number(&mut self.rows(), &authority)?;
        let rows =
            |number| account_rows(account, number).map(|(key, row)| (key.state_key(), Some(row.to_vec())));
        Ok(number.map(|number| rows(number).into()))
    }

    /// A certificate's revocation: the issuer by the SHA-256 of its SubjectPublicKeyInfo, the serial
    /// number big-endian without leading zeros.
    pub fn revocation(&self, issuer: B256, serial: &[u8]) -> Result<Option<Revocation>, ReadError> {
        let id = CertificateId { issuer, serial: Bytes::copy_from_slice(serial) };
        tables::revocation(&mut self.rows(), &id)
    }

    /// Whether a certificate of a path is revoked.
    pub fn is_path_revoked(&self, path: &[CertificateId]) -> Result<bool, ReadError> {
        Ok(tables::first_revoked(&mut self.rows(), path)?.is_some())
    }

    /// All validators' entries, in the order of their consensus keys.
    pub fn validator_records(&self) -> Result<Vec<ValidatorRecord>, ReadError> {
        tables::validators(&mut self.rows())
    }

    /// The validator set that this state leaves.
    pub fn validators(&self) -> Result<ValidatorSet, ReadError> {
        tables::validator_set(&self.validator_records()?)
            .map_err(|error| corrupt(format!("validator set ({error})")))
    }

    /// Decides whether a node may connect: its path holds, its organisation is a member and may run such
    /// nodes, nothing on the path is revoked. `chain` is DER, leaf first; `at_secs` Unix seconds.
    pub fn authorize_node(
        &self,
        chain: &[impl AsRef<[u8]>],
        at_secs: u64,
    ) -> Result<NodeIdentity, AuthorizeError> {
        let path = self.checked(chain, Purpose::Node, at_secs)?;
        Ok(NodeIdentity {
            org: path.org,
            role: path.role,
            spki_sha256: path.spki,
            common_name: path.common_name,
            not_after: path.not_after,
            path: path.ids,
        })
    }

    /// Decides whether an application may use the RPC, as [`Self::authorize_node`] does for nodes. It
    /// needs no enrolled account, but its certificate is of the same kind as accounts', and whoever an order shuts
    /// out is so with every certificate.
    pub fn authorize_client(
        &self,
        chain: &[impl AsRef<[u8]>],
        at: ReadAt,
    ) -> Result<ClientIdentity, AuthorizeError> {
        let path = self.checked(chain, Purpose::Account, at.time_secs)?;
        bars::check_orders(&mut self.rows(), &path, at.height)?;
        let address = path.address();
        if let Some(address) = address {
            // It may present another certificate for its key than the one with which it enrolled.
            bars::check_holder(&mut self.rows(), address)?;
        }
        Ok(ClientIdentity {
            address,
            org: path.org,
            role: path.role,
            spki_sha256: path.spki,
            common_name: path.common_name,
            not_after: path.not_after,
            path: path.ids,
        })
    }

    fn checked(
        &self,
        chain: &[impl AsRef<[u8]>],
        purpose: Purpose,
        at_secs: u64,
    ) -> Result<CheckedPath, AuthorizeError> {
        Ok(check_member_path(&mut self.rows(), chain, purpose, at_secs)?)
    }
}
