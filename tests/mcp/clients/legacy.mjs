// The official SDK of the legacy era as an MCP host: node legacy.mjs COMMAND ARGS...
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { run } from "./steps.mjs";

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: "legacy-host", version: "1" });
const transport = new StdioClientTransport({ command, args });
let version;
transport.setProtocolVersion = (negotiated) => { version = negotiated; };
await client.connect(transport);
await client.ping();
await run(client, { version, options: (options) => [undefined, options] });
