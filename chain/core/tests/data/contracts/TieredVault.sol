// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import "IContracts.sol";

/// An example: a vault that pays large amounts out to callers that the committee has rated as safe, and small ones to
/// all others. A rating that has expired, or that was given to other code, is none: the registry answers zero.
contract TieredVault {
    IContracts constant REGISTRY = IContracts(0x000000000000000000000000000000000000c004);

    /// The least rating of a caller that may withdraw a large amount at once.
    uint8 public constant SAFE = 80;
    uint256 public constant LARGE = 1_000_000;
    uint256 public constant SMALL = 1_000;

    mapping(address => uint256) public balanceOf;

    event Deposited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    error AboveLimit(uint256 amount, uint256 limit);
    error InsufficientBalance(uint256 amount, uint256 balance);

    /// Books an amount for an account; a real vault would take tokens in here.
    function deposit(address account, uint256 amount) external {
        balanceOf[account] += amount;
        emit Deposited(account, amount);
    }

    /// The rating is asked with each withdrawal, so that it binds from the block of the decision on.
    function withdraw(uint256 amount) external {
        uint256 limit = limitOf(msg.sender);
        if (amount > limit) revert AboveLimit(amount, limit);
        uint256 balance = balanceOf[msg.sender];
        if (amount > balance) revert InsufficientBalance(amount, balance);
        balanceOf[msg.sender] = balance - amount;
        emit Withdrawn(msg.sender, amount);
    }

    function limitOf(address caller) public view returns (uint256) {
        return REGISTRY.rating(caller) >= SAFE ? LARGE : SMALL;
    }
}

/// A caller of the vault.
contract VaultClient {
    function take(TieredVault vault, uint256 amount) external {
        vault.withdraw(amount);
    }
}
