// Hardhat 2 with its ethers plugin: compile, deploy, call, read events, and see why a call fails.
// Usage: ETH_RPC_URL=… DEVELOPER_KEY=0x… hardhat run scripts/till.cjs
const assert = require("node:assert/strict");
const { ethers, network } = require("hardhat");

async function main() {
  const [developer] = await ethers.getSigners();
  const till = await ethers.deployContract("Till", [5n]);
  await till.waitForDeployment();
  assert.equal(await till.coins(), 5n);

  const receipt = await (await till.put(3n)).wait();
  assert.equal(receipt.status, 1);
  assert.equal(await till.coins(), 8n);
  const [counted] = await till.queryFilter(till.filters.Counted(developer.address), receipt.blockNumber);
  assert.equal(counted.args.coins, 8n);
  assert.equal(await till.coins({ blockTag: receipt.blockNumber - 1 }), 5n);

  // Reverts are told before anything is sent: in words, or as the contract's own error.
  await assert.rejects(till.put(0n), /nothing was put in/);
  await assert.rejects(till.take(9n), (error) => {
    const revert = till.interface.parseError(error.data);
    assert.equal(revert.name, "TooFew");
    assert.deepEqual([...revert.args], [8n, 9n]);
    return true;
  });
  // Sent all the same, the transaction stands in a block and says that it failed.
  const forced = await till.take(9n, { gasLimit: 100_000n });
  await assert.rejects(forced.wait(), (error) => error.receipt.status === 0);

  await aTraceShowsWhatWasCaught(till);

  const history = await network.provider.send("eth_feeHistory", ["0x2", "latest", [50]]);
  assert.ok(history.baseFeePerGas.every((fee) => fee === "0x0"));
  console.log(await till.getAddress());
}

/// A call that reverts within a transaction that succeeds: only the trace tells.
async function aTraceShowsWhatWasCaught(till) {
  const purse = await ethers.deployContract("Purse");
  await purse.waitForDeployment();
  const sent = await purse.fill(till.target, 9n, { gasLimit: 200_000n });
  assert.equal((await sent.wait()).status, 1);
  assert.equal(await purse.refused(), true);

  const trace = await network.provider.send("debug_traceTransaction", [sent.hash, { tracer: "callTracer" }]);
  assert.equal(trace.type, "CALL");
  assert.equal(trace.error, undefined);
  assert.equal(trace.to, purse.target.toLowerCase());
  const [inner, ...others] = trace.calls;
  assert.deepEqual(others, []);
  assert.equal(inner.to, till.target.toLowerCase());
  assert.equal(inner.input, till.interface.encodeFunctionData("take", [9n]));
  assert.equal(inner.error, "execution reverted");
  assert.deepEqual([...till.interface.parseError(inner.output).args], [8n, 9n]);
  assert.ok(BigInt(inner.gasUsed) > 0n && BigInt(inner.gasUsed) < BigInt(trace.gasUsed));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
