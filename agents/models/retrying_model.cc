#include "agents/models/retrying_model.h"

#include <absl/strings/numbers.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "agents/models/wire.h"
#include "tools/base/error.h"
#include "tools/base/pause.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

bool MayTryAgain(const absl::Status& status) {
  const auto metadata = MetadataOf(status);
  const auto said = metadata.find(kRetryKey);
  return said != metadata.end() && said->second == "true";
}

double UniformRandom() {
  thread_local std::minstd_rand generator(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

}  // namespace

RetryingModel::RetryingModel(std::unique_ptr<ChatModel> model, ModelRetries retries)
    : model_(std::move(model)), retries_(retries) {}

CostEstimate RetryingModel::Estimate(const ChatRequest& request) const {
  return model_->Estimate(request);
}

absl::Duration RetryingModel::WaitBefore(int attempt, const absl::Status& failure) const {
  const auto metadata = MetadataOf(failure);
  int64_t asked = 0;
  if (const auto found = metadata.find(kRetryAfterKey);
      found != metadata.end() && absl::SimpleAtoi(found->second, &asked)) {
    return absl::Milliseconds(asked);
  }
  // All clients that failed together would otherwise come back together.
  const absl::Duration ceiling =
      std::min(retries_.longest_wait, retries_.first_wait * std::pow(2.0, attempt - 1));
  return ceiling * UniformRandom();
}

Async<ChatReply> RetryingModel::Complete(ChatCallPtr call) {
  for (int attempt = 1;; ++attempt) {
    auto reply = co_await model_->Complete(call);
    if (reply.ok()) {
      reply->attempts = attempt;
      co_return reply;
    }
    CO_RETURN_IF_ERROR(call->context.cancel.status());
    if (attempt >= retries_.attempts || !MayTryAgain(reply.status())) co_return reply.status();
    const absl::Duration wait = WaitBefore(attempt, reply.status());
    CO_RETURN_IF_ERROR(co_await Pause(wait, call->context.cancel));
  }
}

}  // namespace troupe
