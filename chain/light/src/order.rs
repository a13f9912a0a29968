//! What a transaction asks of the contract of orders, in words, and what that contract says where it refuses.

use alloy_primitives::{Address, B256, TxKind};
use alloy_sol_types::{SolError as _, SolInterface as _};
use concordat_core::{
    ORDERS,
    governance::abi::IGovernance,
    orders::abi::IOrders::{IOrdersCalls as Calls, freezeCall},
};

/// What a transaction to this callee with this input orders, confirms, ends or anchors; `None` where it is no such act.
///
/// The words are those of the call alone: whether the chain takes it, its receipt says.
pub fn describe_order(to: TxKind, input: &[u8]) -> Option<String> {
    if to != TxKind::Call(ORDERS) {
        return None;
    }
    Some(match Calls::abi_decode(input).ok()? {
        Calls::freeze(it) => {
            let what = format!("{} of account {}", measure(&it)?, it.account);
            terms(&what, it.until, it.document, &it.documentReference)
        }
        Calls::blacklist(it) => {
            let what = format!("blacklist of account {}", it.account);
            terms(&what, it.until, it.document, &it.documentReference)
        }
        Calls::halt(it) => {
            let what = format!("halt of contract {}", it.contractAddress);
            terms(&what, it.until, it.document, &it.documentReference)
        }
        Calls::demand(it) => {
            let of = addressee(&it.organisation, it.contractAddress);
            let basis = basis(it.document, &it.documentReference);
            format!("demand of {of}, due at height {}; {basis}", it.due)
        }
        Calls::confirm(it) => format!("confirmation of order {}, digest {}", it.id, it.digest),
        Calls::release(it) => {
            format!("release of order {}; {}", it.id, basis(it.document, &it.documentReference))
        }
        Calls::answer(it) => {
            format!("answer to demand {}; {}", it.id, basis(it.document, &it.documentReference))
        }
        Calls::anchorReads(it) => format!("anchor of {} reads, head {}", it.count, it.head),
        _ => return None,
    })
}

/// What the chain's contracts say in the data of a revert, where they refuse by a code.
pub fn refusal(data: &[u8]) -> Option<String> {
    let IGovernance::Refused { code, reason } = IGovernance::Refused::abi_decode(data).ok()?;
    Some(format!("refused, code {code}: {reason}"))
}

/// What a freeze is called; `None` for a scope that there is not, which the chain refuses.
fn measure(it: &freezeCall) -> Option<String> {
    let contract = it.contractAddress;
    Some(match it.scope {
        1 => "freeze-all".to_owned(),
        2 => "freeze-outgoing".to_owned(),
        3 => format!("freeze-contract {contract}"),
        4 => format!("freeze-token {contract}"),
        _ => return None,
    })
}

fn addressee(organisation: &str, contract: Address) -> String {
    if contract.is_zero() { format!("organisation {organisation}") } else { format!("contract {contract}") }
}

/// As orders are described where they are confirmed.
fn terms(what: &str, until: u64, document: B256, reference: &str) -> String {
    let end = match until {
        0 => "until it is released".to_owned(),
        until => format!("through height {until}"),
    };
    format!("{what}, {end}; {}", basis(document, reference))
}

fn basis(document: B256, reference: &str) -> String {
    format!("basis {reference:?} {document}")
}

#[cfg(test)]
mod tests {
    use alloy_sol_types::SolCall as _;
    use concordat_core::orders::abi::IOrders::{
        anchorReadsCall, confirmCall, demandCall, haltCall, orderCall,
    };

    use super::*;

    const ACCOUNT: Address = Address::repeat_byte(1);

    fn described(input: &[u8]) -> Option<String> {
        describe_order(TxKind::Call(ORDERS), input)
    }

    fn freeze(scope: u8, contract: Address, until: u64) -> Vec<u8> {
        let (document, reference) = (B256::repeat_byte(9), "BaFin 7/2026".to_owned());
        freezeCall {
            account: ACCOUNT,
            scope,
            contractAddress: contract,
            document,
            documentReference: reference,
            until,
        }
        .abi_encode()
    }

    #[test]
    fn an_act_is_told_with_whom_it_is_about_until_when_and_by_which_document() {
        let all = described(&freeze(1, Address::ZERO, 0)).unwrap();
        let expected = format!(
            "freeze-all of account {ACCOUNT}, until it is released; basis \"BaFin 7/2026\" {}",
            B256::repeat_byte(9)
        );
        assert_eq!(all, expected);
        let token = Address::repeat_byte(2);
        let of_token = described(&freeze(4, token, 900)).unwrap();
        assert!(
            of_token.starts_with(&format!("freeze-token {token} of account {ACCOUNT}, through height 900"))
        );
        let confirm = confirmCall { id: 7, digest: B256::repeat_byte(8) }.abi_encode();
        assert!(described(&confirm).unwrap().starts_with("confirmation of order 7, digest 0x0808"));
        let (document, reference) = (B256::ZERO, String::new);
        let halt = haltCall { contractAddress: token, document, documentReference: reference(), until: 0 };
        assert!(
            described(&halt.abi_encode()).unwrap().starts_with(&format!("halt of contract {token}, until"))
        );
        let demand = demandCall {
            organisation: "bank-a".into(),
            contractAddress: Address::ZERO,
            document,
            documentReference: reference(),
            due: 5,
        };
        assert!(
            described(&demand.abi_encode())
                .unwrap()
                .starts_with("demand of organisation bank-a, due at height 5")
        );
        let anchor = anchorReadsCall { head: B256::ZERO, count: 12 }.abi_encode();
        assert!(described(&anchor).unwrap().starts_with("anchor of 12 reads"));
    }

    #[test]
    fn what_is_no_act_of_the_contract_of_orders_has_no_words() {
        let good = freeze(1, Address::ZERO, 0);
        assert_eq!(describe_order(TxKind::Call(ACCOUNT), &good), None, "another contract");
        assert_eq!(describe_order(TxKind::Create, &good), None, "a contract would be made");
        assert_eq!(described(&orderCall { id: 7 }.abi_encode()), None, "a question changes nothing");
        assert_eq!(described(&freeze(5, Address::ZERO, 0)), None, "there is no such scope");
        assert_eq!(described(&[]), None);
        assert_eq!(described(&good[..good.len() - 40]), None, "cut");
    }

    #[test]
    fn a_refusal_is_told_with_its_code() {
        let data = IGovernance::Refused { code: 138, reason: "its own order".into() }.abi_encode();
        assert_eq!(refusal(&data).as_deref(), Some("refused, code 138: its own order"));
        assert_eq!(refusal(&[1, 2, 3, 4]), None);
    }
}
