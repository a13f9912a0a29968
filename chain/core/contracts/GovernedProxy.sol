// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Concordat's governed proxy
/// @notice Hands its calls on to an implementation that the committee exchanges by vote (kind `upgrade-contract`,
///         docs/committee.md). Nobody else can: there is no owner and no function to upgrade.
/// @dev Which implementation is in force is asked of the registry of contracts with each call. It stands in a row of the
///      state, not in a storage slot: the implementation's code runs over this contract's storage and could overwrite a
///      slot. The first one is a part of this contract's code. The registry knows governed proxies by that code: deploy
///      GovernedProxy.json, unchanged; what another compiler or other settings make of this file is none.
///      The slot and the event of ERC-1967 are kept for tools. Nothing here reads the slot.
contract GovernedProxy {
    /// ERC-1967: another implementation is in force.
    event Upgraded(address indexed implementation);

    /// There is no contract at this address.
    error NoCode(address implementation);
    /// The registry of contracts did not answer: the gas does not suffice.
    error NoAnswer();

    /// The committee, which says here what it has decided.
    address private constant GOVERNANCE = 0x000000000000000000000000000000000000c002;
    /// The registry of contracts.
    address private constant REGISTRY = 0x000000000000000000000000000000000000c004;
    /// ERC-1967: keccak256("eip1967.proxy.implementation") - 1.
    bytes32 private constant SLOT = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
    /// `governedUpgrade(address)`.
    bytes4 private constant GOVERNED_UPGRADE = 0x528b159e;
    /// `implementation(address)` of the registry.
    bytes32 private constant IMPLEMENTATION = 0x6b88071800000000000000000000000000000000000000000000000000000000;

    /// What calls are handed on to while no vote has decided otherwise.
    address private immutable FIRST;

    /// @param first The first implementation.
    /// @param data A call of it that sets up this contract's storage; empty for none.
    constructor(address first, bytes memory data) {
        if (first.code.length == 0) revert NoCode(first);
        FIRST = first;
        _tell(first);
        if (data.length == 0) return;
        (bool done, bytes memory output) = first.delegatecall(data);
        if (!done) {
            assembly {
                revert(add(output, 32), mload(output))
            }
        }
    }

    /// Tells tools what the committee has decided, if it is the committee that calls; hands on all other calls.
    fallback() external {
        if (msg.sender == GOVERNANCE && msg.sig == GOVERNED_UPGRADE) {
            address decided;
            assembly {
                decided := calldataload(4)
            }
            _tell(decided);
            return;
        }
        address implementation = _implementation();
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), implementation, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(done) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }

    function _implementation() private view returns (address implementation) {
        bool answered;
        assembly {
            mstore(0, IMPLEMENTATION)
            mstore(4, address())
            answered := staticcall(gas(), REGISTRY, 0, 36, 0, 32)
            implementation := mload(0)
        }
        if (!answered) revert NoAnswer();
        if (implementation == address(0)) implementation = FIRST;
    }

    function _tell(address implementation) private {
        assembly {
            sstore(SLOT, implementation)
        }
        emit Upgraded(implementation);
    }
}
