// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Who may do what
/// @notice The policies in force, and what they decide.
/// @dev Implemented natively at 0x000000000000000000000000000000000000C003. It only answers; policies are enacted and
///      repealed by the committee. Codes of actions and decisions are in docs/permissions.md.
interface IPermissions {
    /// @notice What was asked for is refused: the output of refused transactions and the revert data of refused calls.
    /// @param action What was wanted.
    /// @param code How that was decided: 1 nothing permits it, 2 a policy forbids it, 3 it cannot be decided.
    /// @param policy The first policy that refuses it, by id; empty if nothing permits it.
    /// @param proposal The proposal that enacted that policy; zero for one of the catalogue.
    error NotPermitted(uint8 action, uint8 code, string policy, uint64 proposal);

    /// @notice No such account has ever enrolled.
    error NotEnrolled(address account);

    /// @notice No action has this code.
    error UnknownAction(uint8 action);

    /// @notice No such policy is in force.
    error UnknownPolicy(string id);

    /// @notice The call is not one of this interface, or not canonical ABI.
    error MalformedCall();

    /// @notice The ids of all policies in force, in order: the catalogue's and the enacted ones.
    function policies() external view returns (string[] memory ids);

    /// @notice A policy in force.
    /// @return text Its text.
    /// @return proposal The proposal that enacted it; zero for one of the catalogue.
    function policy(string calldata id) external view returns (string memory text, uint64 proposal);

    /// @notice Whether an account may do something by a transaction of its own, as of this block.
    /// @dev Only policies are asked, by the lists and the administrator of the contract as they are now. Suspension,
    ///      revocation, freezes of accounts and contracts, expiry and roles are decided before them.
    /// @param account Who would sign.
    /// @param action What it wants.
    /// @param contractAddress To which contract; without meaning for actions on the ledger. For reading, zero is the
    ///        ledger.
    /// @param method The first four bytes of the input; zero for an input that is shorter.
    /// @return allowed Whether it may.
    /// @return code How that was decided: 0 permitted, otherwise as in NotPermitted.
    /// @return policyId The first policy that this rests on, by id; empty if nothing permits it.
    /// @return proposal The proposal that enacted that policy; zero for one of the catalogue.
    function explain(address account, uint8 action, address contractAddress, bytes4 method)
        external
        view
        returns (bool allowed, uint8 code, string memory policyId, uint64 proposal);

    /// @notice The same where a contract acts on behalf of the account, and for any input.
    /// @param caller The contract that acts; zero if none does.
    /// @param input The input; its first four bytes count, if it has so many.
    function explainInput(
        address account,
        uint8 action,
        address contractAddress,
        bytes calldata input,
        address caller
    ) external view returns (bool allowed, uint8 code, string memory policyId, uint64 proposal);

    /// @notice The digest of the enacted policies; zero if there are none.
    function digest() external view returns (bytes32);

    /// @notice The version of this interface.
    function version() external view returns (uint64);
}
