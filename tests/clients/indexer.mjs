// What an indexer such as The Graph's does: walks the chain by several methods that tell the same facts, and
// finds the answers consistent with each other.
// Usage: node indexer.mjs HTTP_URL
import assert from "node:assert/strict";
import { keccak256 } from "ethers";

const [, , url] = process.argv;
const RANGE = 7;

/// All calls in one batch; the results in order.
async function batch(calls) {
  const body = calls.map(([method, ...params], id) => ({ jsonrpc: "2.0", id, method, params }));
  const headers = { "content-type": "application/json" };
  const answers = await (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).json();
  return answers.map((answer, id) => {
    assert.equal(answer.id, id, "answers of a batch stand in the order of its calls");
    assert.equal(answer.error, undefined, `${JSON.stringify(calls[id])}: ${JSON.stringify(answer.error)}`);
    return answer.result;
  });
}
const call = async (...one) => (await batch([one]))[0];
const quantity = (number) => `0x${number.toString(16)}`;

/// Whether a bloom filter may contain a value (yellow paper, 4.3.1: three times eleven bits).
function mayContain(bloom, value) {
  const digest = Buffer.from(keccak256(value).slice(2), "hex");
  const bits = Buffer.from(bloom.slice(2), "hex");
  return [0, 2, 4].every((at) => {
    const bit = digest.readUInt16BE(at) & 2047;
    return (bits[255 - (bit >> 3)] >> (bit & 7)) & 1;
  });
}

const tip = Number(await call("eth_blockNumber"));
let parent = await call("eth_getBlockByNumber", "0x0", false);
const logsOfReceipts = [];
let transactions = 0;
for (let height = 1; height <= tip; height += 1) {
  const number = quantity(height);
  const block = await call("eth_getBlockByNumber", number, true);
  const [byHash, lean, receipts, receiptsByHash, count, logsByHash] = await batch([
    ["eth_getBlockByHash", block.hash, true],
    ["eth_getBlockByNumber", number, false],
    ["eth_getBlockReceipts", number],
    ["eth_getBlockReceipts", block.hash],
    ["eth_getBlockTransactionCountByHash", block.hash],
    ["eth_getLogs", { blockHash: block.hash }],
  ]);
  assert.deepEqual(byHash, block);
  assert.deepEqual(receiptsByHash, receipts);
  assert.deepEqual(lean, { ...block, transactions: block.transactions.map((tx) => tx.hash) });
  assert.equal(block.parentHash, parent.hash);
  assert.ok(Number(block.timestamp) >= Number(parent.timestamp), "time never goes back");
  assert.equal(Number(count), block.transactions.length);
  assert.equal(receipts.length, block.transactions.length);
  const logs = receipts.flatMap((receipt) => receipt.logs);
  assert.deepEqual(logsByHash, logs);
  logs.forEach((log, index) => assert.equal(Number(log.logIndex), index));

  let gas = 0;
  for (const [index, tx] of block.transactions.entries()) {
    const place = { blockHash: block.hash, blockNumber: number, transactionIndex: quantity(index) };
    const [byItsHash, byPlace, receipt, raw] = await batch([
      ["eth_getTransactionByHash", tx.hash],
      ["eth_getTransactionByBlockNumberAndIndex", number, quantity(index)],
      ["eth_getTransactionReceipt", tx.hash],
      ["eth_getRawTransactionByHash", tx.hash],
    ]);
    assert.deepEqual(byItsHash, tx);
    assert.deepEqual(byPlace, tx);
    assert.deepEqual(receipt, receipts[index]);
    assert.equal(keccak256(raw), tx.hash);
    assert.equal(receipt.transactionHash, tx.hash);
    assert.equal(receipt.from, tx.from);
    assert.equal(receipt.to, tx.to);
    gas += Number(receipt.gasUsed);
    assert.equal(Number(receipt.cumulativeGasUsed), gas);
    for (const about of [tx, receipt, ...receipt.logs]) {
      for (const [field, value] of Object.entries(place)) assert.equal(about[field], value, field);
    }
    for (const log of receipt.logs) {
      for (const value of [log.address, ...log.topics]) {
        assert.ok(mayContain(receipt.logsBloom, value) && mayContain(block.logsBloom, value));
      }
    }
  }
  assert.equal(Number(block.gasUsed), gas);
  transactions += block.transactions.length;
  logsOfReceipts.push(...logs);
  parent = block;
}

// The same logs by ranges, by address and by topic.
const ranged = async (filter) => {
  const found = [];
  for (let from = 0; from <= tip; from += RANGE) {
    const to = Math.min(tip, from + RANGE - 1);
    found.push(...(await call("eth_getLogs", { ...filter, fromBlock: quantity(from), toBlock: quantity(to) })));
  }
  return found;
};
assert.deepEqual(await ranged({}), logsOfReceipts);
const { address, topics } = logsOfReceipts.find((log) => log.topics.length > 1);
assert.deepEqual(await ranged({ address }), logsOfReceipts.filter((log) => log.address === address));
assert.deepEqual(
  await ranged({ topics: [null, [topics[1], `0x${"00".repeat(32)}`]] }),
  logsOfReceipts.filter((log) => log.topics[1] === topics[1]
    || (log.topics[1] && BigInt(log.topics[1]) === 0n)),
);
assert.ok(transactions > 0 && logsOfReceipts.length > 0);
console.log(`${tip} blocks, ${transactions} transactions, ${logsOfReceipts.length} logs`);
