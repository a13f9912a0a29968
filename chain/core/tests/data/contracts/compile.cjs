// Compiles the contracts of this folder: npm install solc@0.8.37 && node compile.cjs > artefacts.json
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const solc = require('solc');

const files = {
  'Token.sol': path.join(__dirname, 'Token.sol'),
  'Probe.sol': path.join(__dirname, 'Probe.sol'),
  'IdentityToken.sol': path.join(__dirname, 'IdentityToken.sol'),
  'TieredVault.sol': path.join(__dirname, 'TieredVault.sol'),
  'Versions.sol': path.join(__dirname, 'Versions.sol'),
  'CorrectableToken.sol': path.join(__dirname, 'CorrectableToken.sol'),
  'GreedyToken.sol': path.join(__dirname, 'GreedyToken.sol'),
  'Migrations.sol': path.join(__dirname, 'Migrations.sol'),
  'GovernedProxy.sol': path.join(__dirname, '../../../contracts/GovernedProxy.sol'),
  'IContracts.sol': path.join(__dirname, '../../../contracts/IContracts.sol'),
  'IIdentityRegistry.sol': path.join(__dirname, '../../../contracts/IIdentityRegistry.sol'),
};
const sources = {};
const sha256 = {};
for (const [name, file] of Object.entries(files)) {
  const content = fs.readFileSync(file, 'utf8');
  sources[name] = { content };
  sha256[name] = crypto.createHash('sha256').update(content).digest('hex');
}
const settings = {
  evmVersion: 'osaka',
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: { '*': { '*': ['evm.bytecode.object'] } },
};
const output = JSON.parse(solc.compile(JSON.stringify({ language: 'Solidity', sources, settings })));
const errors = (output.errors || []).filter((e) => e.severity === 'error');
if (errors.length) {
  console.error(errors.map((e) => e.formattedMessage).join('\n'));
  process.exit(1);
}
const bytecode = {};
for (const contracts of Object.values(output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) {
    if (contract.evm.bytecode.object) bytecode[name] = contract.evm.bytecode.object;
  }
}
console.log(JSON.stringify({ solc: solc.version(), evmVersion: settings.evmVersion, sha256, bytecode }, null, 2));
