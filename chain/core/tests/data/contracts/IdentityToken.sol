// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import "IIdentityRegistry.sol";

/// A token whose balances belong to identities, so that they outlive keys: whoever recovers a key holds what the one
/// before held, and what is sent to an account that was replaced reaches the one that acts now.
contract IdentityToken {
    IIdentityRegistry constant REGISTRY = IIdentityRegistry(0x000000000000000000000000000000000000C001);

    mapping(address => uint256) private balances;

    event Transfer(address indexed from, address indexed to, uint256 value);

    error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);

    constructor(uint256 supply) {
        address holder = REGISTRY.identityOf(msg.sender);
        balances[holder] = supply;
        emit Transfer(address(0), holder, supply);
    }

    /// Events name identities, so that their sums are the balances.
    function transfer(address to, uint256 value) external returns (bool) {
        address from = REGISTRY.identityOf(msg.sender);
        to = REGISTRY.identityOf(to);
        uint256 balance = balances[from];
        if (balance < value) revert ERC20InsufficientBalance(msg.sender, balance, value);
        balances[from] = balance - value;
        balances[to] += value;
        emit Transfer(from, to, value);
        return true;
    }

    function balanceOf(address owner) external view returns (uint256) {
        return balances[REGISTRY.identityOf(owner)];
    }
}
