// An application with a client certificate, by Node's own TLS: asks for the chain's id over one connection, once at
// the start and once for each line of its input.
// Usage: node tls.mjs HTTPS_URL ROOT_CA CERTIFICATE KEY PASSPHRASE_FILE
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { createInterface } from "node:readline";

const [, , url, ca, cert, key, secret] = process.argv;
const passphrase = readFileSync(secret, "utf8").trim();
const tls = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key), passphrase };
const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 1 });
const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });

/// Prints the status and the body, or the error's code.
const ask = () =>
  new Promise((done) => {
    const headers = { "content-type": "application/json" };
    const asking = request(url, { method: "POST", agent, headers }, async (answer) => {
      const text = (await answer.setEncoding("utf8").toArray()).join("");
      done(console.log(answer.statusCode, text));
    });
    asking.setTimeout(30_000, () => asking.destroy(new Error("no answer")));
    asking.on("error", (error) => done(console.log(error.code ?? error.message)));
    asking.end(body);
  });

await ask();
for await (const _ of createInterface({ input: process.stdin })) await ask();
agent.destroy();
