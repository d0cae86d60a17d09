// An OpenAI-compatible server over llama.cpp (node-llama-cpp) for one model and one request at a time;
// others wait. Chat completions, streamed or not, JSON-Schema-constrained replies, stop, seed,
// max_tokens; a request that does not fit the context is refused with context_length_exceeded.
import http from "node:http";
import path from "node:path";
import {getLlama, LlamaCompletion, resolveChatWrapper} from "node-llama-cpp";

const [modelPath, ...options] = process.argv.slice(2);
const option = (name, fallback) => {
  const at = options.indexOf(name);
  return at < 0 ? fallback : options[at + 1];
};
const MAX_BODY = 32 * 1024 * 1024;

const llama = await getLlama({build: "never", progressLogs: false, logLevel: "error"});
const model = await llama.loadModel({modelPath});
const contextSize = Math.min(Number(option("--context", 8192)), model.trainContextSize);
const context = await model.createContext({contextSize});
const sequence = context.getSequence();
const completion = new LlamaCompletion({contextSequence: sequence});
const wrapper = resolveChatWrapper(model);
const modelName = path.basename(modelPath);

class Refusal extends Error {
  constructor(status, message, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const textOf = (content) =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("\n");

function history(messages) {
  const items = [];
  for (const message of messages) {
    const text = textOf(message.content);
    if (message.role === "system" || message.role === "developer") items.push({type: "system", text});
    else if (message.role === "assistant") items.push({type: "model", response: [text]});
    else items.push({type: "user", text});
  }
  if (items.at(-1)?.type !== "model") items.push({type: "model", response: [""]});
  return items;
}

async function grammarOf(format) {
  const schema = format?.type === "json_schema" ? (format.json_schema?.schema ?? format.schema) :
    format?.type === "json_object" ? (format.schema ?? {type: "object"}) : undefined;
  return schema === undefined ? undefined : await llama.createGrammarForJsonSchema(schema);
}

let last = Promise.resolve();
function inTurn(work) {
  const turn = last.then(work, work);
  last = turn.catch(() => {});
  return turn;
}

async function complete(request, signal, onText) {
  if (!Array.isArray(request.messages) || request.messages.length === 0) {
    throw new Refusal(400, "messages must be a list with one message at least", "invalid_request");
  }
  const {contextText, stopGenerationTriggers} =
    wrapper.generateContextState({chatHistory: history(request.messages)});
  const tokens = contextText.tokenize(model.tokenizer);
  if (tokens.length >= contextSize - 1) {
    throw new Refusal(400, `the messages have ${tokens.length} tokens, the context ${contextSize}`,
      "context_length_exceeded");
  }
  const room = contextSize - tokens.length - 1;
  const maxTokens = Math.min(request.max_completion_tokens ?? request.max_tokens ?? room, room);
  const stops = [].concat(request.stop ?? []);
  const result = await completion.generateCompletionWithMeta(tokens, {
    maxTokens, signal, stopOnAbortSignal: true, onTextChunk: onText,
    temperature: request.temperature ?? 0, topP: request.top_p, seed: request.seed,
    grammar: await grammarOf(request.response_format),
    customStopTriggers: [...stops, ...stopGenerationTriggers], disableContextShift: true
  });
  const written = model.tokenize(result.response).length;
  return {
    text: result.response,
    finish: result.metadata.stopReason === "maxTokens" ? "length" : "stop",
    usage: {prompt_tokens: tokens.length, completion_tokens: written,
      total_tokens: tokens.length + written}
  };
}

function send(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, {"Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body)});
  response.end(body);
}

async function chat(request, response) {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const base = {id: `chatcmpl-${Date.now()}`, created: Math.floor(Date.now() / 1000), model: modelName};
  if (!request.stream) {
    const reply = await inTurn(() => complete(request, gone.signal));
    send(response, 200, {...base, object: "chat.completion", usage: reply.usage, choices: [{index: 0,
      finish_reason: reply.finish, message: {role: "assistant", content: reply.text}}]});
    return;
  }
  const event = (value) => response.write(`data: ${JSON.stringify({...base,
    object: "chat.completion.chunk", ...value})}\n\n`);
  const reply = await inTurn(() => complete(request, gone.signal, (text) => {
    if (!response.headersSent) response.writeHead(200, {"Content-Type": "text/event-stream"});
    event({choices: [{index: 0, delta: {content: text}, finish_reason: null}]});
  }));
  if (!response.headersSent) response.writeHead(200, {"Content-Type": "text/event-stream"});
  event({choices: [{index: 0, delta: {}, finish_reason: reply.finish}]});
  if (request.stream_options?.include_usage) event({choices: [], usage: reply.usage});
  response.end("data: [DONE]\n\n");
}

async function readBody(request) {
  let body = "";
  for await (const piece of request) {
    body += piece;
    if (body.length > MAX_BODY) throw new Refusal(413, "the request is too large", "too_large");
  }
  try {
    return JSON.parse(body);
  } catch {
    throw new Refusal(400, "the body is not JSON", "invalid_request");
  }
}

const server = http.createServer(async (request, response) => {
  try {
    if (request.url === "/health") send(response, 200, {status: "ok"});
    else if (request.url === "/v1/models") {
      send(response, 200, {object: "list", data: [{id: modelName, object: "model"}]});
    } else if (request.method === "POST" && request.url === "/v1/chat/completions") {
      await chat(await readBody(request), response);
    } else throw new Refusal(404, `there is no ${request.method} ${request.url}`, "not_found");
  } catch (error) {
    if (response.headersSent) response.destroy();
    else send(response, error.status ?? 500, {error: {message: error.message,
      type: error.status ? "invalid_request_error" : "server_error", code: error.code ?? null}});
  }
});
const host = option("--host", "127.0.0.1");
server.listen(Number(option("--port", 8080)), host, () => {
  console.log(`local-model: http://${host}:${server.address().port}/v1 (${modelName}, ` +
    `context ${contextSize})`);
});
