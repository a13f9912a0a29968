//! The answer, with what it rests on.

use std::fmt;

use alloy_primitives::Address;
use concordat_types::{OrgId, Role};
use serde::{Serialize, Serializer};

use crate::{
    enacted::PolicyId,
    engine::hex,
    facts::{Action, Request, Resource},
    policy::Policy,
};

/// How a decision came about. The numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Code {
    /// A policy permits it and none forbids it.
    Permitted = 0,
    /// No policy permits it.
    NotPermitted = 1,
    /// A policy forbids it.
    Forbidden = 2,
    /// A policy cannot be evaluated, so that nobody knows; hence no.
    Undecidable = 3,
}

impl Code {
    /// Every code.
    pub const ALL: [Code; 4] = [Code::Permitted, Code::NotPermitted, Code::Forbidden, Code::Undecidable];

    /// The stable number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The code with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// Its name for machines and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Code::Permitted => "permitted",
            Code::NotPermitted => "not-permitted",
            Code::Forbidden => "forbidden",
            Code::Undecidable => "undecidable",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A policy that a decision rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deciding {
    /// Its id.
    pub id: PolicyId,
    /// Its reason.
    pub reason: String,
    /// The proposal that enacted it; `None` for a policy of the catalogue.
    pub proposal: Option<u64>,
}

impl Deciding {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self { id: policy.id.clone(), reason: policy.reason.clone(), proposal: policy.proposal }
    }
}

/// A policy that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its id.
    pub id: PolicyId,
    /// Why, in Cedar's words. They are for people: no block may contain them.
    pub error: String,
}

/// The answer. Its lists are in the order of ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// How that came about.
    pub code: Code,
    /// What it rests on: the permitting policies, or the forbidding ones, or those that failed.
    pub policies: Vec<Deciding>,
    /// What failed, whatever the code is.
    pub errors: Vec<Failure>,
}

impl Decision {
    pub(crate) const fn new(code: Code, policies: Vec<Deciding>, errors: Vec<Failure>) -> Self {
        Self { allowed: matches!(code, Code::Permitted), code, policies, errors }
    }
}

/// Why a policy that would permit did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// All of its scope holds, but not its conditions.
    Condition,
    /// It is about others.
    Principal,
}

/// A policy that would permit this action on this resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Near {
    /// Which.
    pub policy: Deciding,
    /// What is missing.
    pub missed: Missed,
}

/// A request in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Who acts.
    pub account: Address,
    /// For whom.
    pub organisation: OrgId,
    /// As what.
    pub role: Role,
    /// What it wants.
    pub action: Action,
    /// From which contract; `None` for the ledger.
    pub contract: Option<Address>,
    /// By which method.
    pub method: Option<String>,
    /// The contract that acts on its behalf.
    pub caller: Option<Address>,
    /// When, Unix seconds.
    pub time_secs: u64,
}

impl From<&Request<'_>> for Asked {
    fn from(request: &Request<'_>) -> Self {
        let contract = match request.resource {
            Resource::Ledger => None,
            Resource::Contract(contract) => Some(contract.address),
        };
        Self {
            account: request.principal.account,
            organisation: request.principal.organisation.clone(),
            role: request.principal.role,
            action: request.action,
            contract,
            method: request.context.method.map(|method| hex(&method)),
            caller: request.context.caller,
            time_secs: request.context.time_secs,
        }
    }
}

/// A decision, what was asked, and what would have changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What was asked.
    pub asked: Asked,
    /// The answer.
    pub decision: Decision,
    /// Where nothing permits it: what came nearest, at most [`MAX_NEAR`], the nearest first.
    pub nearest: Vec<Near>,
}

/// The most policies that an explanation names as near.
pub const MAX_NEAR: usize = 10;

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, organisation, role, action, .. } = self;
        write!(f, "{account} ({role} of {organisation}): {action}")?;
        if let Some(contract) = self.contract {
            write!(f, " {contract}")?;
        }
        if let Some(method) = &self.method {
            write!(f, " method {method}")?;
        }
        match self.caller {
            Some(caller) => write!(f, " by way of {caller}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Deciding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, reason, proposal } = self;
        write!(f, "{id}: {reason} ")?;
        match proposal {
            Some(number) => write!(f, "(proposal {number})"),
            None => f.write_str("(catalogue)"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.allowed { "yes" } else { "no" }, self.code)?;
        for policy in &self.policies {
            write!(f, "\n  {policy}")?;
        }
        for Failure { id, error } in &self.errors {
            write!(f, "\n  {id} failed: {error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.asked, self.decision)?;
        for Near { policy, missed } in &self.nearest {
            let missed = match missed {
                Missed::Condition => "its conditions do not hold",
                Missed::Principal => "it is about others",
            };
            write!(f, "\n  nearest: {policy}; {missed}")?;
        }
        Ok(())
    }
}
