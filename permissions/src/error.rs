//! Why policies make no set: each refusal names the policy, the line where there is one, and the mend.

use alloy_primitives::Address;

use crate::{
    decision::Code,
    enacted::{MAX_POLICIES, MAX_TEXT_BYTES, MAX_TOTAL_BYTES, PolicyId},
    facts::Action,
    text::{MAX_IFS, MAX_NESTING},
};

/// Why policies make no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the facts that each message spells out")]
pub enum PolicyError {
    /// Each policy costs every node.
    #[error("{have} policies would be enacted; {MAX_POLICIES} are allowed: repeal some first")]
    TooMany { have: usize },
    /// So do their texts.
    #[error("the texts of all policies take {have} bytes; {MAX_TOTAL_BYTES} are allowed: repeal some first")]
    TotalTooLong { have: usize },
    /// One policy, one id.
    #[error("policy {id} is enacted twice: give one of them another id")]
    Duplicate { id: PolicyId },
    /// The chain rests on it.
    #[error("policy {id} of the catalogue protects the chain and cannot be replaced: choose another id")]
    Protected { id: PolicyId },
    /// Nobody would read it.
    #[error("policy {id} takes {have} bytes; {MAX_TEXT_BYTES} are allowed: divide it")]
    TooLong { id: PolicyId, have: usize },
    /// What cannot be seen misleads who votes on it.
    #[error("policy {id}, line {line}: the character {character:?} cannot be seen or misleads: remove it")]
    Character { id: PolicyId, line: usize, character: char },
    /// No text may exhaust a node's stack.
    #[error(
        "policy {id}, line {line}: {have} operators and brackets lie within one another; {MAX_NESTING} are \
         allowed: list alternatives as [\"…\", \"…\"].contains(…), or divide the policy"
    )]
    Nesting { id: PolicyId, line: usize, have: usize },
    /// Each may double the time that checking the policy takes.
    #[error("policy {id} says if {have} times; {MAX_IFS} are allowed: use && and ||, or divide the policy")]
    Branches { id: PolicyId, have: usize },
    /// Not one policy of the language Cedar.
    #[error("policy {id}, line {line}: {reason}: {mend}")]
    Syntax { id: PolicyId, line: usize, reason: String, mend: String },
    /// It speaks of what is not, or of one kind of thing as of another.
    #[error("policy {id}, line {line}: {reason}: {mend}")]
    Invalid { id: PolicyId, line: usize, reason: String, mend: String },
    /// It never applies, which nobody intends.
    #[error(
        "policy {id} can never apply: correct its scope or its conditions; to switch off a policy of the \
         catalogue, enact one with the catalogue's id"
    )]
    Impossible { id: PolicyId },
    /// An annotation that nobody reads.
    #[error("policy {id}: @{name} means nothing here: only @id(\"…\") and @reason(\"…\") do")]
    Annotation { id: PolicyId, name: String },
    /// The text says another id, or none.
    #[error("policy {id}: the text must begin with @id(\"{id}\"), and says {have:?}")]
    OtherId { id: PolicyId, have: Option<String> },
    /// Whoever is refused has a right to know why.
    #[error("policy {id}: add @reason(\"…\"): one line of at most 200 bytes which refusals will quote")]
    Reason { id: PolicyId },
    /// A name in a form that nothing ever has.
    #[error("policy {id}, line {line}: {literal} names nothing: {mend}")]
    Literal { id: PolicyId, line: usize, literal: String, mend: &'static str },
    /// A scope that nobody and nothing is in.
    #[error("policy {id}, line {line}: the scope of {what} matches nothing: {mend}")]
    Scope { id: PolicyId, line: usize, what: &'static str, mend: &'static str },
    /// What undoes a decision must not be in reach of that decision.
    #[error(
        "policy {id} covers the action {action}, on which the catalogue alone decides, so that no vote can take \
         the means to undo it: name other actions, as in action == Action::\"call\""
    )]
    Reserved { id: PolicyId, action: Action },
    /// Our own fault.
    #[error("the catalogue of this program is broken: {reason}")]
    Catalogue { reason: String },
}

impl PolicyError {
    /// What a chain keeps and tells of it: the same words on every node. Cedar's own are left out, since it guesses what was
    /// meant by walking through maps that are hashed differently in each process.
    pub fn told(&self) -> String {
        let at = |id: &PolicyId, line: usize, what: &str| {
            format!("policy {id}, line {line}: {what}: concordat policy check tells why, and how to mend it")
        };
        match self {
            Self::Syntax { id, line, .. } => at(id, *line, "this is not Cedar"),
            Self::Invalid { id, line, .. } => at(id, *line, "this does not fit the schema"),
            Self::Catalogue { .. } => "the catalogue of this program is broken".to_owned(),
            error => error.to_string(),
        }
    }

    /// A stable number.
    pub const fn code(&self) -> u16 {
        match self {
            Self::TooMany { .. } => 1,
            Self::TotalTooLong { .. } => 2,
            Self::Duplicate { .. } => 3,
            Self::Protected { .. } => 4,
            Self::TooLong { .. } => 10,
            Self::Character { .. } => 11,
            Self::Nesting { .. } => 12,
            Self::Syntax { .. } => 13,
            Self::Invalid { .. } => 14,
            Self::Impossible { .. } => 15,
            Self::Annotation { .. } => 16,
            Self::OtherId { .. } => 17,
            Self::Reason { .. } => 18,
            Self::Literal { .. } => 19,
            Self::Scope { .. } => 20,
            Self::Reserved { .. } => 21,
            Self::Branches { .. } => 22,
            Self::Catalogue { .. } => 99,
        }
    }
}

/// A member of the committee who could not govern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{account} could no longer govern: {code}")]
pub struct Lockout {
    /// Who.
    pub account: Address,
    /// As what it would be refused.
    pub code: Code,
}
