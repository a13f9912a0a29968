// A project as a developer has it. The endpoint and the key come from the environment, as they should.
require("@nomicfoundation/hardhat-ethers");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
const { subtask } = require("hardhat/config");

// solc from npm, so that nothing is downloaded. Leave this out where Hardhat may fetch its compiler.
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => {
  const longVersion = require("solc").version();
  const [version] = longVersion.split("+");
  return { compilerPath: require.resolve("solc/soljson.js"), isSolcJs: true, version, longVersion };
});

const made = process.env.HARDHAT_MADE ?? ".";
module.exports = {
  solidity: "0.8.37",
  defaultNetwork: "concordat",
  networks: {
    concordat: {
      url: process.env.ETH_RPC_URL,
      accounts: [process.env.DEVELOPER_KEY],
    },
  },
  paths: { artifacts: `${made}/artifacts`, cache: `${made}/cache` },
};
