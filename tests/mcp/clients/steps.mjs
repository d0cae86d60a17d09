// What every client does with `troupe mcp`; prints what it saw as JSON.
export async function run(client, extra = {}) {
  const seen = { ...extra };
  const call = async (name, args = {}, options = undefined) => {
    const result = await client.callTool({ name, arguments: args }, ...(options ?? []));
    return result.isError ? { failed: result.content[0].text } : result.structuredContent;
  };
  seen.server = client.getServerVersion?.()?.name;
  seen.tools = (await client.listTools()).tools.map((tool) => tool.name).sort();

  await call("submit_task", { request: "Say hello.", task_id: "hello" });
  const progress = [];
  seen.hello = await call("wait_for_task", { task: "hello", seconds: 30 }, seen.options({ onprogress: (p) => progress.push(p.message) }));
  seen.progress = progress.length;

  await call("submit_task", { task_id: "asking", spec: { chat: { turns: ["Ask me."], tools: ["ask_user"] } } });
  seen.asking = await call("wait_for_task", { task: "asking", seconds: 30 });
  await call("respond_to_task", { task: "asking", answer: "blue" });
  seen.answered = await call("wait_for_task", { task: "asking", seconds: 30 });

  await call("submit_task", { task_id: "stuck", spec: { chat: { turns: ["Ask me."], tools: ["ask_user"] } } });
  await call("wait_for_task", { task: "stuck", seconds: 30 });
  const after = (await call("get_task", { task: "stuck" })).last_sequence;
  const abort = new AbortController();
  const waiting = call("wait_for_task", { task: "stuck", seconds: 600, after_sequence: Number(after) }, seen.options({ signal: abort.signal }));
  setTimeout(() => abort.abort("enough"), 300);
  seen.aborted = await waiting.then(() => "answered", (error) => `rejected: ${error.message ?? error}`);
  seen.stopping = await call("cancel_task", { task: "stuck", reason: "enough" });
  seen.cancelled = await call("wait_for_task", { task: "stuck", seconds: 30 });

  seen.tasks = (await call("list_tasks", { limit: 10 })).tasks.map((task) => task.name);
  seen.hits = (await call("search_spans", { query: "blue" })).hits.length;
  seen.spans = (await call("get_trace", { task: "asking", full: true })).spans.length;
  seen.wrong = await call("get_task", { task: "nowhere" });
  seen.misspelt = await call("get_task", { taks: "hello" });
  seen.unknown = await call("no_such_tool").then(() => "answered", (error) => `rejected: ${error.code}`);
  delete seen.options;
  console.log(JSON.stringify(seen));
  await client.close();
}
