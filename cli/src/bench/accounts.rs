//! The accounts of the load, and everything that they will sign.
//!
//! Keys come from the seed, certificates from the network's own authorities. Nothing is written to files.

use std::{
    collections::VecDeque,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall as _, SolValue as _, sol};
use concordat_core::{IDENTITY_REGISTRY, abi::IIdentityRegistry};
use concordat_pki_authority::{Authority, CertificateRequest, KeyType, Passphrase, PrivateKey};
use concordat_types::Role;
use eyre::{Result, WrapErr as _, eyre};
use secp256k1::SecretKey;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::surveillance::amount;
use crate::{
    net::Network,
    transaction::{Act, Place, sign_ethereum},
};

/// The compiled token, as the demo deploys it.
const TOKEN: &str = include_str!("../../../tests/contracts/BankToken.json");

/// What each account gets: more than it can spend.
const GRANT: u64 = 1_000_000_000;

/// Validity of the certificates, in days.
const DAYS: u32 = 30;

pub(super) const ENROL_GAS: u64 = 3_000_000;
pub(super) const DEPLOY_GAS: u64 = 5_000_000;
pub(super) const TRANSFER_GAS: u64 = 60_000;

sol! {
    function transfer(address to, uint256 value) external returns (bool);
}

/// A signed transaction.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Its hash.
    pub hash: B256,
    /// Its bytes.
    pub raw: Bytes,
}

impl Signed {
    /// A transaction with these bytes.
    pub(super) fn new(raw: Bytes) -> Self {
        Self { hash: keccak256(&raw), raw }
    }
}

/// An account of the load.
pub struct Account {
    secret: SecretKey,
    /// Its address.
    pub address: Address,
    pub(super) next_nonce: u64,
    /// Signed transfers that were not submitted yet, in the order of their nonces.
    pub queue: VecDeque<Signed>,
}

impl Account {
    /// Signs the account's next transaction.
    pub(super) fn sign(&mut self, chain_id: u64, act: &Act) -> Signed {
        let place =
            Place { chain_id, nonce: self.next_nonce, gas: act.gas.unwrap_or(TRANSFER_GAS), height: 0 };
        self.next_nonce += 1;
        Signed::new(sign_ethereum(&self.secret, act, place))
    }
}

/// The accounts, and what has to happen before they can transfer.
pub struct Workload {
    chain_id: u64,
    /// The token.
    pub token: Address,
    /// Presents every certificate.
    pub enrolments: Vec<Signed>,
    /// Deploys the token.
    pub deployment: Signed,
    /// Gives each account its tokens.
    pub grants: Vec<Signed>,
    /// Who transfers.
    pub accounts: Vec<Account>,
    /// Whether amounts differ as people's do, rather than being one unit.
    pub varied: bool,
    addresses: Vec<Address>,
}

impl Workload {
    /// Certifies `count` accounts by the network's authorities in turns, and signs what sets them up.
    pub fn new(network: &Network, home: &Path, count: usize, seed: u64) -> Result<Self> {
        let chain_id = network.evm_chain_id;
        let mut issuers = open_authorities(network, home)?;
        let issuer = issuers.first_mut().ok_or_else(|| eyre!("the network has no organisation"))?;
        let (mut developer, enrolment) =
            certified(issuer, chain_id, Role::Developer, &format!("{seed}/developer"))?;
        let mut enrolments = vec![enrolment];
        let mut accounts = Vec::with_capacity(count);
        let banks = issuers.len();
        for index in 0..count {
            let issuer =
                issuers.get_mut(index % banks).ok_or_else(|| eyre!("the network has no organisation"))?;
            let (account, enrolment) =
                certified(issuer, chain_id, Role::Operator, &format!("{seed}/{index}"))?;
            accounts.push(account);
            enrolments.push(enrolment);
        }
        let token = developer.address.create(developer.next_nonce);
        let deploy = Act { to: TxKind::Create, input: token_init_code()?, gas: Some(DEPLOY_GAS) };
        let deployment = developer.sign(chain_id, &deploy);
        let addresses: Vec<Address> = accounts.iter().map(|account| account.address).collect();
        let grant = |to: &Address| developer.sign(chain_id, &transfer(token, *to, GRANT));
        let grants = addresses.iter().map(grant).collect();
        Ok(Self { chain_id, token, enrolments, deployment, grants, accounts, varied: false, addresses })
    }

    /// Signs transfers on all cores until there are `total`, spread evenly over the accounts.
    pub fn sign_ahead(&mut self, total: usize) {
        let each = total.div_ceil(self.accounts.len().max(1));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = self.accounts.len().div_ceil(cores).max(1);
        let (chain_id, token, varied, addresses) = (self.chain_id, self.token, self.varied, &self.addresses);
        std::thread::scope(|scope| {
            for (part, accounts) in self.accounts.chunks_mut(share).enumerate() {
                scope.spawn(move || {
                    for (account, index) in accounts.iter_mut().zip(part * share..) {
                        let paid = |nonce| (payee(addresses, index, nonce), units(varied, index, nonce));
                        fill(account, chain_id, token, paid, each);
                    }
                });
            }
        });
    }
}

/// Signs transfers ahead; `paid` tells who gets how much by the one with a nonce.
fn fill(
    account: &mut Account,
    chain_id: u64,
    token: Address,
    paid: impl Fn(u64) -> (Address, u64),
    each: usize,
) {
    while account.queue.len() < each {
        let (payee, units) = paid(account.next_nonce);
        let act = transfer(token, payee, units);
        let signed = account.sign(chain_id, &act);
        account.queue.push_back(signed);
    }
}

/// Whom an account pays: another one each time, the same in each run.
fn payee(addresses: &[Address], index: usize, nonce: u64) -> Address {
    let step = usize::try_from(nonce).unwrap_or(0).wrapping_mul(7).wrapping_add(1);
    let at = index.wrapping_add(step) % addresses.len().max(1);
    addresses.get(at).copied().unwrap_or_default()
}

/// How much an account pays.
fn units(varied: bool, index: usize, nonce: u64) -> u64 {
    let number = u64::try_from(index).unwrap_or(0).wrapping_mul(1_000_003).wrapping_add(nonce);
    if varied { amount(number) } else { 1 }
}

/// A transfer of the token.
pub(super) fn transfer(token: Address, to: Address, units: u64) -> Act {
    let input = transferCall { to, value: U256::from(units) }.abi_encode();
    Act { to: TxKind::Call(token), input: input.into(), gas: Some(TRANSFER_GAS) }
}

/// The token's init code: all units go to whoever deploys it.
pub(super) fn token_init_code() -> Result<Bytes> {
    let artefact: Value = serde_json::from_str(TOKEN)?;
    let code =
        artefact["bytecode"].as_str().ok_or_else(|| eyre!("the token's artefact has no `bytecode`"))?;
    let mut code = hex::decode(code.trim_start_matches("0x"))?;
    code.extend(U256::MAX.abi_encode());
    Ok(code.into())
}

pub(super) fn open_authorities(network: &Network, home: &Path) -> Result<Vec<Authority>> {
    let passphrase = Passphrase::from_file(&network.passphrase_file)?;
    let folder = |bank: &str| home.join("organisations").join(bank).join("ca");
    let open = |bank: &str| {
        Authority::open(&folder(bank), &passphrase).wrap_err_with(|| format!("authority of {bank}"))
    };
    network.nodes.iter().map(|node| open(node.organisation.as_str())).collect()
}

/// A key from the seed, certified, and the transaction that enrols it.
pub(super) fn certified(
    authority: &mut Authority,
    chain_id: u64,
    role: Role,
    seed: &str,
) -> Result<(Account, Signed)> {
    let secret: [u8; 32] = Sha256::digest(format!("concordat bench {seed}")).into();
    let key = PrivateKey::from_raw_secret(KeyType::Secp256k1, &secret)?;
    let org = authority.org().clone();
    let request = CertificateRequest::create(&key, &org, role, &format!("bench {seed}"), &[])?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let issued = authority.issue(&request, &request.profile(DAYS), now)?;
    let chain = issued.chain.iter().map(|certificate| Bytes::copy_from_slice(certificate.der())).collect();
    let mut account = Account {
        secret: SecretKey::from_byte_array(secret)?,
        address: crate::keys::address(&key)?,
        next_nonce: 0,
        queue: VecDeque::new(),
    };
    let input = IIdentityRegistry::enrolCall { chain }.abi_encode();
    let act = Act { to: TxKind::Call(IDENTITY_REGISTRY), input: input.into(), gas: Some(ENROL_GAS) };
    let enrolment = account.sign(chain_id, &act);
    Ok((account, enrolment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_pays_the_same_account_twice_in_a_row() {
        let addresses: Vec<Address> = (0..100u8).map(Address::repeat_byte).collect();
        let payees: Vec<Address> = (1..20).map(|nonce| payee(&addresses, 3, nonce)).collect();
        assert!(payees.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(payee(&addresses, 3, 5), payee(&addresses, 3, 5), "the same in each run");
    }

    #[test]
    fn the_token_is_the_compiled_one_with_its_supply() {
        let code = token_init_code().unwrap();
        assert!(code.ends_with(&[0xff; 32]));
    }
}
