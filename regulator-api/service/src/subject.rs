//! Whom a mandate covers: the account, the contract or the organisation that something is about.

use concordat_sql::read::{List, Scope, Tip, Wanted};
use concordat_types::{Address, activity::Subject};

use crate::{body::nothing, problem::Problem, service::Service};

/// Whether a scope covers somebody whom the ledger knows, after the newest block.
pub(crate) async fn covers(
    service: &Service,
    subject: &Subject,
    scope: &Scope,
    tip: &Tip,
) -> Result<bool, Problem> {
    match subject {
        Subject::Organisation(id) => {
            let named = scope.organisations.as_ref().is_none_or(|covered| covered.contains(id));
            Ok(named
                && is_listed(service, ("organisations", "organisation"), id.as_str(), scope, tip).await?)
        }
        Subject::Address(address) => {
            let account = covers_account(service, *address, scope, tip).await?;
            let name = address.to_string();
            Ok(account || is_listed(service, ("contracts", "contract"), &name, scope, tip).await?)
        }
    }
}

/// Whether a scope covers an account that has enrolled.
pub(crate) async fn covers_account(
    service: &Service,
    account: Address,
    scope: &Scope,
    tip: &Tip,
) -> Result<bool, Problem> {
    is_listed(service, ("accounts", "account"), &account.to_string(), scope, tip).await
}

/// Whether a list has a row by a filter that the scope shows.
async fn is_listed(
    service: &Service,
    (list, filter): (&str, &str),
    value: &str,
    scope: &Scope,
    tip: &Tip,
) -> Result<bool, Problem> {
    let list = List::named(list).ok_or_else(nothing)?;
    let filters = vec![list.choose(filter, value)?];
    let wanted = Wanted { filters, limit: 1, ..Wanted::newest(tip.height, scope.clone()) };
    Ok(!service.reader.first(list, &wanted).await?.is_empty())
}
