//! Corrections: the closed list of calls that the committee makes to a token which has given it its agent's role.
//!
//! They are those of ERC-3643's `IToken`. The call data are Solidity's, in their one canonical form.

use std::fmt;

use alloy_primitives::{Address, Bytes, U256};
use serde::Serialize;

/// The most bytes of such a call.
pub const MAX_CORRECTION_BYTES: usize = 4 + 3 * 32;

/// The signatures of all calls, as messages name them.
pub const CORRECTIONS: &str = "forcedTransfer(address,address,uint256), mint(address,uint256), burn(address,uint256), \
     freezePartialTokens(address,uint256), unfreezePartialTokens(address,uint256), setAddressFrozen(address,bool), \
     recoveryAddress(address,address,address)";

const FORCED_TRANSFER: [u8; 4] = [0x9f, 0xc1, 0xd0, 0xe7];
const MINT: [u8; 4] = [0x40, 0xc1, 0x0f, 0x19];
const BURN: [u8; 4] = [0x9d, 0xc2, 0x9f, 0xac];
const FREEZE_PARTIAL_TOKENS: [u8; 4] = [0x12, 0x5c, 0x4a, 0x33];
const UNFREEZE_PARTIAL_TOKENS: [u8; 4] = [0x1f, 0xe5, 0x6f, 0x7d];
const SET_ADDRESS_FROZEN: [u8; 4] = [0xc6, 0x9c, 0x09, 0xcf];
const RECOVERY_ADDRESS: [u8; 4] = [0x92, 0x85, 0x94, 0x8a];

/// What is corrected of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "call", rename_all = "camelCase")]
pub enum Correction {
    /// `forcedTransfer(address,address,uint256)`: seizes.
    ForcedTransfer {
        /// Whose tokens go.
        from: Address,
        /// Who gets them.
        to: Address,
        /// How many, in the token's smallest unit.
        amount: U256,
    },
    /// `mint(address,uint256)`: replenishes.
    Mint {
        /// Who gets new tokens.
        to: Address,
        /// How many.
        amount: U256,
    },
    /// `burn(address,uint256)`.
    Burn {
        /// Whose tokens are destroyed.
        from: Address,
        /// How many.
        amount: U256,
    },
    /// `freezePartialTokens(address,uint256)`.
    FreezePartialTokens {
        /// Whose tokens are frozen.
        account: Address,
        /// How many.
        amount: U256,
    },
    /// `unfreezePartialTokens(address,uint256)`.
    UnfreezePartialTokens {
        /// Whose tokens are free again.
        account: Address,
        /// How many.
        amount: U256,
    },
    /// `setAddressFrozen(address,bool)`.
    SetAddressFrozen {
        /// Whose tokens.
        account: Address,
        /// Whether all of them are frozen.
        frozen: bool,
    },
    /// `recoveryAddress(address,address,address)`.
    RecoveryAddress {
        /// The wallet that is lost.
        lost: Address,
        /// The one that gets its tokens.
        new: Address,
        /// The investor's identity contract.
        identity: Address,
    },
}

impl Correction {
    /// The call data.
    pub fn encode(&self) -> Bytes {
        let (selector, words) = match *self {
            Self::ForcedTransfer { from, to, amount } => {
                (FORCED_TRANSFER, vec![word(from), word(to), amount.to_be_bytes()])
            }
            Self::Mint { to, amount } => (MINT, vec![word(to), amount.to_be_bytes()]),
            Self::Burn { from, amount } => (BURN, vec![word(from), amount.to_be_bytes()]),
            Self::FreezePartialTokens { account, amount } => {
                (FREEZE_PARTIAL_TOKENS, vec![word(account), amount.to_be_bytes()])
            }
            Self::UnfreezePartialTokens { account, amount } => {
                (UNFREEZE_PARTIAL_TOKENS, vec![word(account), amount.to_be_bytes()])
            }
            Self::SetAddressFrozen { account, frozen } => {
                (SET_ADDRESS_FROZEN, vec![word(account), U256::from(frozen).to_be_bytes()])
            }
            Self::RecoveryAddress { lost, new, identity } => {
                (RECOVERY_ADDRESS, vec![word(lost), word(new), word(identity)])
            }
        };
        [&selector[..], &words.concat()].concat().into()
    }

    /// Reads [`Self::encode`]'s bytes; `None` for any other call, and for any other form of one of these.
    pub fn decode(call: &[u8]) -> Option<Self> {
        let (selector, arguments) = call.split_first_chunk::<4>()?;
        let (words, []) = arguments.as_chunks::<32>() else { return None };
        Some(match (*selector, words) {
            (FORCED_TRANSFER, [from, to, amount]) => Self::ForcedTransfer {
                from: address(from)?,
                to: address(to)?,
                amount: U256::from_be_bytes(*amount),
            },
            (MINT, [to, amount]) => Self::Mint { to: address(to)?, amount: U256::from_be_bytes(*amount) },
            (BURN, [from, amount]) => {
                Self::Burn { from: address(from)?, amount: U256::from_be_bytes(*amount) }
            }
            (FREEZE_PARTIAL_TOKENS, [account, amount]) => {
                Self::FreezePartialTokens { account: address(account)?, amount: U256::from_be_bytes(*amount) }
            }
            (UNFREEZE_PARTIAL_TOKENS, [account, amount]) => Self::UnfreezePartialTokens {
                account: address(account)?,
                amount: U256::from_be_bytes(*amount),
            },
            (SET_ADDRESS_FROZEN, [account, frozen]) => {
                Self::SetAddressFrozen { account: address(account)?, frozen: flag(frozen)? }
            }
            (RECOVERY_ADDRESS, [lost, new, identity]) => Self::RecoveryAddress {
                lost: address(lost)?,
                new: address(new)?,
                identity: address(identity)?,
            },
            _ => return None,
        })
    }

    /// The accounts whose balances it bears on.
    pub fn accounts(&self) -> Vec<Address> {
        match *self {
            Self::ForcedTransfer { from, to, .. } => vec![from, to],
            Self::RecoveryAddress { lost, new, .. } => vec![lost, new],
            Self::Mint { to: account, .. }
            | Self::Burn { from: account, .. }
            | Self::FreezePartialTokens { account, .. }
            | Self::UnfreezePartialTokens { account, .. }
            | Self::SetAddressFrozen { account, .. } => vec![account],
        }
    }
}

impl fmt::Display for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForcedTransfer { from, to, amount } => {
                write!(f, "forced transfer of {amount} from {from} to {to}")
            }
            Self::Mint { to, amount } => write!(f, "{amount} new tokens for {to}"),
            Self::Burn { from, amount } => write!(f, "{amount} tokens of {from} are destroyed"),
            Self::FreezePartialTokens { account, amount } => {
                write!(f, "{amount} tokens of {account} are frozen")
            }
            Self::UnfreezePartialTokens { account, amount } => {
                write!(f, "{amount} frozen tokens of {account} are free again")
            }
            Self::SetAddressFrozen { account, frozen: true } => {
                write!(f, "all tokens of {account} are frozen")
            }
            Self::SetAddressFrozen { account, frozen: false } => {
                write!(f, "tokens of {account} are no longer frozen as a whole")
            }
            Self::RecoveryAddress { lost, new, identity } => {
                write!(f, "tokens of lost wallet {lost} go to {new}, of identity {identity}")
            }
        }
    }
}

fn word(address: Address) -> [u8; 32] {
    address.into_word().0
}

fn address(word: &[u8; 32]) -> Option<Address> {
    let address = Address::from_word(word.into());
    (address.into_word().0 == *word).then_some(address)
}

fn flag(word: &[u8; 32]) -> Option<bool> {
    match U256::from_be_bytes(*word) {
        U256::ZERO => Some(false),
        value if value == U256::ONE => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;

    use super::*;

    fn every() -> [(Correction, &'static str); 7] {
        let [one, two, three] = [1, 2, 3].map(Address::repeat_byte);
        let amount = U256::from(100);
        [
            (
                Correction::ForcedTransfer { from: one, to: two, amount },
                "forced transfer of 100 from 0x0101010101010101010101010101010101010101 to 0x02",
            ),
            (Correction::Mint { to: one, amount }, "100 new tokens for 0x01"),
            (Correction::Burn { from: one, amount }, "100 tokens of 0x01"),
            (Correction::FreezePartialTokens { account: one, amount }, "100 tokens of 0x01"),
            (Correction::UnfreezePartialTokens { account: one, amount }, "100 frozen tokens of 0x01"),
            (Correction::SetAddressFrozen { account: one, frozen: true }, "all tokens of 0x01"),
            (
                Correction::RecoveryAddress { lost: one, new: two, identity: three },
                "tokens of lost wallet 0x01",
            ),
        ]
    }

    #[test]
    fn the_calls_are_those_of_erc_3643_and_each_has_one_form() {
        let signatures: Vec<&str> = CORRECTIONS.split(", ").collect();
        assert_eq!(signatures.len(), every().len());
        for ((correction, text), signature) in every().into_iter().zip(signatures) {
            let call = correction.encode();
            assert_eq!(call[..4], keccak256(signature)[..4], "{signature}");
            assert!(call.len() <= MAX_CORRECTION_BYTES);
            assert_eq!(Correction::decode(&call), Some(correction));
            assert!(correction.to_string().starts_with(text), "{correction}");
            assert_eq!(Correction::decode(&call[..call.len() - 1]), None, "a byte less");
            assert_eq!(Correction::decode(&[&call[..], &[0]].concat()), None, "a byte more");
            assert_eq!(Correction::decode(&[&call[..], &[0; 32]].concat()), None, "a word more");
            let mut dirty = call.to_vec();
            dirty[4] = 1;
            assert_eq!(Correction::decode(&dirty), None, "bytes before an address");
        }
        let thawed = Correction::SetAddressFrozen { account: Address::ZERO, frozen: false };
        let mut call = thawed.encode().to_vec();
        assert_eq!(Correction::decode(&call), Some(thawed));
        call[67] = 2;
        assert_eq!(Correction::decode(&call), None, "no flag");
    }

    #[test]
    fn no_other_call_is_one() {
        for signature in
            ["transfer(address,uint256)", "approve(address,uint256)", "addAgent(address)", "pause()"]
        {
            let selector = keccak256(signature);
            for words in 0..4 {
                let call = [&selector[..4], &vec![0; 32 * words]].concat();
                assert_eq!(Correction::decode(&call), None, "{signature}");
            }
        }
        assert_eq!(Correction::decode(&[]), None);
    }

    #[test]
    fn people_are_told_whose_balances_change() {
        let [one, two] = [1, 2].map(Address::repeat_byte);
        assert_eq!(every()[0].0.accounts(), [one, two]);
        assert_eq!(every()[1].0.accounts(), [one]);
        assert_eq!(every()[6].0.accounts(), [one, two]);
    }
}
