#include "agents/models/openai_model.h"

#include <absl/strings/ascii.h>

#include "agents/models/openai_codec.h"
#include "agents/models/structured_reply.h"
#include "agents/models/wire.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxRefused = 1000;

// Whether a server that knows no schemas for replies, or not this one, said no.
bool RefusesSchema(const absl::Status& status) {
  if (!HasReason(status, Reason::kModelRejected)) return false;
  const std::string http_status = MetadataOf(status)["http_status"];
  if (http_status != "400" && http_status != "422" && http_status != "501") return false;
  const std::string said = absl::AsciiStrToLower(std::string(MessageOf(status)));
  for (const char* word : {"response_format", "json_schema", "structured output", "grammar"}) {
    if (said.find(word) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

OpenAiModel::OpenAiModel(ModelConfig config, HttpClient* http)
    : config_(std::move(config)), http_(http) {}

CostEstimate OpenAiModel::Estimate(const ChatRequest& request) const {
  return EstimateCost(request, config_);
}

HttpRequest OpenAiModel::Post(SharedText body) const {
  HttpRequest request;
  request.method = "POST";
  request.url = config_.url + "/chat/completions";
  request.headers = {{"Content-Type", "application/json"}};
  if (!config_.api_key.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + config_.api_key);
  }
  request.body = std::move(body);
  request.timeouts = config_.timeouts;
  return request;
}

bool OpenAiModel::HasRefused(const std::string& schema) const {
  MutexLock lock(&mutex_);
  return refused_.contains(schema);
}

void OpenAiModel::NoteRefused(const std::string& schema) {
  MutexLock lock(&mutex_);
  if (refused_.size() < kMaxRefused) refused_.insert(schema);
}

Async<ChatReply> OpenAiModel::Complete(ChatCallPtr call) {
  return call->request.reply_schema.has_value() ? SendWithSchema(std::move(call))
                                                : Send(std::move(call));
}

Async<ChatReply> OpenAiModel::SendWithSchema(ChatCallPtr call) {
  const std::string& schema = call->request.reply_schema->name;
  if (config_.schema_dialect != SchemaDialect::kNone && !HasRefused(schema)) {
    auto reply = co_await Send(call);
    if (!RefusesSchema(reply.status())) co_return reply;
    NoteRefused(schema);
  }
  auto described = std::make_shared<ChatCall>(*call);
  DescribeSchemaInPrompt(described->request);
  described->request.reply_schema.reset();
  call = std::move(described);
  co_return co_await Send(std::move(call));
}

Async<ChatReply> OpenAiModel::Send(ChatCallPtr call) {
  const ChatRequest& request = call->request;
  const ChatContext& context = call->context;
  const bool stream = config_.stream || context.on_text;
  HttpRequest post = Post(EncodeOpenAiRequest(request, config_, stream));
  if (!stream) {
    auto response = co_await http_->Send(std::move(post), context.cancel);
    if (!response.ok()) co_return TransportError(response.status(), config_);
    if (response->status != 200) co_return RefusalOf(*response, config_, absl::Now());
    co_return DecodeOpenAiReply(response->body, request, config_);
  }
  OpenAiStream reply(config_, context.on_text);
  std::function<absl::Status(const SseEvent&)> take = [&reply](const SseEvent& event) {
    return reply.Take(event.data);
  };
  auto response = co_await PostForEvents(http_, std::move(post), context.cancel, std::move(take));
  if (!response.ok()) co_return TransportError(response.status(), config_);
  if (response->status != 200) co_return RefusalOf(*response, config_, absl::Now());
  co_return reply.Finish(request);
}

}  // namespace troupe
