//! Signatures of many transactions, checked at once against the keys of those who are said to have sent them.
//!
//! By ECDSA (SEC 1, section 4.1), `(r, s)` over the digest `z` is key `Q`'s signature if `R = (z/s) G + (r/s) Q`, where
//! `R` is the point whose x is `r` and whose y has the parity that Ethereum's signatures tell. Recovery (section 4.1.6)
//! finds the one `Q` for which that holds, so whoever is told `Q` need not look for it. Many such equations hold if
//! their sum with random weights does; if one does not hold, nor does the sum but for a chance of 2⁻¹²⁸ (Bellare, Garay
//! and Rabin, "Fast Batch Verification", 1998). The sum is one multi-scalar multiplication, in which the equations of
//! one key share a term.
//!
//! The weights come from a hash of all that is summed up: whoever makes transactions cannot choose them, and every node
//! finds the same. If the sum does not hold, each signature is checked alone, so that what is told can make this
//! slower, but never the result another.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Keccak256, U256};
use ark_ec::{AffineRepr as _, VariableBaseMSM as _};
use ark_ff::{AdditiveGroup as _, PrimeField as _, batch_inversion};
use ark_secp256k1::{Affine, Fq, Fr, Projective};
use secp256k1::{PublicKey, constants::CURVE_ORDER};

use super::{SignedTx, TxError, TxPayload, VerifiedTx, address_of};

/// Fewer signatures than this are as soon checked one by one.
const WORTH_SUMMING: usize = 64;

/// The public key of an account, known from a signature that was checked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderKey {
    address: Address,
    point: Affine,
}

impl SenderKey {
    /// Whose it is.
    pub fn address(&self) -> Address {
        self.address
    }
}

impl From<&PublicKey> for SenderKey {
    fn from(key: &PublicKey) -> Self {
        Self { address: address_of(key), point: affine(key) }
    }
}

/// A transaction whose signature is good; its sender's key if we were not told that one, and there is one for
/// [`verify_all`].
pub type Found = (VerifiedTx, Option<SenderKey>);

/// [`SignedTx::verify`] of transactions, with the very same result. `told` are the keys of who is said to have sent
/// them, in the same order, where somebody says so and we know the key.
///
/// # Errors
/// Those of a transaction that is wrong.
pub fn verify_all(
    txs: Vec<SignedTx>,
    told: &[Option<SenderKey>],
    chain_id: u64,
) -> Result<Vec<Found>, TxError> {
    txs.iter().try_for_each(|tx| tx.check_form(chain_id))?;
    let worth_it = told.iter().flatten().count() >= WORTH_SUMMING;
    let told = told.iter().filter(|_| worth_it).copied().chain(std::iter::repeat(None));
    let claims: Vec<_> = txs.iter().zip(told).map(|(tx, key)| Claim::of(tx, key?)).collect();
    let hold = hold(&claims.iter().flatten().collect::<Vec<_>>());
    let found = txs.into_iter().zip(claims).map(|(tx, claim)| match claim {
        Some(claim) if hold => Ok((VerifiedTx { tx, sender: claim.key.address }, None)),
        _ => alone(tx),
    });
    found.collect()
}

/// One whose form has been checked, by itself.
fn alone(tx: SignedTx) -> Result<Found, TxError> {
    let (sender, key) = tx.signer()?;
    let key = key.map(|key| SenderKey { address: sender, point: affine(&key) });
    Ok((VerifiedTx { tx, sender }, key))
}

/// That a key signed a transaction: the terms of the equation.
struct Claim {
    hash: B256,
    key: SenderKey,
    digest: Fr,
    r: Fr,
    s: Fr,
    point: Affine,
}

impl Claim {
    /// `None` if it may not be, whoever signed: that is told by whoever checks it alone.
    fn of(tx: &SignedTx, key: SenderKey) -> Option<Self> {
        let TxPayload::Ethereum(envelope) = &tx.payload else { return None };
        let signature = envelope.signature();
        let (r, s) = (signature.r(), signature.s());
        let order = U256::from_be_bytes(CURVE_ORDER);
        if signature.normalize_s().is_some() || r.is_zero() || s.is_zero() || r >= order {
            return None;
        }
        // SEC 1, section 2.3.4.
        let parity = if signature.v() { 3 } else { 2 };
        let compressed: Vec<u8> = [parity].into_iter().chain(r.to_be_bytes::<32>()).collect();
        let point = affine(&PublicKey::from_slice(&compressed).ok()?);
        let scalar = |bytes: &[u8; 32]| Fr::from_be_bytes_mod_order(bytes);
        let digest = scalar(&envelope.signature_hash().0);
        let (r, s) = (scalar(&r.to_be_bytes()), scalar(&s.to_be_bytes()));
        Some(Self { hash: tx.hash, key, digest, r, s, point })
    }
}

/// Whether all claims hold.
fn hold(claims: &[&Claim]) -> bool {
    let mut inverses: Vec<Fr> = claims.iter().map(|claim| claim.s).collect();
    batch_inversion(&mut inverses);
    let weights = weights(claims);
    let mut of_base = Fr::ZERO;
    // A multiple of each key.
    let mut of_keys: BTreeMap<Address, (Affine, Fr)> = BTreeMap::new();
    for ((claim, inverse), weight) in claims.iter().zip(inverses).zip(&weights) {
        let share = Fr::from(*weight) * inverse;
        of_base += share * claim.digest;
        of_keys.entry(claim.key.address).or_insert((claim.key.point, Fr::ZERO)).1 += share * claim.r;
    }
    let points: Vec<Affine> = claims.iter().map(|claim| claim.point).collect();
    let weights: Vec<_> = weights.into_iter().map(|weight| Fr::from(weight).into_bigint()).collect();
    let (mut keys, mut multiples): (Vec<Affine>, Vec<Fr>) = of_keys.into_values().unzip();
    keys.push(Affine::generator());
    multiples.push(of_base);
    let multiples: Vec<_> = multiples.into_iter().map(Fr::into_bigint).collect();
    Projective::msm_bigint(&points, &weights) == Projective::msm_bigint(&keys, &multiples)
}

/// A number of 128 bits for each claim, which nobody knew who made one of them.
fn weights(claims: &[&Claim]) -> Vec<u128> {
    let mut all = Keccak256::new();
    for claim in claims {
        // The transaction's hash covers digest and signature, the address the key.
        all.update(claim.hash);
        all.update(claim.key.address);
    }
    let seed = all.finalize();
    let weight = |place: usize| {
        let mut one = Keccak256::new();
        one.update(seed);
        one.update((place as u64).to_be_bytes());
        let [high @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = one.finalize().0;
        u128::from_be_bytes(high)
    };
    (0..claims.len()).map(weight).collect()
}

/// The point of a key that is one.
fn affine(key: &PublicKey) -> Affine {
    let [_, coordinates @ ..] = key.serialize_uncompressed();
    let (x, y) = coordinates.split_at(32);
    Affine::new_unchecked(Fq::from_be_bytes_mod_order(x), Fq::from_be_bytes_mod_order(y))
}

#[cfg(test)]
mod tests;
