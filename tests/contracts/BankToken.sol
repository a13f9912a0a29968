// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A bank's token: OpenZeppelin's ERC-20, unmodified, with a fixed supply for its deployer.
contract BankToken is ERC20 {
    /// @param supply Smallest units minted to the deployer.
    constructor(uint256 supply) ERC20("Consortium Euro", "CEUR") {
        _mint(msg.sender, supply);
    }
}
