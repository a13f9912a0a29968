// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Counter} from "../src/Counter.sol";

/// @notice The part of Foundry's cheat codes that the script needs.
interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// @title Deploys a counter and counts once.
contract Deploy {
    // solhint-disable-next-line const-name-snakecase
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bool public constant IS_SCRIPT = true;

    function run() external returns (Counter counter) {
        vm.startBroadcast();
        counter = new Counter(41);
        counter.count();
        vm.stopBroadcast();
        require(counter.number() == 42, "not counted");
    }
}
