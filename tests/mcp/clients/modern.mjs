// The official SDK of the revision 2026-07-28 as an MCP host: node modern.mjs MODE COMMAND ARGS...
// MODE is auto or legacy.
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { run } from "./steps.mjs";

const [mode, command, ...args] = process.argv.slice(2);
const client = new Client({ name: "modern-host", version: "1" }, { versionNegotiation: { mode } });
await client.connect(new StdioClientTransport({ command, args }));
await run(client, { version: client.getNegotiatedProtocolVersion(), era: client.getProtocolEra(), options: (options) => [options] });
