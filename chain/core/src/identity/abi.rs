//! The Solidity interface of the identity registry, from `contracts/IIdentityRegistry.sol`.
#![allow(missing_docs, clippy::pub_underscore_fields, clippy::too_many_arguments)]

alloy_sol_types::sol!("contracts/IIdentityRegistry.sol");
