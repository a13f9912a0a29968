// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Counts coins: events, a reason in words and an error with arguments, for tools to show.
contract Till {
    uint256 public coins;

    event Counted(address indexed by, uint256 coins);

    error TooFew(uint256 have, uint256 want);

    constructor(uint256 start) {
        coins = start;
    }

    function put(uint256 amount) external {
        require(amount > 0, "nothing was put in");
        coins += amount;
        emit Counted(msg.sender, coins);
    }

    function take(uint256 amount) external {
        if (amount > coins) revert TooFew(coins, amount);
        coins -= amount;
        emit Counted(msg.sender, coins);
    }
}

/// @title Takes from a till, and goes on when the till refuses.
contract Purse {
    bool public refused;

    function fill(Till till, uint256 amount) external {
        try till.take(amount) {
            refused = false;
        } catch {
            refused = true;
        }
    }
}
