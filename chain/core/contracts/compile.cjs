// Compiles GovernedProxy.sol with solc from npm (0.8.37) and writes GovernedProxy.json: abi, bytecode, the code that it
// leaves with a hole of zeros where the first implementation stands, and where that is. The registry of contracts knows
// proxies by that code (src/contracts/proxy.rs). `node compile.cjs --check` compares with the artefact instead.
const { createHash } = require('node:crypto');
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const solc = require('solc');

const content = readFileSync(join(__dirname, 'GovernedProxy.sol'), 'utf8');
const settings = {
  evmVersion: 'osaka',
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode'] } },
};
const sources = { 'GovernedProxy.sol': { content } };
const output = JSON.parse(solc.compile(JSON.stringify({ language: 'Solidity', sources, settings })));
const errors = (output.errors ?? []).filter((error) => error.severity === 'error');
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join('\n'));
  process.exit(1);
}
const { abi, evm } = output.contracts['GovernedProxy.sol'].GovernedProxy;
const artefact = {
  contractName: 'GovernedProxy',
  compiler: `solc ${solc.version()}`,
  sourceSha256: { 'GovernedProxy.sol': createHash('sha256').update(content).digest('hex') },
  abi,
  bytecode: `0x${evm.bytecode.object}`,
  deployedBytecode: `0x${evm.deployedBytecode.object}`,
  firstImplementationAt: Object.values(evm.deployedBytecode.immutableReferences).flat(),
};
const text = `${JSON.stringify(artefact, null, 2)}\n`;
const file = join(__dirname, 'GovernedProxy.json');
if (process.argv.includes('--check')) {
  const same = readFileSync(file, 'utf8') === text;
  console.log(same ? 'GovernedProxy.json is what its source compiles to' : 'GovernedProxy.json differs from its source');
  process.exit(same ? 0 : 1);
}
writeFileSync(file, text);
console.log(`wrote GovernedProxy.json with ${artefact.compiler}`);
