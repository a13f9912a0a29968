//! Orders of a supervisor: transactions that its own key has signed elsewhere, handed to the node beside the service. The key
//! never comes here, and nobody hands in what somebody else has signed.

use alloy_primitives::Bytes;
use concordat_light::{LightError, ORDERS, describe_order, refusal};
use concordat_types::{
    Address, B256,
    tx::{SignedTx, VerifiedTx},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    node::{Answered, Node, failed},
    problem::{Kind, Problem},
};

/// What a node says of a transaction that it has already.
const KNOWN: &str = "already known";

/// The longest words of a node that are told, in characters.
const LONGEST: usize = 500;

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    raw: String,
}

/// An order that its regulator has signed.
#[derive(Debug)]
pub(crate) struct Order {
    tx: VerifiedTx,
    says: String,
}

/// Reads the body of a request: a transaction, whoever has signed it.
pub(crate) fn read(body: &[u8]) -> Result<SignedTx, Problem> {
    let takes = "the body is a JSON object with raw: the signed transaction, 0x and hexadecimal digits";
    let body: Option<Body> = serde_json::from_slice(body).ok();
    let raw = body.and_then(|body| hex::decode(body.raw.strip_prefix("0x")?).ok());
    let raw = raw.ok_or_else(|| Problem::new(Kind::Malformed, takes))?;
    SignedTx::parse(raw.into()).map_err(|error| Problem::new(Kind::Malformed, format!("raw: {error}")))
}

impl Order {
    /// Takes a transaction that the caller's own account has signed for this chain, and that is an act on orders.
    pub(crate) fn of(tx: SignedTx, chain_id: u64, caller: Address) -> Result<Self, Problem> {
        let tx = tx.verify(chain_id);
        let tx = tx.map_err(|error| Problem::new(Kind::Malformed, format!("raw: {error}")))?;
        if tx.sender() != caller {
            let detail =
                format!("it is signed by {}; hand in what your account {caller} has signed", tx.sender());
            return Err(Problem::new(Kind::ForeignSigner, detail));
        }
        let says = describe_order(tx.kind(), tx.input()).ok_or_else(|| {
            let detail =
                format!("it is no act of the contract of orders, {ORDERS}: nothing else is handed on");
            Problem::new(Kind::NoOrder, detail)
        })?;
        Ok(Self { tx, says })
    }

    /// The transaction's hash.
    pub(crate) fn hash(&self) -> B256 {
        self.tx.hash()
    }

    /// Hands it to the node; on a thread that may wait. What the chain would refuse now is not handed on.
    pub(crate) fn send(&self, node: &Node) -> Result<Answer, Problem> {
        let call = json!({ "from": self.tx.sender(), "to": ORDERS, "input": self.tx.input() });
        let asked = node.ethereum.ask("eth_call", json!([call, "latest"])).map_err(|error| failed(&error))?;
        if let Answered::Refused { message, data } = asked {
            return Err(refused(&message, &data));
        }
        let sent = node.ethereum.ask("eth_sendRawTransaction", json!([self.tx.raw()]));
        match sent.map_err(|error| self.unsure(&error))? {
            // Whoever has got no answer sends it once more.
            Answered::Refused { message, data } if message != KNOWN => Err(refused(&message, &data)),
            _ => Ok(Answer { document: json!({ "hash": self.hash(), "says": self.says }), rows: 0 }),
        }
    }

    /// A node that gave no answer may have taken it all the same.
    fn unsure(&self, error: &LightError) -> Problem {
        let detail = format!(
            "whether it took the order is not known: look for /v1/transactions/{}, or hand it in again, which does no harm",
            self.hash()
        );
        Problem { detail, ..failed(error) }
    }
}

/// What comes of a refusal: in the node's words, or in those of the chain's own contracts.
fn refused(message: &str, data: &Value) -> Problem {
    let data: Option<Bytes> = serde_json::from_value(data.clone()).ok();
    let told = data.and_then(|data| refusal(&data));
    let detail: String = told.as_deref().unwrap_or(message).chars().take(LONGEST).collect();
    Problem::new(Kind::Refused, detail)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{FixedBytes, TxKind};
    use concordat_types::tx::{InstitutionalTx, p256_address};
    use openssl::{
        bn::BigNumContext,
        ec::{EcGroup, EcKey, PointConversionForm},
        ecdsa::EcdsaSig,
        nid::Nid,
        pkey::Private,
        sha::sha256,
    };

    use super::*;

    const CHAIN: u64 = 7;

    /// A P-256 key, and its point as accounts have it.
    fn key() -> (EcKey<Private>, FixedBytes<64>) {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = EcKey::generate(&group).unwrap();
        let mut context = BigNumContext::new().unwrap();
        let point =
            key.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context).unwrap();
        (key, FixedBytes::from_slice(&point[1..]))
    }

    fn signed((key, public_key): &(EcKey<Private>, FixedBytes<64>), to: Address, input: Vec<u8>) -> SignedTx {
        let tx = InstitutionalTx {
            chain_id: CHAIN,
            nonce: 0,
            gas_limit: 100_000,
            to: TxKind::Call(to),
            input: input.into(),
            first_height: 1,
            last_height: 9,
            public_key: *public_key,
            signature: FixedBytes::ZERO,
        };
        let signature = EcdsaSig::sign(&sha256(&tx.signing_bytes()), key).unwrap();
        let words = [signature.r(), signature.s()].map(|number| number.to_vec_padded(32).unwrap()).concat();
        let raw = tx.with_signature(words.try_into().unwrap()).encode_envelope();
        read(format!("{{\"raw\":\"0x{}\"}}", hex::encode(&raw)).as_bytes()).unwrap()
    }

    /// A call that releases order 7, by no document: its number, a hash, and where text is that has no length.
    fn release() -> Vec<u8> {
        let selector = alloy_primitives::keccak256("release(uint64,bytes32,string)");
        let words = ["07", "", "60", ""].map(|word| format!("{word:0>64}")).concat();
        [selector[..4].to_vec(), hex::decode(words).unwrap()].concat()
    }

    #[test]
    fn an_order_is_what_the_callers_own_key_has_signed_for_this_chain_and_nothing_else() {
        let (own, other) = (key(), key());
        let caller = p256_address(&own.1);
        let kind =
            |tx: SignedTx, chain| Order::of(tx, chain, caller).map(|_| ()).map_err(|problem| problem.kind);
        let order = Order::of(signed(&own, ORDERS, release()), CHAIN, caller).unwrap();
        assert!(order.says.starts_with("release of order 7"), "{}", order.says);
        assert_eq!(kind(signed(&own, ORDERS, release()), CHAIN + 1), Err(Kind::Malformed), "another chain's");
        assert_eq!(kind(signed(&other, ORDERS, release()), CHAIN), Err(Kind::ForeignSigner));
        assert_eq!(kind(signed(&own, caller, release()), CHAIN), Err(Kind::NoOrder), "another contract");
        assert_eq!(kind(signed(&own, ORDERS, vec![1, 2, 3, 4]), CHAIN), Err(Kind::NoOrder), "no act");
    }

    #[test]
    fn a_body_that_is_no_transaction_is_refused_with_what_it_takes() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"raw":"0x"}"#,
            r#"{"raw":7}"#,
            r#"{"raw":"zz"}"#,
            r#"{"raw":"02c0"}"#,
            r#"{"raw":"0x02c0"}"#,
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().kind, Kind::Malformed, "{body}");
        }
        let more = read(br#"{"raw":"0x02c0","key":"0x01"}"#).unwrap_err();
        assert!(more.detail.contains("the signed transaction"), "nobody sends a key: {}", more.detail);
    }

    #[test]
    fn a_refusal_is_told_in_the_nodes_words_and_these_are_bounded() {
        assert_eq!(refused("nonce too low", &Value::Null).detail, "nonce too low");
        assert_eq!(refused(&"x".repeat(9_999), &json!("0x01020304")).detail.len(), LONGEST);
    }
}
