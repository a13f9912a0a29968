//! The kinds of proposals.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

macro_rules! kinds {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal, $name:literal; )*) => {
        /// What a proposal is about. Each kind has a rule of its own.
        ///
        /// The numbers are stored in the authenticated state and never change meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $( $(#[$doc])* $variant = $code, )*
        }

        impl Kind {
            /// Every kind, in the order of its code.
            pub const ALL: &'static [Kind] = &[$( Kind::$variant, )*];

            /// Its name in commands, documents and messages.
            pub const fn name(self) -> &'static str {
                match self { $( Kind::$variant => $name, )* }
            }

            /// The kind with this code.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $( $code => Some(Kind::$variant), )* _ => None }
            }
        }
    };
}

kinds! {
    /// A new member organisation, with its authorities and the roles that they may grant.
    AdmitOrganisation = 1, "admit-organisation";
    /// A member's accounts and nodes are refused until it is reinstated; its validators go.
    SuspendOrganisation = 2, "suspend-organisation";
    /// A suspended member acts again. Its validators are to be admitted anew.
    ReinstateOrganisation = 3, "reinstate-organisation";
    /// A member leaves for good, with its validators and its seats on the committee.
    ExpelOrganisation = 4, "expel-organisation";
    /// The new list of a member's root authorities.
    SetAuthorities = 5, "set-authorities";
    /// An identity's lost or stolen key is replaced by another one.
    RecoverKey = 6, "recover-key";
    /// A new validator of a member.
    AdmitValidator = 16, "admit-validator";
    /// A validator's voting power.
    SetValidatorPower = 17, "set-validator-power";
    /// A validator goes.
    RetireValidator = 18, "retire-validator";
    /// A seat on the committee: new, of another weight, or gone.
    SetCommitteeMember = 32, "set-committee-member";
    /// The rule of a kind of proposal.
    SetRule = 33, "set-rule";
    /// An account's transactions are refused.
    FreezeAccount = 48, "freeze-account";
    /// The same at once, by a smaller share; it lapses unless a freeze confirms it.
    EmergencyFreeze = 49, "emergency-freeze";
    /// A frozen account acts again.
    UnfreezeAccount = 50, "unfreeze-account";
    /// An identity is shut out, with its key and the subject of its certificate, until the bar is lifted.
    BarAccount = 51, "bar-account";
    /// The bar of an identity or of a node's key is lifted.
    LiftBar = 52, "lift-bar";
    /// A node's key opens no connection any more, and can be no validator's.
    BarNode = 53, "bar-node";
    /// A regulator: registered, or with another mandate.
    AdmitRegulator = 56, "admit-regulator";
    /// A regulator goes from the registry.
    RetireRegulator = 57, "retire-regulator";
    /// A regulator's order binds on.
    ConfirmOrder = 58, "confirm-order";
    /// A regulator's order goes.
    LiftOrder = 59, "lift-order";
    /// A policy: new, or with another text.
    SetPolicy = 64, "set-policy";
    /// An enacted policy goes; one of the catalogue that it replaced holds again.
    RepealPolicy = 65, "repeal-policy";
    /// The ledger's list of who may deploy.
    SetDeployList = 66, "set-deploy-list";
    /// A run-time rule: new, or another one under its id.
    SetLimit = 68, "set-limit";
    /// A run-time rule goes.
    RepealLimit = 69, "repeal-limit";
    /// Calls of a contract are refused.
    FreezeContract = 80, "freeze-contract";
    /// A frozen contract answers again.
    UnfreezeContract = 81, "unfreeze-contract";
    /// Calls of a contract are refused for good.
    RetireContract = 82, "retire-contract";
    /// Who keeps a contract's lists.
    SetContractAdministrator = 83, "set-contract-administrator";
    /// Freezes a contract at once, by a smaller share; it lapses unless a freeze confirms it.
    EmergencyFreezeContract = 84, "emergency-freeze-contract";
    /// What is attested of a contract: audit, proven properties, rating.
    SetAttributes = 85, "set-attributes";
    /// Nothing is attested of a contract any more.
    RevokeAttributes = 86, "revoke-attributes";
    /// A deployment is approved, once its reviewers have.
    DeployContract = 87, "deploy-contract";
    /// Whether deployments need such an approval.
    RequireApproval = 88, "require-approval";
    /// A governed proxy hands its calls on to another implementation, or to an earlier one again.
    UpgradeContract = 89, "upgrade-contract";
    /// Slots of contracts get back what they held at an earlier height.
    RollBack = 90, "roll-back";
    /// A token that has given the committee its agent's role is corrected: tokens are seized, replenished, frozen.
    Correct = 91, "correct";
    /// The chain's parameters, from the next block on.
    SetParameters = 96, "set-parameters";
    /// The next protocol version from a height on, or that it does not come.
    SetProtocolVersion = 97, "set-protocol-version";
}

impl Kind {
    /// The kind's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

crate::wire::by_code!(Kind);

/// The text names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of proposal; kinds are {names}", names = names())]
pub struct KindError(pub String);

fn names() -> String {
    Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.iter().copied().find(|kind| kind.name() == text);
        named.ok_or_else(|| KindError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_its_code_and_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Some(*kind));
            assert_eq!(kind.name().parse::<Kind>().unwrap(), *kind);
        }
        assert_eq!(Kind::from_code(0), None);
        assert!("set-everything".parse::<Kind>().unwrap_err().to_string().contains("set-rule"));
    }

    #[test]
    fn codes_and_names_are_golden() {
        let all: Vec<String> = Kind::ALL.iter().map(|kind| format!("{} {kind}", kind.code())).collect();
        assert_eq!(
            all.join(", "),
            "1 admit-organisation, 2 suspend-organisation, 3 reinstate-organisation, 4 expel-organisation, \
             5 set-authorities, 6 recover-key, 16 admit-validator, 17 set-validator-power, 18 retire-validator, \
             32 set-committee-member, 33 set-rule, 48 freeze-account, 49 emergency-freeze, 50 unfreeze-account, \
             51 bar-account, 52 lift-bar, 53 bar-node, 56 admit-regulator, 57 retire-regulator, 58 confirm-order, 59 lift-order, 64 set-policy, 65 repeal-policy, 66 set-deploy-list, \
             68 set-limit, 69 repeal-limit, 80 freeze-contract, 81 unfreeze-contract, 82 retire-contract, \
             83 set-contract-administrator, 84 emergency-freeze-contract, \
             85 set-attributes, 86 revoke-attributes, 87 deploy-contract, 88 require-approval, \
             89 upgrade-contract, 90 roll-back, 91 correct, 96 set-parameters, 97 set-protocol-version"
        );
    }
}
