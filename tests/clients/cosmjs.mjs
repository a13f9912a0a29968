// cosmjs: every query that its CometBFT 0.38 client knows, broadcasts, and subscriptions over a WebSocket.
// Usage: node cosmjs.mjs COMET_URL COMET_WS_URL ETHEREUM_URL TOKEN OPERATOR_SECRET_FILE
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Comet38Client, connectComet, HttpBatchClient } from "@cosmjs/tendermint-rpc";
import { getBytes, Interface, JsonRpcProvider, keccak256, Wallet } from "ethers";

const [, , http, ws, ethereum, token, operatorFile] = process.argv;
const provider = new JsonRpcProvider(ethereum, undefined, { cacheTimeout: -1 });
const operator = new Wallet(readFileSync(operatorFile, "utf8").trim(), provider);
const hex = (bytes) => Buffer.from(bytes).toString("hex");

// The client finds out by itself which CometBFT it speaks to.
const client = await connectComet(http);
assert.ok(client instanceof Comet38Client);

let nonce = await operator.getNonce();
const { chainId } = await provider.getNetwork();
const data = new Interface(["function transfer(address,uint256)"])
  .encodeFunctionData("transfer", [operator.address, 1n]);
const signed = async () => {
  const tx = { type: 2, chainId, nonce, to: token, data, gasLimit: 100_000n };
  nonce += 1;
  return getBytes(await operator.signTransaction({ ...tx, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n }));
};

/// The first event of a stream that a test accepts.
const first = (stream, accept) =>
  new Promise((resolve, reject) => {
    const subscription = stream.subscribe({
      next: (event) => { if (accept(event)) { resolve(event); subscription.unsubscribe(); } },
      error: reject,
    });
  });
const tx = await signed();
const hash = getBytes(keccak256(tx));
// cosmjs 0.39 never sends what is asked of a socket that had nothing to send when it opened: so ask at once.
const live = await Comet38Client.connect(ws);
const blockSeen = first(live.subscribeNewBlock(), (block) => block.txs.some((one) => hex(one) === hex(tx)));
const headerSeen = first(live.subscribeNewBlockHeader(), () => true);
// cosmjs computes an event's hash itself, as SHA-256; here a transaction's hash is Ethereum's (docs/rpc.md).
const txSeen = first(live.subscribeTx(), (event) => hex(event.tx) === hex(tx));
// Answered after the subscriptions, which go over the same connection.
await live.health();

const committed = await client.broadcastTxCommit({ tx });
assert.equal(committed.checkTx.code, 0);
assert.equal(committed.txResult.code, 0);
assert.equal(hex(committed.hash), hex(hash));
const { height } = committed;
assert.equal((await blockSeen).header.height, height);
assert.equal((await txSeen).height, height);
assert.ok((await headerSeen).height > 0);

const status = await client.status();
assert.ok(status.syncInfo.latestBlockHeight >= height);
assert.ok(status.syncInfo.latestAppHash.length === 32);
const { block, blockId } = await client.block(height);
assert.equal(hex(block.txs[0]), hex(tx));
assert.ok(blockId.parts.total >= 1);
assert.equal((await client.block(1)).block.header.height, 1);
const results = await client.blockResults(height);
assert.equal(results.results.length, block.txs.length);
const { commit } = await client.commit(height);
assert.equal(hex(commit.blockId.hash), hex(blockId.hash));
const everyone = await client.validatorsAll(height);
assert.equal(everyone.total, everyone.validators.length);
assert.ok(commit.signatures.length === everyone.total);
const metas = (await client.blockchain(1, height)).blockMetas;
assert.equal(hex(metas[0].blockId.hash), hex(blockId.hash));
assert.equal((await client.genesis()).chainId, block.header.chainId);
assert.equal((await client.abciInfo()).lastBlockHeight >= height, true);
await client.health();
assert.equal((await client.numUnconfirmedTxs()).total, 0);

const found = await client.tx({ hash, prove: true });
assert.equal(hex(found.proof.rootHash), hex(block.header.dataHash));
assert.equal(hex(found.proof.data), hex(tx));
const byHash = await client.txSearchAll({ query: `tx.hash='${hex(hash).toUpperCase()}'` });
assert.equal(byHash.totalCount, 1);
const byHeight = await client.txSearch({ query: `tx.height=${height}`, page: 1, per_page: 10 });
assert.equal(byHeight.totalCount, block.txs.length);
const blocks = await client.blockSearchAll({ query: `block.height >= ${height - 1} AND block.height <= ${height}` });
assert.deepEqual(blocks.blocks.map(({ block }) => block.header.height), [height - 1, height]);

// An account's entry in the state: `01 ‖ address`, with its proof.
const entry = { path: "/store", data: getBytes(`0x01${operator.address.slice(2)}`) };
const { value, proof, code } = await client.abciQuery({ ...entry, prove: true });
assert.equal(code, 0);
// Its nonce and the height of its last activity.
assert.equal(value.length, 16);
assert.equal(proof.ops[0].type, "ics23:smt");

assert.equal((await client.broadcastTxSync({ tx: await signed() })).code, 0);
assert.ok((await client.broadcastTxAsync({ tx: await signed() })).hash.length === 32);
await provider.waitForTransaction(keccak256(tx));
const refused = await client.broadcastTxSync({ tx });
assert.ok(refused.code >= 64 && refused.log.length > 0);
assert.equal(refused.codespace, "concordat");
await assert.rejects(client.block(1_000_000), /must be less than or equal to the current blockchain height/);

// Several calls in one HTTP request.
const batched = await Comet38Client.create(new HttpBatchClient(http));
const [one, two] = await Promise.all([batched.status(), batched.block(1), batched.validatorsAll(1)]);
assert.equal(one.nodeInfo.network, two.block.header.chainId);

live.disconnect();
provider.destroy();
console.log(height);
process.exit(0);
