//! Why somebody may or may not do something: by the chain's own functions, on the state of the node beside the service.

use alloy_primitives::FixedBytes;
use concordat_light::{Question, RemoteState, explanation, told};
use concordat_types::Address;
use serde_json::Value;

use crate::{
    answer::{Answer, Ask, as_of},
    body::nothing,
    node::{check_chain, failed},
    params::Parameters,
    problem::{Kind, Problem},
    service::Service,
    subject,
};

/// Its parameters.
pub(crate) const TAKES: &[&str] = &["account", "contract", "method", "deploy", "at"];

/// The document of an explanation: of accounts that the mandate covers, after a block that the database has.
pub(crate) async fn of(service: &Service, mut ask: Ask<'_>) -> Result<Answer, Problem> {
    let tip = &ask.admitted.tip;
    let height = ask.parameters.as_of(&service.reader, tip).await?;
    let question = question(&mut ask.parameters)?;
    ask.parameters.end(TAKES)?;
    if height < 1 {
        return Err(Problem::new(Kind::Malformed, "permissions are explained after block 1, and later ones"));
    }
    if !subject::covers_account(service, question.account, &ask.admitted.caller.scope, tip).await? {
        return Err(nothing());
    }
    let (node, permit) = service.beside.explains()?;
    let chain = tip.chain_id.clone();
    let explained = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let asked = u64::try_from(height).ok();
        let state = RemoteState::told(node.comet.clone(), asked).map_err(|error| failed(&error))?;
        check_chain(state.chain_id(), &chain)?;
        let grounds = explanation(&state, &question).map_err(|error| failed(&error))?;
        told(&question, &state, grounds.as_ref()).map_err(|error| failed(&error))
    });
    let mut document =
        explained.await.map_err(|error| Problem::internal("an explanation ended", error))??;
    if let Value::Object(fields) = &mut document {
        fields.insert("as_of".into(), as_of(height, tip));
    }
    Ok(Answer { document, rows: 1 })
}

/// What would be done: a call of a contract, or the making of one.
fn question(parameters: &mut Parameters) -> Result<Question, Problem> {
    let wrong = |detail: &str| Problem::new(Kind::Malformed, detail);
    let account = parameters.address("account")?;
    let account: Address = account.ok_or_else(|| wrong("account is missing: who would sign"))?;
    let contract = parameters.address("contract")?;
    let method = parameters.take("method").map(|text| selector(&text)).transpose()?;
    let deploy = parameters.word("deploy", &[("true", true), ("false", false)])?.unwrap_or(false);
    match (contract, method, deploy) {
        (Some(_), _, false) | (None, None, true) => Ok(Question { account, contract, method }),
        _ => Err(wrong("name the contract that would be called, with its method, or deploy=true")),
    }
}

/// The first four bytes of a call.
fn selector(text: &str) -> Result<FixedBytes<4>, Problem> {
    let bytes = text.strip_prefix("0x").filter(|hex| hex.len() == 8).and_then(|hex| hex.parse().ok());
    let takes = "method is the first four bytes of a call: 0x and 8 hexadecimal digits, such as 0xa9059cbb";
    bytes.ok_or_else(|| Problem::new(Kind::Malformed, takes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Question, String> {
        question(&mut Parameters::read(query).unwrap()).map_err(|problem| problem.detail)
    }

    #[test]
    fn a_question_is_about_a_call_or_a_deployment_and_names_who_would_sign() {
        let (who, at) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let call = asked(&format!("account={who}&contract={at}&method=0xa9059cbb")).unwrap();
        assert_eq!(
            (call.account, call.contract, call.method),
            (who, Some(at), Some([0xa9, 5, 0x9c, 0xbb].into()))
        );
        let plain = asked(&format!("account={who}&contract={at}&deploy=false")).unwrap();
        assert_eq!((plain.contract, plain.method), (Some(at), None));
        assert_eq!(asked(&format!("account={who}&deploy=true")).unwrap().contract, None);
    }

    #[test]
    fn a_question_that_is_none_is_refused_with_what_is_missing() {
        let (who, at) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let refused = [
            (String::new(), "account is missing"),
            (format!("contract={at}"), "account is missing"),
            (format!("account={who}"), "name the contract"),
            (format!("account={who}&deploy=false"), "name the contract"),
            (format!("account={who}&contract={at}&deploy=true"), "name the contract"),
            (format!("account={who}&deploy=true&method=0xa9059cbb"), "name the contract"),
            (format!("account={who}&contract={at}&method=0xa905"), "first four bytes"),
            (format!("account={who}&contract={at}&method=transfer"), "first four bytes"),
            (format!("account={who}&contract={at}&deploy=perhaps"), "true, false"),
            ("account=0x12".to_owned(), "account is an address"),
        ];
        for (query, words) in refused {
            let told = asked(&query).unwrap_err();
            assert!(told.contains(words), "{query}: {told}");
        }
    }
}
