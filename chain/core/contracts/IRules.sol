// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Concordat's run-time rules
/// @notice Which limits bind transactions, and how much of them is used up.
/// @dev Implemented natively at 0x000000000000000000000000000000000000C005. It only answers, from anywhere. Rules are
///      set and repealed by governance and judged inside of execution; docs/rules.md describes them.
interface IRules {
    /// @notice A transaction has violated a rule. Where the rule reverts, this is all that stands of the transaction:
    ///         its receipt has status 0. Where the rule only alerts, it follows the transaction's own events.
    /// @param id Keccak-256 of the rule's id.
    /// @param account Who signed.
    /// @param rule The rule's id.
    /// @param organisation The account's organisation.
    /// @param contractAddress The contract whose event or method violated it.
    /// @param code How: 1 undecidable, 2 outside of the hours, 3 counterparty denied, 4 counterparty not allowed,
    ///        5 amount above the maximum, 6 total above the maximum, 7 too often.
    /// @param proposal The proposal that set the rule.
    event Alert(
        string indexed id,
        address indexed account,
        string rule,
        string organisation,
        address contractAddress,
        uint8 code,
        uint64 proposal
    );

    /// @notice The output of a transaction that was undone because it violated a rule. The arguments are as in Alert.
    error RuleViolated(string id, uint64 proposal, uint8 code, address subject);
    /// @notice The call data are not those of a function here.
    error MalformedCall();
    /// @notice No rule of this id is in force.
    error UnknownRule(string id);
    /// @notice Nobody has vouched for this account.
    error NotEnrolled(address account);

    /// @notice The ids of all rules in force, in order.
    function limits() external view returns (string[] memory ids);

    /// @notice A rule in force.
    /// @return rule Its canonical bytes (docs/rules.md).
    /// @return reason Why it is there.
    /// @return proposal The proposal that set it.
    function limit(string calldata id)
        external
        view
        returns (bytes memory rule, string memory reason, uint64 proposal);

    /// @notice What a rule has counted of an account, or of its organisation, whichever the rule counts, as of this
    ///         block. Windows are kept in parts, so that up to 1/24 more may count than the window is long.
    /// @return amount What was moved within the window.
    /// @return count How often it happened within the window.
    /// @return amountFreesAt When the oldest of the amount will no longer count, in Unix seconds; zero if none does.
    /// @return countFreesAt The same of the count.
    function usage(string calldata id, address account)
        external
        view
        returns (uint256 amount, uint64 count, uint64 amountFreesAt, uint64 countFreesAt);

    /// @notice The digest of the rules in force; zero if there are none.
    function digest() external view returns (bytes32);

    /// @notice The version of this interface.
    function version() external view returns (uint64);
}
