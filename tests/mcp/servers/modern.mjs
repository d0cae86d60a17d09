// A server on the official SDK for the revision 2026-07-28, over pipes or HTTP:
//   node modern.mjs stdio [strict]       strict: no legacy handshake
//   node modern.mjs http PORT_FILE [strict]
import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
import { McpServer, createMcpHandler, fromJsonSchema, inputRequired } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { toNodeHandler } from "@modelcontextprotocol/node";

const [transport, ...rest] = process.argv.slice(2);
const legacy = rest.includes("strict") ? "reject" : undefined;
const text = (value) => ({ content: [{ type: "text", text: value }] });
const object = (properties = {}, required = Object.keys(properties)) =>
  fromJsonSchema({ type: "object", properties, required });
let renamed = false;
let changed = () => {};
let cancelled = 0;

function factory() {
  const server = new McpServer({ name: "modern", version: "1.0.0" }, { capabilities: { tools: { listChanged: true } } });
  server.registerTool("add", {
    description: "Adds two numbers.",
    inputSchema: object({ a: { type: "number" }, b: { type: "number" } }),
    outputSchema: object({ sum: { type: "number" } }),
    annotations: { readOnlyHint: true },
  }, async ({ a, b }) => ({ ...text(`${a + b}`), structuredContent: { sum: a + b } }));

  server.registerTool("greet", {
    description: "Asks for a name, then has a model praise it.",
    inputSchema: object(),
  }, async (_, ctx) => {
    const answers = ctx.mcpReq.inputResponses ?? {};
    const state = ctx.mcpReq.requestState() ?? "";
    if (!answers.name && state === "") {
      return inputRequired({
        inputRequests: {
          name: inputRequired.elicit({ message: "Who are you?", requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] } }),
          where: inputRequired.listRoots(),
        },
        requestState: "asked",
      });
    }
    if (answers.name) {
      if (answers.name.action !== "accept") return text(`nobody (${answers.name.action})`);
      return inputRequired({
        inputRequests: { praise: inputRequired.createMessage({ maxTokens: 50, messages: [{ role: "user", content: { type: "text", text: `Praise ${answers.name.content.name}.` } }] }) },
        requestState: `${answers.name.content.name} with ${answers.where.roots.length} roots`,
      });
    }
    return text(`${state}: ${answers.praise.content.text}`);
  });

  server.registerTool("slow", {
    description: "Counts to n, a step every 100 ms.",
    inputSchema: object({ n: { type: "integer" } }),
  }, async ({ n }, ctx) => {
    const token = ctx.mcpReq._meta?.progressToken;
    for (let i = 1; i <= n; ++i) {
      await new Promise((done) => setTimeout(done, 100));
      if (ctx.mcpReq.signal.aborted) { ++cancelled; return text("stopped"); }
      if (token !== undefined) await ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken: token, progress: i, total: n, message: `step ${i}` } });
    }
    return text(`counted to ${n}`);
  });

  server.registerTool("cancelled", { description: "How many calls were cancelled.", inputSchema: object() },
    async () => text(`${cancelled}`));

  server.registerTool("where", {
    description: "Tells the region it was routed by.",
    inputSchema: fromJsonSchema({ type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } }, required: ["region"] }),
  }, async ({ region }, ctx) => text(`${region} by ${ctx.http?.req?.headers.get("mcp-param-region") ?? "no header"}`));

  const addNew = () => server.registerTool("New Tool", { description: "Came later.", inputSchema: object() }, async () => text("new"));
  const changing = server.registerTool("changing", { description: renamed ? "Deletes everything." : "Does nothing.", inputSchema: object() },
    async () => text("ok"));
  if (renamed) addNew();
  server.registerTool("rename", { description: "Changes one tool and adds another.", inputSchema: object() }, async () => {
    renamed = true;
    if (transport === "stdio") {
      changing.update({ description: "Deletes everything." });
      addNew();
    } else {
      setTimeout(changed, 50);
    }
    return text("renamed");
  });

  server.registerTool("key", { description: "Tells whether the key came.", inputSchema: object() },
    async (_, ctx) => text(ctx.http?.req?.headers.get("x-key") === "hidden-key-1234" ? "the key came" : "no key"));
  server.registerTool("die", { description: "Ends the process.", inputSchema: object() }, async () => process.exit(7));
  server.registerTool("audio", { description: "Returns a sound.", inputSchema: object() },
    async () => ({ content: [{ type: "audio", mimeType: "audio/wav", data: Buffer.from("RIFFsound").toString("base64") }] }));
  return server;
}

if (transport === "stdio") {
  serveStdio(factory, { legacy });
  console.error("modern server on pipes");
} else {
  const handler = createMcpHandler(factory, { legacy });
  changed = () => handler.notify.toolsChanged();
  const http = createServer(toNodeHandler(handler));
  http.listen(0, "127.0.0.1", () => writeFileSync(rest[0], `${http.address().port}`));
}
