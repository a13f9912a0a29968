// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {CounterV1} from "./Versions.sol";

/// The third version of the counter counts in hundredths, and by account. What its proxy holds it brings into that form
/// once: when the committee upgrades to it, and calls `migrate` in the same execution.
contract CounterV3 is CounterV1 {
    address private constant GOVERNANCE = 0x000000000000000000000000000000000000c002;

    mapping(address => uint256) public counted;
    uint64 public migrations;

    event Migrated(uint256 before, uint256 afterwards, uint256 version);

    error NotGovernance(address account);
    error TooLarge(uint256 count, uint256 limit);

    function migrate(uint256 limit) external {
        if (msg.sender != GOVERNANCE) revert NotGovernance(msg.sender);
        uint256 before = count;
        if (before > limit) revert TooLarge(before, limit);
        count = before * 100;
        counted[owner] = count;
        migrations += 1;
        emit Migrated(before, count, this.version());
    }

    /// Does what takes so many new slots.
    function fill(uint256 slots) external {
        for (uint256 slot = 0; slot < slots; slot++) counted[address(uint160(slot + 1))] = 1;
    }

    /// Asks another contract to do something.
    function ask(address other, bytes calldata data) external {
        (bool done, bytes memory said) = other.call(data);
        if (!done) {
            assembly {
                revert(add(said, 32), mload(said))
            }
        }
    }

    function step() external override {
        count += 1000;
    }

    function version() external pure override returns (uint256) {
        return 3;
    }
}
