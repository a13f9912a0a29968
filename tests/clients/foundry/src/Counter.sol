// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Counts, so that a deployment has something to show.
contract Counter {
    uint256 public number;

    event Counted(address indexed by, uint256 number);

    constructor(uint256 start) {
        number = start;
    }

    function count() external {
        number += 1;
        emit Counted(msg.sender, number);
    }
}
