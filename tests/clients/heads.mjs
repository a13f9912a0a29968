// An application with a client certificate that listens to new blocks over a WebSocket, by Node's own TLS. Prints the
// height of each block, and in the end `closed` with the code of the closing frame, or of the error.
// Usage: node heads.mjs HTTPS_URL ROOT_CA CERTIFICATE KEY PASSPHRASE_FILE
import { readFileSync } from "node:fs";
import { connect } from "node:tls";

const [, , url, ca, cert, key, secret] = process.argv;
const { hostname, port } = new URL(url);
const passphrase = readFileSync(secret, "utf8").trim();
const tls = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key), passphrase };
const socket = connect({ host: hostname, port, ...tls });

/// A text frame; its mask is zero.
const frame = (text) => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);

const ended = (why) => {
  console.log(`closed ${why}`);
  process.exit(0);
};

/// Takes one frame off the front of what has come; nothing while it is not whole.
const take = (bytes) => {
  if (bytes.length < 2) return;
  const short = bytes[1] & 0x7f;
  const head = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < head) return;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (bytes.length < head + length) return;
  return { opcode: bytes[0] & 0x0f, payload: bytes.subarray(head, head + length), rest: bytes.subarray(head + length) };
};

let come = Buffer.alloc(0);
let open = false;
socket.on("secureConnect", () =>
  socket.write(
    `GET / HTTP/1.1\r\nhost: ${hostname}\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
      "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  ),
);
socket.on("data", (bytes) => {
  come = Buffer.concat([come, bytes]);
  if (!open) {
    const end = come.indexOf("\r\n\r\n");
    if (end < 0) return;
    if (!come.toString("latin1").startsWith("HTTP/1.1 101")) ended(come.toString("latin1").slice(9, 12));
    come = come.subarray(end + 4);
    open = true;
    socket.write(frame('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'));
  }
  for (let next; (next = take(come)); come = next.rest) {
    if (next.opcode === 8) ended(next.payload.length >= 2 ? next.payload.readUInt16BE(0) : 1005);
    if (next.opcode !== 1) continue;
    const said = JSON.parse(next.payload);
    if (said.error) ended(said.error.code);
    if (said.params) console.log(Number(said.params.result.number));
  }
});
socket.on("error", (error) => ended(error.code));
socket.on("end", () => ended("gone"));
