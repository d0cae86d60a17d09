#include "agents/models/anthropic_model.h"

#include "agents/models/anthropic_codec.h"
#include "agents/models/structured_reply.h"
#include "agents/models/wire.h"
#include "tools/base/error.h"

namespace troupe {

AnthropicModel::AnthropicModel(ModelConfig config, HttpClient* http)
    : config_(std::move(config)), http_(http) {}

CostEstimate AnthropicModel::Estimate(const ChatRequest& request) const {
  return EstimateCost(request, config_);
}

Async<ChatReply> AnthropicModel::Complete(ChatCallPtr call) {
  if (config_.schema_dialect == SchemaDialect::kNone && call->request.reply_schema.has_value()) {
    auto described = std::make_shared<ChatCall>(*call);
    DescribeSchemaInPrompt(described->request);
    described->request.reply_schema.reset();
    call = std::move(described);
  }
  const ChatRequest& request = call->request;
  const ChatContext& context = call->context;
  const bool stream = config_.stream || context.on_text;
  HttpRequest post;
  post.method = "POST";
  post.url = config_.url + "/messages";
  post.headers = {{"Content-Type", "application/json"},
                  {"anthropic-version", config_.anthropic_version}};
  if (!config_.api_key.empty()) post.headers.emplace_back("x-api-key", config_.api_key);
  post.body = DumpJson(EncodeAnthropicRequest(request, config_, stream));
  post.timeouts = config_.timeouts;
  if (!stream) {
    auto response = co_await http_->Send(std::move(post), context.cancel);
    if (!response.ok()) co_return TransportError(response.status(), config_);
    if (response->status != 200) co_return RefusalOf(*response, config_, absl::Now());
    const auto body = ParseJson(response->body, "the reply");
    if (!body.ok()) co_return BadReply(config_, MessageOf(body.status()));
    co_return DecodeAnthropicReply(*body, request, config_);
  }
  AnthropicStream reply(config_, context.on_text);
  std::function<absl::Status(const SseEvent&)> take = [&reply](const SseEvent& event) {
    return reply.Take(event);
  };
  auto response = co_await PostForEvents(http_, std::move(post), context.cancel, std::move(take));
  if (!response.ok()) co_return TransportError(response.status(), config_);
  if (response->status != 200) co_return RefusalOf(*response, config_, absl::Now());
  co_return reply.Finish(request);
}

}  // namespace troupe
