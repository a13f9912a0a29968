// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A token that goes on where what it asks of others fails, as no token should.
contract GreedyToken {
    uint256 public minted;
    mapping(uint256 => uint256) public noted;
    address private compliance;

    event Left(uint256 gas);

    function setCompliance(address other) external {
        compliance = other;
    }

    /// Mints, and notes that in so many slots.
    function mint(address, uint256 amount) external {
        emit Left(gasleft());
        minted += amount;
        try this.note(amount) {} catch {}
        if (compliance != address(0)) {
            (bool done, ) = compliance.call("");
            done;
        }
    }

    function note(uint256 slots) external {
        for (uint256 slot = 0; slot < slots; slot++) noted[slot] += 1;
    }
}
