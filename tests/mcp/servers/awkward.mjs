// A server of the legacy era by hand, with the manners that servers in the wild have: it talks on
// its standard output, lists its tools in pages, says nothing to what it does not know, and ends or
// hangs when it is told to. The words after the script's name choose:
//   silent      no reply to an unknown method      dies     ends at an unknown method
//   crashes     ends at once                       changes  another definition at every start
import { createInterface } from "node:readline";
import { existsSync, writeFileSync } from "node:fs";

const manners = new Set(process.argv.slice(2));
if (manners.has("crashes")) { console.error("secret is " + process.env.API_KEY); process.exit(3); }
const counter = process.env.COUNTER;
const started = counter && existsSync(counter) ? 2 : 1;
if (counter) writeFileSync(counter, "started");
const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const tool = (name, description = "Does " + name) => ({ name, description, inputSchema: { type: "object" } });
console.log("hello, I am not JSON");
console.error("key: " + process.env.API_KEY);

const pages = [[tool("first"), tool("Upper/Case"), tool("upper_case")],
  [tool("second", manners.has("changes") ? `Version ${started}` : undefined), tool("hang"), tool("die"), tool("ask"), tool("tell"), tool("big"), tool("repeat"), tool("flaky")]];
let asked = 0;
let flaked = 0;
const waiting = new Map();

createInterface({ input: process.stdin }).on("line", (line) => {
  const message = JSON.parse(line);
  const { id, method, params } = message;
  if (method === undefined) return waiting.get(id)?.(message);
  if (method === "initialize") return say({ id, result: { protocolVersion: "2024-11-05", capabilities: { tools: {} }, serverInfo: { name: "awkward", version: "0" } } });
  if (method === "tools/list") {
    const page = params.cursor === undefined ? 0 : Number(params.cursor);
    return say({ id, result: { tools: pages[page], ...(page === 0 ? { nextCursor: "1" } : {}) } });
  }
  if (method === "tools/call") return call(id, params);
  if (method.startsWith("notifications/")) return;
  if (manners.has("dies")) process.exit(1);
  if (!manners.has("silent")) say({ id, error: { code: -32000, message: "what?" } });
});

function call(id, { name, _meta }) {
  const text = (value) => say({ id, result: { content: [{ type: "text", text: value }] } });
  if (name === "hang") return;
  if (name === "die") process.exit(5);
  if (name === "tell") return text("the key is " + process.env.API_KEY);
  if (name === "big") return text("x".repeat(17 * 1024 * 1024));
  if (name === "repeat") {
    // Progress that does not rise is none.
    return setInterval(() => say({ method: "notifications/progress", params: { progressToken: _meta.progressToken, progress: 1 } }), 50);
  }
  if (name === "ask") {
    const question = `q${++asked}`;
    waiting.set(question, (answer) => text(JSON.stringify(answer.result ?? answer.error)));
    return say({ id: question, method: "elicitation/create", params: { mode: "url", url: "http://example.invalid", message: "open this" } });
  }
  // Five failures, then all is well.
  if (name === "flaky") return ++flaked > 5 ? text("works again") : say({ id, error: { code: -32603, message: "out of order" } });
  if (name === "Upper/Case") return text("upper");
  text(`${name} at start ${started}`);
}
