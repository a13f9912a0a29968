//! Contracts: who made them, who administers them, who may call them, and whether they answer at all.
//!
//! | Module | Does |
//! |---|---|
//! | `records`, `tables` | rows |
//! | `known` | what execution knows of what a transaction or call is about, charged for before it is read |
//! | `made` | the rows of contracts that a transaction has made |
//! | `approvals` | reviewed and approved deployments, and what is refused without |
//! | `attributes` | what is attested of contracts, and whether it holds |
//! | `proxy`, `versions` | governed proxies: their code, their implementations |
//! | `acts` | what an administrator changes |
//! | `contract` | the Solidity face |
//!
//! Freezes, retirement and the list of who may deploy are decided by governance, which writes the rows. That lists bind
//! is said by policies: this module only brings the facts.

pub mod abi;
mod acts;
mod approvals;
mod attributes;
mod contract;
mod known;
mod made;
mod proxy;
mod records;
pub(crate) mod tables;
mod versions;

pub use approvals::{Approval, Review, Unapproved};
pub(crate) use approvals::{approved, unapproved};
pub use attributes::ContractAttributes;
pub use contract::Contracts;
pub use known::Halted;
pub(crate) use known::{Known, Place, known};
pub(crate) use made::{made, rows_of};
pub use records::{Contract, ContractHalt, ContractState};
pub use versions::Version;
pub(crate) use versions::{FIRST, implementation, whole_code};
