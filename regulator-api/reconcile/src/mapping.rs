//! How a member's books are read: which column holds what, which currency is which token, who is who.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// A mapping file. Everything in it may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// What parts the fields of CSV.
    pub delimiter: char,
    /// What stands before the digits of a fraction.
    pub decimal_mark: char,
    /// How many hours a record of the books may be away from its transaction.
    pub window_hours: u32,
    /// Values of the column `sign` that say that something went out.
    pub debit: Vec<String>,
    /// The columns.
    pub columns: Columns,
    /// Currencies of the books, and the tokens that they are.
    pub tokens: Vec<TokenOf>,
    /// Names, account numbers or IBANs in the books, and the addresses that they are.
    pub counterparties: BTreeMap<String, Address>,
}

/// The names of columns. What a file does not have is not read; amounts it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// A reference of the payment.
    pub reference: String,
    /// The hash of the transaction.
    pub hash: String,
    /// A day or a time.
    pub time: String,
    /// The amount.
    pub amount: String,
    /// Whether it came in or went out, where the amount has no sign.
    pub sign: String,
    /// The other side.
    pub counterparty: String,
    /// The currency, or the token's address.
    pub currency: String,
}

/// A currency of the books as a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenOf {
    /// What the books call it.
    pub currency: String,
    /// The token's contract.
    pub address: Address,
    /// Digits after the decimal mark.
    pub decimals: u8,
}

/// A mapping with what was asked for besides.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The mapping.
    pub mapping: Mapping,
    /// The token that is meant, where the books need not say it.
    pub token: Option<Address>,
    /// Digits after the decimal mark of tokens that the mapping does not name.
    pub decimals: u8,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            delimiter: ',',
            decimal_mark: '.',
            window_hours: 24,
            debit: ["DBIT", "D", "S", "-", "debit", "out"].map(str::to_owned).to_vec(),
            columns: Columns::default(),
            tokens: Vec::new(),
            counterparties: BTreeMap::new(),
        }
    }
}

impl Default for Columns {
    fn default() -> Self {
        let [reference, hash, time, amount, sign, counterparty, currency] =
            ["reference", "hash", "time", "amount", "sign", "counterparty", "currency"].map(str::to_owned);
        Self { reference, hash, time, amount, sign, counterparty, currency }
    }
}

impl Columns {
    /// Whether a column of this name is read.
    pub(crate) fn names(&self, name: &str) -> bool {
        let Self { reference, hash, time, amount, sign, counterparty, currency } = self;
        [reference, hash, time, amount, sign, counterparty, currency].into_iter().any(|known| known == name)
    }
}

impl Settings {
    /// The token and its decimals that a currency stands for.
    ///
    /// # Errors
    /// What is missing.
    pub fn token(&self, currency: Option<&str>) -> Result<(Address, u8), String> {
        let address = match currency {
            None => None,
            Some(currency) => {
                if let Some(found) = self.mapping.tokens.iter().find(|token| token.currency == currency) {
                    return Ok((found.address, found.decimals));
                }
                currency.parse::<Address>().ok()
            }
        };
        match (address.or(self.token), currency) {
            (Some(address), _) => Ok((address, self.decimals_of(&address))),
            (None, Some(currency)) => {
                Err(format!("no token is known for {currency:?}: name it by --token, or under [[tokens]]"))
            }
            (None, None) => Err("no token is named: name it by --token".to_owned()),
        }
    }

    /// Digits after the decimal mark of a token.
    pub fn decimals_of(&self, token: &Address) -> u8 {
        let found = self.mapping.tokens.iter().find(|known| known.address == *token);
        found.map_or(self.decimals, |known| known.decimals)
    }

    /// The address of somebody in the books.
    pub fn counterparty(&self, name: &str) -> Option<Address> {
        self.mapping.counterparties.get(name).copied().or_else(|| name.parse().ok())
    }

    /// Seconds that a record may be away from its transaction.
    pub fn window_secs(&self) -> i64 {
        i64::from(self.mapping.window_hours).saturating_mul(3_600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_a_token_by_the_mapping_by_its_address_or_by_what_was_asked_for() {
        let [one, two] = [1, 2].map(Address::repeat_byte);
        let tokens = vec![TokenOf { currency: "EUR".into(), address: one, decimals: 2 }];
        let mapping = Mapping { tokens, ..Mapping::default() };
        let mut settings = Settings { mapping, token: None, decimals: 6 };
        assert_eq!(settings.token(Some("EUR")), Ok((one, 2)));
        assert_eq!(settings.token(Some(&two.to_string())), Ok((two, 6)));
        assert!(settings.token(Some("USD")).unwrap_err().contains("[[tokens]]"));
        assert!(settings.token(None).unwrap_err().contains("--token"));
        settings.token = Some(two);
        assert_eq!((settings.token(None), settings.token(Some("USD"))), (Ok((two, 6)), Ok((two, 6))));
    }
}
