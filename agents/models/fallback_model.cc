#include "agents/models/fallback_model.h"

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {

FallbackModel::FallbackModel(std::string name, std::vector<ChatModel*> chain)
    : name_(std::move(name)), chain_(std::move(chain)), capabilities_(chain_[0]->capabilities()) {
  for (const ChatModel* model : chain_) {
    const ModelCapabilities& other = model->capabilities();
    capabilities_.images = capabilities_.images && other.images;
    capabilities_.tools = capabilities_.tools && other.tools;
    capabilities_.reply_schema = capabilities_.reply_schema && other.reply_schema;
    capabilities_.logprobs = capabilities_.logprobs && other.logprobs;
    capabilities_.seed = capabilities_.seed && other.seed;
  }
}

CostEstimate FallbackModel::Estimate(const ChatRequest& request) const {
  CostEstimate worst;
  for (const ChatModel* model : chain_) {
    const CostEstimate estimate = model->Estimate(request);
    worst.input_tokens = std::max(worst.input_tokens, estimate.input_tokens);
    worst.max_output_tokens = std::max(worst.max_output_tokens, estimate.max_output_tokens);
    worst.max_cost_microusd = std::max(worst.max_cost_microusd, estimate.max_cost_microusd);
  }
  return worst;
}

Async<ChatReply> FallbackModel::Complete(ChatCallPtr call) {
  absl::StatusOr<ChatReply> reply = absl::InternalError("an empty chain of models");
  for (ChatModel* model : chain_) {
    reply = co_await model->Complete(call);
    if (reply.ok()) co_return reply;
    CO_RETURN_IF_ERROR(call->context.cancel.status());
  }
  co_return reply;
}

}  // namespace troupe
