#include "tools/mcp/mcp_tool.h"

#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/mcp/json_rpc.h"
#include "tools/mcp/mcp_call.h"
#include "tools/mcp/mcp_peer.h"
#include "tools/mcp/mcp_question.h"
#include "tools/mcp/mcp_result.h"
#include "tools/mcp/mcp_server.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

// How often one call may come back with further questions.
constexpr int kMaxRounds = 20;
constexpr size_t kMaxInputs = 20;
constexpr size_t kMaxProgress = 300;

// What is refused is told to the server, which may go on without it; any other failure ends the
// call.
bool IsRefusal(const absl::Status& status) {
  return !ReasonOf(status).has_value() && (status.code() == absl::StatusCode::kInvalidArgument ||
                                           status.code() == absl::StatusCode::kUnimplemented);
}

// What a call failed with, for the one that made it.
absl::Status Explained(const ToolSpec& spec, const absl::Status& failure) {
  if (RpcCodeOf(failure) == kRpcInvalidParams) {
    return Error(Reason::kToolArgumentsInvalid, MessageOf(failure), {{"tool", spec.name}});
  }
  if (!IsLostReply(failure) || spec.idempotent || spec.read_only) return failure;
  return Error(Reason::kToolInterrupted,
               fmt::format("{}; it is not known whether the call of {} took effect",
                           MessageOf(failure), spec.name),
               {{"tool", spec.name}});
}

std::string ProgressText(const Json& params) {
  const std::string message = JsonString(params, "message");
  std::string figures = fmt::format("{:g}", JsonDouble(params, "progress"));
  if (const Json& total = JsonMember(params, "total"); total.is_number()) {
    figures += fmt::format(" of {:g}", total.get<double>());
  }
  return PlainText(message.empty() ? figures : fmt::format("{} ({})", message, figures),
                   kMaxProgress);
}

}  // namespace

McpTool::McpTool(std::shared_ptr<McpServer> server, McpDefinition definition, ToolSpec spec)
    : server_(server),
      server_name_(server->config().name),
      definition_(std::move(definition)),
      spec_(std::move(spec)) {}

Async<ToolResult> McpTool::Call(ToolCall call) {
  const ToolContext* const context = &call.context;
  Json params = {{"name", definition_.name}, {"arguments", call.arguments}};
  for (int round = 0; round < kMaxRounds; ++round) {
    auto headers = ParamHeaders(definition_.header_params, call.arguments);
    CO_ASSIGN_OR_RETURN(const Json result, co_await CallOnce(context, params, std::move(headers)));
    if (JsonString(result, "resultType") != "input_required") {
      co_return ReadMcpResult(spec_.name, result, *context);
    }
    // Every round stands alone: the server keeps nothing of the one before but what we send back.
    params = {{"name", definition_.name}, {"arguments", call.arguments}};
    if (const Json& requests = JsonObject(result, "inputRequests"); !requests.empty()) {
      CO_ASSIGN_OR_RETURN(params["inputResponses"], co_await AnswerInputs(context, requests));
    }
    if (const Json& state = JsonMember(result, "requestState"); !state.is_null()) {
      params["requestState"] = state;
    }
  }
  co_return Error(Reason::kToolFailed,
                  fmt::format("{} asked for input {} times without an end", spec_.name, kMaxRounds),
                  {{"tool", spec_.name}});
}

Async<Json> McpTool::CallOnce(const ToolContext* context, Json params,
                              std::vector<std::pair<std::string, std::string>> headers) {
  auto server = server_.lock();
  if (server == nullptr) {
    co_return Error(Reason::kToolFailed, fmt::format("the MCP server {} is closed", server_name_),
                    {{"server", server_name_}});
  }
  auto exchange = std::make_shared<McpCall>(definition_.name, std::move(params), std::move(headers),
                                            context->cancel);
  server->Call(exchange);
  absl::Status failure;
  for (;;) {
    CO_ASSIGN_OR_RETURN(McpCallEvent event, co_await exchange->Next());
    if (event.kind == McpCallEvent::Kind::kProgress) {
      context->progress(ProgressText(event.params));
    } else if (event.kind == McpCallEvent::Kind::kEnded) {
      CO_RETURN_IF_ERROR(failure);
      if (!event.result.ok()) co_return Explained(spec_, event.result.status());
      co_return std::move(event.result);
    } else {
      auto answer = co_await AnswerMcpQuestion(server->config(), spec_.name, event.method,
                                               std::move(event.params), context);
      if (!answer.ok() && !IsRefusal(answer.status())) failure = answer.status();
      event.answer(std::move(answer));
    }
  }
}

Async<Json> McpTool::AnswerInputs(const ToolContext* context, Json requests) {
  if (requests.size() > kMaxInputs) {
    co_return Error(Reason::kToolFailed,
                    fmt::format("{} asks for {} inputs at once; {} are allowed", spec_.name,
                                requests.size(), kMaxInputs),
                    {{"tool", spec_.name}});
  }
  auto server = server_.lock();
  if (server == nullptr) {
    co_return Error(Reason::kToolFailed, fmt::format("the MCP server {} is closed", server_name_),
                    {{"server", server_name_}});
  }
  Json responses = Json::object();
  // Sorted by key, so that a call that is repeated asks in the same order.
  for (const auto& [key, request] : requests.items()) {
    const std::string method = JsonString(request, "method");
    auto answer = co_await AnswerMcpQuestion(server->config(), spec_.name, method,
                                             JsonObject(request, "params"), context);
    if (answer.ok()) {
      responses[key] = *std::move(answer);
      continue;
    }
    if (!IsRefusal(answer.status())) co_return answer.status();
    // There are no errors here: a form is declined; without anything else the call cannot go on.
    if (method != "elicitation/create") {
      co_return Error(Reason::kToolFailed,
                      fmt::format("{} asked for {}, which was refused: {}", spec_.name,
                                  PlainText(method, 100), MessageOf(answer.status())),
                      {{"tool", spec_.name}});
    }
    responses[key] = {{"action", "decline"}};
  }
  co_return responses;
}

}  // namespace troupe
