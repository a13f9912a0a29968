// viem: reads, writes, estimates, fee history, blocks and a WebSocket subscription.
// Usage: node viem.mjs HTTP_URL WS_URL ARTEFACT DEVELOPER_SECRET_FILE TOKEN
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createPublicClient, createWalletClient, defineChain, http, parseEventLogs, webSocket } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const [, , url, ws, artefactFile, developerFile, token] = process.argv;
const { abi } = JSON.parse(readFileSync(artefactFile, "utf8"));
const account = privateKeyToAccount(readFileSync(developerFile, "utf8").trim());
const id = Number(await createPublicClient({ transport: http(url) }).getChainId());
const chain = defineChain({
  id,
  name: "Concordat",
  nativeCurrency: { name: "none", symbol: "NONE", decimals: 18 },
  rpcUrls: { default: { http: [url], webSocket: [ws] } },
});
const client = createPublicClient({ chain, transport: http(url), pollingInterval: 50 });
const wallet = createWalletClient({ chain, account, transport: http(url) });
const live = createPublicClient({ chain, transport: webSocket(ws) });
const nobody = "0x00000000000000000000000000000000000000aa";

const heads = [];
const first = new Promise((resolve, reject) => {
  live.watchBlocks({ onBlock: (block) => { heads.push(block.number); resolve(); }, onError: reject });
});
const { request } = await client.simulateContract({ account, address: token, abi, functionName: "transfer", args: [nobody, 7n] });
const hash = await wallet.writeContract(request);
const receipt = await client.waitForTransactionReceipt({ hash });
assert.equal(receipt.status, "success");
assert.equal(receipt.effectiveGasPrice, 0n);
const [event] = parseEventLogs({ abi, logs: receipt.logs, eventName: "Transfer" });
assert.equal(event.args.value, 7n);
assert.equal(await client.readContract({ address: token, abi, functionName: "balanceOf", args: [nobody] }), 7n);
assert.equal((await client.getTransaction({ hash })).from.toLowerCase(), account.address.toLowerCase());
assert.equal((await client.getBlock({ blockHash: receipt.blockHash })).number, receipt.blockNumber);

const gas = await client.estimateContractGas({ account, address: token, abi, functionName: "transfer", args: [nobody, 1n] });
assert.ok(gas > 21_000n && gas < 100_000n, `estimated ${gas}`);
await assert.rejects(
  client.simulateContract({ account: nobody, address: token, abi, functionName: "transfer", args: [account.address, 8n] }),
  /ERC20InsufficientBalance/,
);
assert.equal(await client.getGasPrice(), 0n);
assert.equal(await client.getBalance({ address: account.address }), 0n);
const history = await client.getFeeHistory({ blockCount: 2, rewardPercentiles: [50] });
assert.ok(history.baseFeePerGas.every((fee) => fee === 0n));
const nonce = await client.getTransactionCount({ address: account.address, blockTag: "pending" });
const signed = await wallet.signTransaction({ to: token, nonce, gas: 100_000n, gasPrice: 0n, type: "legacy", data: "0x18160ddd" });
const raw = await client.sendRawTransaction({ serializedTransaction: signed });
assert.equal((await client.waitForTransactionReceipt({ hash: raw })).status, "success");

await first;
assert.ok(heads.length > 0);
console.log(`${heads.length} heads`);
process.exit(0);
