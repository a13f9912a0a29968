//! Orders of regulators as a system contract: `concordat-governance` decides them over the rows of the state, and what
//! they refuse is refused here, from the next transaction on.
//!
//! | Module | Does |
//! |---|---|
//! | `records`, `tables` | rows |
//! | `facts` | what decisions read, charged for before it is read |
//! | `book` | an order becomes rows: its own, and what transactions read of it |
//! | `acts`, `anchors` | the functions that change something |
//! | `views` | the functions that only answer |
//! | `stops` | what transactions of an account with orders read |
//! | `notice` | what whoever is refused is told: the order's number, and where its document is |
//! | `tokens` | keeps tokens where they are, after a transaction ran and before its changes are kept |
//! | `contract` | the Solidity face |
//!
//! A provisional order lapses with no write: whatever is read of it says until which height it binds. Accounts without
//! orders cost no read, for their standing says that they have none.

pub mod abi;
mod acts;
mod anchors;
pub(crate) mod book;
mod contract;
mod facts;
mod notice;
mod records;
mod stops;
pub(crate) mod tables;
mod tokens;
mod views;

pub use contract::Orders;
pub use notice::OrderNotice;
pub(crate) use notice::notice;
pub use records::{OrderHalt, ReadAnchor};
pub(crate) use stops::{Binding, Shut};
pub use stops::{Stop, Stops};
pub(crate) use tokens::{TokenOrders, keep_tokens};
