#include "agents/runtime/tool_host.h"

#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// A call that asks without an end is broken.
constexpr int kMaxAsked = 1000;

absl::Status AskedTooMuch() {
  return Error(Reason::kToolFailed, fmt::format("a call may ask {} times at most", kMaxAsked));
}

ChatRequest ToChatRequest(HostSampleRequest sample) {
  ChatRequest request;
  if (!sample.system.empty()) request.messages.push_back(SystemMessage(sample.system));
  for (HostMessage& given : sample.messages) {
    Message message = given.from_assistant ? AssistantMessage(given.text) : UserMessage(given.text);
    for (HostImage& image : given.images) {
      message.parts.push_back(ImagePart{image.media_type, std::move(image.bytes)});
    }
    request.messages.push_back(std::move(message));
  }
  if (sample.max_tokens > 0) request.max_tokens = sample.max_tokens;
  request.temperature = sample.temperature;
  request.stop = std::move(sample.stop);
  return request;
}

}  // namespace

std::string AskedName(int n) { return fmt::format("asked:{}", n); }

// A call that was cut off and is repeated may ask otherwise than before. What it asked then stays
// in the record, and the new question is one of its own.
Async<Json> TaskToolHost::Ask(HostQuestion asked) {
  Question question;
  question.kind = asked.is_approval ? QuestionKind::kApproval : QuestionKind::kClarification;
  question.prompt = std::move(asked.prompt);
  question.choices = std::move(asked.choices);
  question.schema = std::move(asked.schema);
  question.detail = std::move(asked.detail);
  while (asked_ < kMaxAsked) {
    auto answer = co_await call_.Ask(AskedName(++asked_), question);
    if (!HasReason(answer.status(), Reason::kDivergence)) co_return answer;
  }
  co_return AskedTooMuch();
}

Async<HostSample> TaskToolHost::Sample(HostSampleRequest sample) {
  const ChatRequest request = ToChatRequest(std::move(sample));
  while (asked_ < kMaxAsked) {
    auto reply = co_await call_.Chat(AskedName(++asked_), kSamplingRole, request);
    if (HasReason(reply.status(), Reason::kDivergence)) continue;
    CO_RETURN_IF_ERROR(reply.status());
    HostSample answer;
    answer.text = reply->message.text();
    answer.model = reply->model;
    answer.cut_short = reply->finish == FinishReason::kLength;
    co_return answer;
  }
  co_return AskedTooMuch();
}

}  // namespace troupe
