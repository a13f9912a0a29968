//! What is asked, and what is known: the caller reads it from the state.

use std::{fmt, str::FromStr};

use alloy_primitives::Address;
use concordat_types::{OrgId, Role};
use serde::{Serialize, Serializer};

macro_rules! actions {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal, $name:literal; )*) => {
        /// What somebody wants to do.
        ///
        /// The numbers and names are part of what decisions and policies mean, and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Action {
            $( $(#[$doc])* $variant = $code, )*
        }

        impl Action {
            /// Every action, in the order of its code.
            pub const ALL: &'static [Action] = &[$( Action::$variant, )*];

            /// Its name in policies, commands and documents.
            pub const fn name(self) -> &'static str {
                match self { $( Action::$variant => $name, )* }
            }
        }
    };
}

actions! {
    /// To make a contract by a transaction.
    Deploy = 1, "deploy";
    /// To make a contract out of another one: CREATE and CREATE2.
    Create = 2, "create";
    /// To call a contract: by a transaction or CALL.
    Call = 3, "call";
    /// To run a contract's code as the caller's own: DELEGATECALL or CALLCODE.
    DelegateCall = 4, "delegatecall";
    /// To call a contract that may change nothing: STATICCALL.
    StaticCall = 5, "staticcall";
    /// To read by an interface of a node.
    Read = 6, "read";
    /// To propose, vote and execute.
    Govern = 7, "govern";
    /// To give a regulator's orders.
    Regulate = 8, "regulate";
    /// To change a contract's lists or its administrator.
    Administer = 9, "administer";
    /// To send a transaction to a system contract.
    SystemCall = 10, "systemcall";
}

impl Action {
    /// The action's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The action with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.code() == code)
    }

    /// Whether the catalogue alone decides on it, so that no enacted policy can take the means to undo it.
    pub const fn is_reserved(self) -> bool {
        matches!(self, Action::Govern | Action::Regulate | Action::SystemCall)
    }

    /// Whether it can be done to such a resource at all.
    pub const fn applies_to(self, resource: &Resource<'_>) -> bool {
        match resource {
            Resource::Ledger => matches!(
                self,
                Action::Deploy | Action::Create | Action::Read | Action::Govern | Action::Regulate
            ),
            Resource::Contract(_) => matches!(
                self,
                Action::Call
                    | Action::DelegateCall
                    | Action::StaticCall
                    | Action::Read
                    | Action::Administer
                    | Action::SystemCall
            ),
        }
    }
}

/// The text names no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no action; actions are {names}", names = names())]
pub struct ActionError(pub String);

fn names() -> String {
    Action::ALL.iter().map(|action| action.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.iter().copied().find(|action| action.name() == text);
        named.ok_or_else(|| ActionError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Who acts: the account that signed the transaction or the reading request, also where a contract acts on its behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal<'a> {
    /// Its address.
    pub account: Address,
    /// The organisation that its certificate names.
    pub organisation: &'a OrgId,
    /// Its role.
    pub role: Role,
}

/// What is known of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractFacts<'a> {
    /// Its address.
    pub address: Address,
    /// The organisation that stands behind it, if that is known.
    pub organisation: Option<&'a OrgId>,
    /// Who keeps its lists, if anybody does.
    pub administrator: Option<Address>,
    /// Whether it is a system contract.
    pub system: bool,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The ledger as a whole.
    Ledger,
    /// A contract.
    Contract(ContractFacts<'a>),
}

/// How a list binds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ListKind {
    /// There is none.
    #[default]
    None = 0,
    /// Only who is on it may.
    Allow = 1,
    /// Who is on it may not.
    Deny = 2,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [ListKind; 3] = [ListKind::None, ListKind::Allow, ListKind::Deny];

    /// The kind's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its name in policies.
    pub const fn name(self) -> &'static str {
        match self {
            ListKind::None => "none",
            ListKind::Allow => "allow",
            ListKind::Deny => "deny",
        }
    }
}

/// How the principal stands to a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// How the list binds.
    pub kind: ListKind,
    /// Whether the principal is on it.
    pub listed: bool,
}

/// The circumstances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The contract that acts on behalf of the principal; `None` for what the principal does itself.
    pub caller: Option<Address>,
    /// The first four bytes of the input; `None` if it is shorter.
    pub method: Option<[u8; 4]>,
    /// The time of the block, Unix seconds.
    pub time_secs: u64,
    /// The ledger's list of who may deploy.
    pub deploy_list: Listing,
    /// The contract's list of who may call it.
    pub contract_list: Listing,
    /// The contract's list of who may call this method.
    pub method_list: Listing,
}

/// May this be done?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Who acts.
    pub principal: Principal<'a>,
    /// What it does.
    pub action: Action,
    /// To what.
    pub resource: Resource<'a>,
    /// Under which circumstances.
    pub context: Context,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_of_kinds_of_lists_are_golden() {
        let all = ListKind::ALL.map(|kind| format!("{} {}", kind.code(), kind.name()));
        assert_eq!(all.join(", "), "0 none, 1 allow, 2 deny");
        assert!(ListKind::ALL.into_iter().all(|kind| ListKind::from_code(kind.code()) == Some(kind)));
        assert_eq!(ListKind::from_code(3), None);
    }

    #[test]
    fn codes_and_names_of_actions_are_golden() {
        let all: Vec<String> =
            Action::ALL.iter().map(|action| format!("{} {action}", action.code())).collect();
        assert_eq!(
            all.join(", "),
            "1 deploy, 2 create, 3 call, 4 delegatecall, 5 staticcall, 6 read, 7 govern, 8 regulate, \
             9 administer, 10 systemcall"
        );
        for action in Action::ALL {
            assert_eq!(action.name().parse::<Action>().unwrap(), *action);
            assert_eq!(Action::from_code(action.code()), Some(*action));
        }
        assert!([0, 11, u8::MAX].into_iter().all(|code| Action::from_code(code).is_none()));
        assert!("fly".parse::<Action>().unwrap_err().to_string().contains("delegatecall"));
    }
}
