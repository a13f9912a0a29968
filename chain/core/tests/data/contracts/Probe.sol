// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import "IIdentityRegistry.sol";

contract Child {
    uint256 public value;

    constructor(uint256 value_) {
        value = value_;
    }
}

/// Destroys itself where it was made.
contract Mayfly {
    uint256 slot = 7;

    constructor() {
        selfdestruct(payable(msg.sender));
    }
}

/// Pokes at the machine and at the identity registry from inside a contract.
contract Probe {
    IIdentityRegistry constant REGISTRY = IIdentityRegistry(0x000000000000000000000000000000000000C001);

    uint256 public counter;
    string public lastRole;
    address public lastChild;

    event Seen(string role);

    function make(uint256 value) external returns (address child) {
        child = address(new Child(value));
        lastChild = child;
    }

    function make2(uint256 value) external returns (address child) {
        child = address(new Child{salt: bytes32(value)}(value));
        lastChild = child;
    }

    function mayfly() external returns (address child) {
        child = address(new Mayfly());
        lastChild = child;
    }

    function onlyEnrolled() external {
        lastRole = REGISTRY.account(msg.sender).role;
        emit Seen(lastRole);
    }

    /// Reads the registry and writes storage in a call that reverts; only the outer write stays.
    function nested() external {
        counter += 1;
        try this.inner() {} catch {}
        require(counter == 1, "inner write survived");
    }

    function inner() external {
        counter += 10;
        lastRole = REGISTRY.account(tx.origin).role;
        revert("undone");
    }

    function enrolFromHere(bytes[] calldata chain) external {
        REGISTRY.enrol(chain);
    }

    function fail(string calldata why) external pure {
        revert(why);
    }

    function burn() external {
        while (true) counter += 1;
    }

    function clear() external {
        counter = 0;
    }

    function environment()
        external
        view
        returns (uint256 height, uint256 time, uint256 chain, uint256 fee, uint256 price, uint256 random, address coinbase, uint256 balance, bytes32 parent)
    {
        return (block.number, block.timestamp, block.chainid, block.basefee, tx.gasprice, block.prevrandao, block.coinbase, msg.sender.balance, blockhash(block.number - 1));
    }
}
