// web3.js 4: deployment, calls, events, reverts with their data, and three WebSocket subscriptions.
// Usage: node web3.mjs HTTP_URL WS_URL ARTEFACT DEVELOPER_SECRET_FILE OPERATOR_SECRET_FILE
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Web3 } from "web3";

const [, , http, ws, artefactFile, developerFile, operatorFile] = process.argv;
const { abi, bytecode } = JSON.parse(readFileSync(artefactFile, "utf8"));
const web3 = new Web3(http);
// By default web3.js looks for a receipt once a second.
web3.eth.transactionPollingInterval = 50;
const account = (file) => web3.eth.accounts.privateKeyToAccount(readFileSync(file, "utf8").trim());
const [developer, operator] = [account(developerFile), account(operatorFile)];
web3.eth.accounts.wallet.add(developer).add(operator);
const from = developer.address;

const live = new Web3(ws);
const heads = await live.eth.subscribe("newHeads");
const pending = await live.eth.subscribe("pendingTransactions");
const [headsSeen, pendingSeen] = [[], []];
heads.on("data", (head) => headsSeen.push(head));
pending.on("data", (hash) => pendingSeen.push(hash));

const contract = new web3.eth.Contract(abi);
const token = await contract.deploy({ data: bytecode, arguments: [1_000n] }).send({ from });
const address = token.options.address;
assert.equal(await token.methods.balanceOf(from).call(), 1_000n);

const logs = await live.eth.subscribe("logs", { address });
const logSeen = new Promise((resolve) => logs.on("data", resolve));
const transfer = token.methods.transfer(operator.address, 30n);
const gas = await transfer.estimateGas({ from });
assert.ok(gas > 21_000n && gas < 100_000n, `estimated ${gas}`);
const receipt = await transfer.send({ from });
assert.equal(receipt.status, 1n);
assert.equal(receipt.effectiveGasPrice, 0n);
assert.equal(receipt.events.Transfer.returnValues.value, 30n);
assert.equal((await logSeen).transactionHash, receipt.transactionHash);
assert.ok(pendingSeen.includes(receipt.transactionHash), "the transaction was not announced as pending");
assert.ok(headsSeen.length > 0, "no newHeads came over the WebSocket");

const fromBlock = receipt.blockNumber;
const [event] = await token.getPastEvents("Transfer", { fromBlock, filter: { from } });
assert.equal(event.returnValues.to, operator.address);
assert.equal(await token.methods.balanceOf(operator.address).call({}, fromBlock - 1n), 0n);
const block = await web3.eth.getBlock(fromBlock, true);
assert.equal(block.hash, receipt.blockHash);
assert.equal(block.transactions[0].hash, receipt.transactionHash);
assert.equal((await web3.eth.getTransaction(receipt.transactionHash)).input, transfer.encodeABI());
assert.equal(await web3.eth.getStorageAt(address, 2n), `0x${(1_000).toString(16).padStart(64, "0")}`);
assert.equal(await web3.eth.getCode(operator.address), "0x");

// A call that reverts carries the contract's error, decoded.
const tooMuch = token.methods.transfer(from, 31n);
await assert.rejects(tooMuch.call({ from: operator.address }), (error) => {
  assert.equal(error.cause.errorName, "ERC20InsufficientBalance");
  assert.equal(error.cause.errorArgs.needed, 31n);
  return true;
});
// Sent all the same: refused before it is sent, and a failed receipt where the check is left out.
await assert.rejects(tooMuch.send({ from: operator.address, gas: 100_000n }), /revert/i);
const unchecked = new web3.eth.Contract(abi, address);
unchecked.config.checkRevertBeforeSending = false;
const forced = unchecked.methods.transfer(from, 31n).send({ from: operator.address, gas: 100_000n });
await assert.rejects(forced, (error) => error.receipt.status === 0n);

const legacy = await developer.signTransaction({
  to: address, data: transfer.encodeABI(), gas: 100_000n, gasPrice: 0n, type: 0n,
  nonce: await web3.eth.getTransactionCount(from, "pending"), chainId: await web3.eth.getChainId(),
});
assert.equal((await web3.eth.sendSignedTransaction(legacy.rawTransaction)).status, 1n);
const listed = await web3.eth.createAccessList({ from, to: address, data: transfer.encodeABI() });
assert.ok(BigInt(listed.gasUsed) > 21_000n);
const history = await web3.eth.getFeeHistory(2n, "latest", [50]);
assert.ok(history.baseFeePerGas.every((fee) => fee === 0n));
assert.equal(await web3.eth.getBalance(from), 0n);
assert.equal(await web3.eth.getGasPrice(), 0n);
assert.equal(await web3.eth.net.getId(), await web3.eth.getChainId());
assert.match(await web3.eth.getNodeInfo(), /^concordat\//);
assert.equal(await web3.eth.isSyncing(), false);

await Promise.all([heads, pending, logs].map((subscription) => subscription.unsubscribe()));
live.provider.disconnect();
console.log(address);
