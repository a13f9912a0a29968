// The answers of a node against the JSON schemas of ethereum/execution-apis, as @metamask/api-specs ships them
// (an OpenRPC document). Every method that both have is called: once well, once without its parameters.
// Usage: node conformity.mjs HTTP_URL TRANSACTION_HASH [OPENRPC_FILE]
// With a third argument, the schemas are those of a document of your own, such as the newest execution-apis.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import Ajv from "ajv";
import { Wallet } from "ethers";

const [, , url, hash, file] = process.argv;
const require = createRequire(import.meta.url);
const openrpc = JSON.parse(readFileSync(file ?? require.resolve("@metamask/api-specs/dist/build/openrpc.json"), "utf8"));

/// The alternatives of the document overlap (a transaction of type 2 is also a "generic" one), so `oneOf` is
/// read as `anyOf`, as the document's own checker does.
const relaxed = (schema) => {
  if (Array.isArray(schema)) return schema.map(relaxed);
  if (schema === null || typeof schema !== "object") return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key === "oneOf" ? "anyOf" : key, relaxed(value)]);
  return Object.fromEntries(entries);
};
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema({ $id: "openrpc", components: { schemas: relaxed(openrpc.components.schemas) } });
const validator = (schema) =>
  ajv.compile(JSON.parse(JSON.stringify(relaxed(schema)).replaceAll('"#/components', '"openrpc#/components')));

/// Fields named `concordat…` are ours, beside those of the specification (docs/rpc.md).
const withoutOurs = (key, value) => (key.startsWith("concordat") ? undefined : value);
async function ask(method, params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const headers = { "content-type": "application/json" };
  return JSON.parse(await (await fetch(url, { method: "POST", headers, body })).text(), withoutOurs);
}
const result = async (method, ...params) => {
  const answer = await ask(method, params);
  assert.equal(answer.error, undefined, `${method} ${JSON.stringify(params)}: ${JSON.stringify(answer.error)}`);
  return answer.result;
};

// What the calls are about: a token transfer that is in a block.
const tx = await result("eth_getTransactionByHash", hash);
const { blockHash: block, blockNumber: number, transactionIndex: index, to: token, from } = tx;
const call = { from, to: token, data: tx.input };
const range = { fromBlock: number, toBlock: number };
const filters = {};
for (const [kind, ...params] of [["eth_newFilter", range], ["eth_newBlockFilter"]]) {
  filters[kind] = await result(kind, ...params);
}
// Waits in the pool for ever: the nonce before it is never used.
const waiting = await Wallet.createRandom().signTransaction({
  type: 2, chainId: Number(tx.chainId), nonce: 5, to: token, gasLimit: 50_000, maxFeePerGas: 0, maxPriorityFeePerGas: 0,
});

/// Sound parameters of each method, several where answers differ in shape.
const calls = {
  debug_getRawTransaction: [[hash]],
  debug_traceTransaction: [[hash, { tracer: "callTracer" }]],
  eth_accounts: [[]],
  eth_blobBaseFee: [[]],
  eth_blockNumber: [[]],
  eth_call: [[call, "latest"], [{ to: token, input: "0x18160ddd" }, number]],
  eth_chainId: [[]],
  eth_coinbase: [[]],
  eth_createAccessList: [[call, "latest"]],
  eth_estimateGas: [[call], [call, "latest"]],
  eth_feeHistory: [["0x3", "latest", [20, 70.5]], ["0x1", number, []]],
  eth_gasPrice: [[]],
  eth_getBalance: [[from, "latest"], [from, { blockHash: block }]],
  eth_getBlockByHash: [[block, true], [block, false], [`0x${"00".repeat(32)}`, false]],
  eth_getBlockByNumber: [[number, true], ["latest", false], ["earliest", false], ["0xffffff", false], ["safe", true], ["finalized", false], ["pending", false]],
  eth_getBlockReceipts: [[number], [block], ["0xffffff"], ["earliest"]],
  eth_getBlockTransactionCountByHash: [[block]],
  eth_getBlockTransactionCountByNumber: [[number], ["0xffffff"]],
  eth_getCode: [[token, "latest"], [from, "latest"]],
  eth_getFilterChanges: [[filters.eth_newFilter], [filters.eth_newBlockFilter]],
  eth_getFilterLogs: [[filters.eth_newFilter]],
  eth_getLogs: [[range], [{ blockHash: block, address: token }], [{ ...range, topics: [[]] }]],
  eth_getProof: [[token, ["0x0", `0x${"0".repeat(63)}1`], "latest"], [`0x${"ee".repeat(20)}`, [], "latest"]],
  eth_getRawTransactionByHash: [[hash]],
  eth_getStorageAt: [[token, "0x2", "latest"]],
  eth_getTransactionByBlockHashAndIndex: [[block, index], [block, "0xffff"]],
  eth_getTransactionByBlockNumberAndIndex: [[number, index]],
  eth_getTransactionByHash: [[hash], [`0x${"00".repeat(32)}`]],
  eth_getTransactionCount: [[from, "latest"], [from, "pending"], [from, { blockNumber: number }]],
  eth_getTransactionReceipt: [[hash], [`0x${"00".repeat(32)}`]],
  eth_getUncleCountByBlockHash: [[block]],
  eth_getUncleCountByBlockNumber: [[number]],
  eth_maxPriorityFeePerGas: [[]],
  eth_newBlockFilter: [[]],
  eth_newFilter: [[{ address: token }]],
  eth_newPendingTransactionFilter: [[]],
  eth_syncing: [[]],
  eth_uninstallFilter: [["0x1"]],
  net_version: [[]],
  txpool_content: [[]],
  txpool_contentFrom: [[from]],
  txpool_inspect: [[]],
  txpool_status: [[]],
  web3_clientVersion: [[]],
};
/// Not to be judged here, and why.
const elsewhere = {
  eth_sendRawTransaction: "submitted by the clients that run before",
  eth_subscribe: "on WebSockets alone; ethers, viem and web3.js subscribe",
  eth_unsubscribe: "likewise",
};

const offered = new Set((await (await fetch(url)).json()).map(({ method }) => method));
const wrong = [];
const blame = (name, given, answer, errors = []) => {
  const why = (errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`);
  wrong.push([`${name}(${JSON.stringify(given)})`, ...why, JSON.stringify(answer)].join("\n  "));
};
let judged = 0;
for (const { name, params, result: described } of openrpc.methods.filter(({ name }) => offered.has(name))) {
  if (name in elsewhere) continue;
  assert.ok(name in calls, `${name} is in the specification and offered, but this test has no call of it`);
  const conforms = validator(described.schema);
  for (const given of calls[name]) {
    const answer = await ask(name, given);
    judged += 1;
    if (answer.error || !conforms(answer.result)) blame(name, given, answer, conforms.errors);
  }
  // JSON-RPC 2.0, 5.1: an error is a number and a sentence, and nothing else stands beside it.
  const required = params.filter(({ required }) => required).length;
  for (const bad of required > 0 ? [[], [5]] : [Array(12).fill("0x")]) {
    const answer = await ask(name, bad);
    const keys = Object.keys(answer).sort().join();
    if (keys !== "error,id,jsonrpc" || answer.error.code !== -32602 || typeof answer.error.message !== "string") {
      blame(name, bad, answer);
    }
  }
}
// Receipts of blocks are those of transactions, whether or not the document knows the method.
const receipt = validator({ $ref: "#/components/schemas/ReceiptInfo" });
for (const one of await result("eth_getBlockReceipts", number)) {
  if (!receipt(one)) blame("eth_getBlockReceipts", [number], one, receipt.errors);
}
const refused = await ask("eth_sendRawTransaction", [waiting]);
assert.equal(refused.error.code, -32000, "a stranger's transaction is refused with the pool's words");
assert.ok(judged >= 50, `${judged} answers judged`);
assert.ok(wrong.length === 0, wrong.join("\n"));
console.log(`${judged} answers as ${openrpc.info.title} has them`);
