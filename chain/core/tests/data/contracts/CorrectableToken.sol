// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// An example: a token that can be corrected by whom its owner has made an agent, by the calls of ERC-3643's IToken. To
/// let the committee correct it by vote (kind `correct`), its owner makes the governance contract an agent:
/// `addAgent(0x000000000000000000000000000000000000C002)`. A token that has never done so refuses each correction.
contract CorrectableToken {
    string public name;
    uint8 public constant decimals = 2;
    address public immutable owner;

    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => bool) public isAgent;
    mapping(address => bool) public isFrozen;
    mapping(address => uint256) public getFrozenTokens;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event AgentAdded(address indexed agent);
    event AgentRemoved(address indexed agent);
    event AddressFrozen(address indexed userAddress, bool indexed isFrozen, address indexed owner);
    event TokensFrozen(address indexed userAddress, uint256 amount);
    event TokensUnfrozen(address indexed userAddress, uint256 amount);
    event RecoverySuccess(address indexed lostWallet, address indexed newWallet, address indexed investorOnchainID);

    error NotOwner(address account);
    error NotAgent(address account);
    error Frozen(address account);
    error InsufficientBalance(address account, uint256 free, uint256 needed);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    modifier onlyAgent() {
        if (!isAgent[msg.sender]) revert NotAgent(msg.sender);
        _;
    }

    constructor(string memory name_, uint256 supply) {
        name = name_;
        owner = msg.sender;
        _mint(msg.sender, supply);
    }

    function addAgent(address agent) external onlyOwner {
        isAgent[agent] = true;
        emit AgentAdded(agent);
    }

    function removeAgent(address agent) external onlyOwner {
        isAgent[agent] = false;
        emit AgentRemoved(agent);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        if (isFrozen[msg.sender]) revert Frozen(msg.sender);
        if (isFrozen[to]) revert Frozen(to);
        uint256 free = balanceOf[msg.sender] - getFrozenTokens[msg.sender];
        if (amount > free) revert InsufficientBalance(msg.sender, free, amount);
        _move(msg.sender, to, amount);
        return true;
    }

    /// Takes frozen tokens as well, if the free ones do not suffice.
    function forcedTransfer(address from, address to, uint256 amount) external onlyAgent returns (bool) {
        _free(from, amount);
        _move(from, to, amount);
        return true;
    }

    function mint(address to, uint256 amount) external onlyAgent {
        _mint(to, amount);
    }

    function burn(address from, uint256 amount) external onlyAgent {
        _free(from, amount);
        balanceOf[from] -= amount;
        totalSupply -= amount;
        emit Transfer(from, address(0), amount);
    }

    function freezePartialTokens(address account, uint256 amount) external onlyAgent {
        uint256 free = balanceOf[account] - getFrozenTokens[account];
        if (amount > free) revert InsufficientBalance(account, free, amount);
        getFrozenTokens[account] += amount;
        emit TokensFrozen(account, amount);
    }

    function unfreezePartialTokens(address account, uint256 amount) external onlyAgent {
        getFrozenTokens[account] -= amount;
        emit TokensUnfrozen(account, amount);
    }

    function setAddressFrozen(address account, bool frozen) external onlyAgent {
        isFrozen[account] = frozen;
        emit AddressFrozen(account, frozen, msg.sender);
    }

    /// A real token looks the identity up; this one believes its agent. It refuses an empty wallet by its answer.
    function recoveryAddress(address lost, address fresh, address identity) external onlyAgent returns (bool) {
        uint256 amount = balanceOf[lost];
        if (amount == 0) return false;
        getFrozenTokens[fresh] += getFrozenTokens[lost];
        getFrozenTokens[lost] = 0;
        _move(lost, fresh, amount);
        emit RecoverySuccess(lost, fresh, identity);
        return true;
    }

    function _mint(address to, uint256 amount) private {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        uint256 balance = balanceOf[from];
        if (amount > balance) revert InsufficientBalance(from, balance, amount);
        balanceOf[from] = balance - amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }

    /// Unfreezes what is needed of an account beyond its free tokens.
    function _free(address account, uint256 amount) private {
        uint256 balance = balanceOf[account];
        if (amount > balance) revert InsufficientBalance(account, balance, amount);
        uint256 free = balance - getFrozenTokens[account];
        if (amount > free) {
            getFrozenTokens[account] -= amount - free;
            emit TokensUnfrozen(account, amount - free);
        }
    }
}

/// A token that has another contract do something whenever it mints, as those do that ask a compliance contract.
contract HookedToken {
    address private hook;
    bytes private data;

    function setHook(address to, bytes calldata with) external {
        (hook, data) = (to, with);
    }

    function mint(address, uint256) external {
        (bool done, bytes memory said) = hook.call(data);
        if (!done) {
            assembly {
                revert(add(said, 32), mload(said))
            }
        }
    }
}
