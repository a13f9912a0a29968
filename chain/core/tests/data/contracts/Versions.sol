// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A counter behind a governed proxy, in its first version.
contract CounterV1 {
    uint256 public count;
    address public owner;

    error SetUpAlready();
    error Refused(string why);

    function setUp(address owner_, uint256 start) external {
        if (owner != address(0)) revert SetUpAlready();
        if (owner_ == address(0)) revert Refused("no owner");
        (owner, count) = (owner_, start);
    }

    function step() external virtual {
        count += 1;
    }

    function version() external pure virtual returns (uint256) {
        return 1;
    }
}

/// The second one steps further. It has what a version must never have: a way to write any slot of its proxy.
contract CounterV2 is CounterV1 {
    function step() external override {
        count += 10;
    }

    function version() external pure override returns (uint256) {
        return 2;
    }

    function overwrite(bytes32 slot, bytes32 word) external {
        assembly {
            sstore(slot, word)
        }
    }
}

/// Makes a proxy and uses it at once.
contract CounterFactory {
    event Made(address proxy, uint256 count);

    function make(bytes calldata initCode) external {
        bytes memory code = initCode;
        address proxy;
        assembly {
            proxy := create(0, add(code, 32), mload(code))
        }
        CounterV1(proxy).step();
        emit Made(proxy, CounterV1(proxy).count());
    }
}
