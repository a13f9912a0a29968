// ethers 6: deployment, transfers, past balances, logs, reverts and a WebSocket subscription.
// Usage: node ethers.mjs HTTP_URL WS_URL ARTEFACT DEVELOPER_SECRET_FILE OPERATOR_SECRET_FILE
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Contract, ContractFactory, JsonRpcProvider, Wallet, WebSocketProvider } from "ethers";

const [, , http, ws, artefactFile, developerFile, operatorFile] = process.argv;
// Blocks are final sooner than ethers' cache of answers ages (250 ms): a cached nonce would be used twice.
const provider = new JsonRpcProvider(http, undefined, { pollingInterval: 50, cacheTimeout: -1 });
const wallet = (file) => new Wallet(readFileSync(file, "utf8").trim(), provider);
const [developer, operator] = [wallet(developerFile), wallet(operatorFile)];
const { abi, bytecode } = JSON.parse(readFileSync(artefactFile, "utf8"));

const socket = new WebSocketProvider(ws);
const heads = [];
await socket.on("block", (height) => heads.push(height));

const deployed = await new ContractFactory(abi, bytecode, developer).deploy(1_000_000n);
await deployed.waitForDeployment();
const token = new Contract(await deployed.getAddress(), abi, developer);
assert.equal(await token.balanceOf(developer.address), 1_000_000n);

const seen = new Promise((resolve) => {
  const live = new Contract(token.target, abi, socket);
  live.on("Transfer", (from, to, amount) => resolve({ from, to, amount }));
});
// The subscription is confirmed before anything happens that it should tell.
await socket.send("eth_chainId", []);
const receipt = await (await token.transfer(operator.address, 250n)).wait();
assert.equal(receipt.status, 1);
assert.equal(receipt.gasPrice, 0n);
assert.equal(await token.balanceOf(operator.address), 250n);
assert.equal(await token.balanceOf(operator.address, { blockTag: receipt.blockNumber - 1 }), 0n);
assert.deepEqual(await seen, { from: developer.address, to: operator.address, amount: 250n });

const logs = await token.queryFilter(token.filters.Transfer(developer.address), 0);
assert.deepEqual(logs.map((log) => log.args.value), [250n]);
const block = await provider.getBlock(receipt.blockNumber, true);
assert.equal(block.hash, receipt.blockHash);
assert.ok(block.transactions.includes(receipt.hash));

// A revert is shown as what it is, before and without a transaction.
const poor = token.connect(operator);
await assert.rejects(poor.transfer(developer.address, 251n), (error) => {
  assert.equal(error.code, "CALL_EXCEPTION");
  assert.equal(token.interface.parseError(error.data).name, "ERC20InsufficientBalance");
  return true;
});
// Several at once, nonces counted by ethers.
const nonce = await operator.getNonce();
const sent = [0, 1, 2, 3].map((ahead) => poor.transfer(developer.address, 10n, { nonce: nonce + ahead }));
for (const response of await Promise.all(sent)) assert.equal((await response.wait()).status, 1);
assert.equal(await token.balanceOf(operator.address), 210n);

assert.equal(await provider.getBalance(developer.address), 0n);
assert.ok(heads.length > 0, "no newHeads came over the WebSocket");
await socket.destroy();
provider.destroy();
console.log(token.target);
