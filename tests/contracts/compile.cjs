// Compiles BankToken.sol with solc from npm and writes BankToken.json: abi, bytecode, the compiler and the
// SHA-256 of every source. `node compile.cjs --check` compares with the checked-in artefact instead, and
// `node compile.cjs --input FILE` writes the compiler's standard JSON input with all sources in it.
const { createHash } = require("node:crypto");
const { readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const solc = require("solc");

const sources = {};
const texts = {};
const read = (name) => {
  const path = name.startsWith("@") ? require.resolve(name) : join(__dirname, name);
  sources[name] = createHash("sha256").update(readFileSync(path)).digest("hex");
  texts[name] = { content: readFileSync(path, "utf8") };
  return { contents: texts[name].content };
};
const input = {
  language: "Solidity",
  sources: { "BankToken.sol": { content: read("BankToken.sol").contents } },
  settings: {
    optimizer: { enabled: true, runs: 200 },
    metadata: { bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
const errors = (output.errors ?? []).filter((error) => error.severity === "error");
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const contract = output.contracts["BankToken.sol"].BankToken;
const artefact = {
  contractName: "BankToken",
  compiler: `solc ${solc.version()}`,
  sourceSha256: Object.fromEntries(Object.entries(sources).sort()),
  abi: contract.abi,
  bytecode: `0x${contract.evm.bytecode.object}`,
};
if (process.argv.includes("--input")) {
  // The order of the sources is the alphabet's, so that the file has one hash.
  const sorted = Object.fromEntries(Object.entries(texts).sort());
  writeFileSync(process.argv[process.argv.indexOf("--input") + 1], JSON.stringify({ ...input, sources: sorted }));
  process.exit(0);
}
const text = `${JSON.stringify(artefact, null, 2)}\n`;
const file = join(__dirname, "BankToken.json");
if (process.argv.includes("--check")) {
  const same = readFileSync(file, "utf8") === text;
  console.log(same ? "BankToken.json is what its sources compile to" : "BankToken.json differs from its sources");
  process.exit(same ? 0 : 1);
}
writeFileSync(file, text);
console.log(`wrote BankToken.json with ${artefact.compiler}`);
