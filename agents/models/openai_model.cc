#include "agents/models/openai_model.h"

#include "agents/models/openai_codec.h"
#include "agents/models/structured_reply.h"
#include "agents/models/wire.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {

OpenAiModel::OpenAiModel(ModelConfig config, HttpClient* http)
    : config_(std::move(config)), http_(http) {}

CostEstimate OpenAiModel::Estimate(const ChatRequest& request) const {
  return EstimateCost(request, config_);
}

HttpRequest OpenAiModel::Post(std::string body) const {
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

Async<ChatReply> OpenAiModel::Complete(ChatRequest request, ChatContext context) {
  if (config_.schema_dialect == SchemaDialect::kNone) DescribeSchemaInPrompt(request);
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
