#include "agents/chat/chat_kind.h"

#include <fmt/format.h>

#include <set>

#include "agents/chat/chat.h"
#include "agents/runtime/task_result.h"
#include "agents/runtime/tool_answer.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxText = 256 * 1024;
constexpr int kMaxTurns = 1000;
constexpr int kMaxTools = 128;
constexpr int kMaxRounds = 1000;

absl::Status Wrong(std::string_view field, std::string_view what) {
  const std::string full = fmt::format("spec.chat.{}", field);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

ChatOptions OptionsOf(const v1::ChatSpec& spec) {
  ChatOptions options;
  options.system = spec.system();
  options.turns.assign(spec.turns().begin(), spec.turns().end());
  options.tools.assign(spec.tools().begin(), spec.tools().end());
  if (spec.max_rounds() > 0) options.max_rounds = spec.max_rounds();
  if (spec.has_temperature()) options.temperature = spec.temperature();
  if (spec.max_tokens() > 0) options.max_tokens = spec.max_tokens();
  return options;
}

}  // namespace

std::string ChatKind::TitleOf(const v1::TaskSpec& spec) const {
  return spec.chat().turns().empty() ? "" : spec.chat().turns(0);
}

absl::Status ChatKind::Validate(const v1::TaskSpec& spec) const {
  const v1::ChatSpec& chat = spec.chat();
  if (chat.turns().empty()) return Wrong("turns", "say something to the model");
  if (chat.turns_size() > kMaxTurns) return Wrong("turns", "at most 1,000");
  if (chat.system().size() > kMaxText) return Wrong("system", "at most 256 KiB");
  for (int i = 0; i < chat.turns_size(); ++i) {
    const std::string& turn = chat.turns(i);
    if (turn.empty() || turn.size() > kMaxText) {
      return Wrong(fmt::format("turns[{}]", i), "give 1 byte to 256 KiB");
    }
  }
  if (chat.tools_size() > kMaxTools) return Wrong("tools", "at most 128");
  std::set<std::string_view> named;
  for (int i = 0; i < chat.tools_size(); ++i) {
    const std::string field = fmt::format("tools[{}]", i);
    const std::string_view tool = chat.tools(i);
    if (!named.insert(tool.substr(0, tool.find('@'))).second) return Wrong(field, "is named twice");
    if (chat.tools(i) == kAskUser) continue;
    if (const auto found = tools_->Find(chat.tools(i)); !found.ok()) {
      return Wrong(field, MessageOf(found.status()));
    }
  }
  if (chat.max_rounds() < 0 || chat.max_rounds() > kMaxRounds) {
    return Wrong("max_rounds", "give 1 to 1,000, or 0 for 16");
  }
  if (chat.has_temperature() && !(chat.temperature() >= 0 && chat.temperature() <= 2)) {
    return Wrong("temperature", "give 0 to 2");
  }
  if (chat.max_tokens() < 0) return Wrong("max_tokens", "must not be negative");
  return absl::OkStatus();
}

Async<v1::TaskResult> ChatKind::Run(Scope& scope, v1::TaskSpec spec) const {
  CO_ASSIGN_OR_RETURN(const ChatOutcome outcome, co_await RunChat(scope, OptionsOf(spec.chat())));
  v1::TaskResult result;
  if (!outcome.turns.empty()) result.set_text(outcome.turns.back().reply);
  result.set_stop_reason(StopReasonOf(outcome.stopped));
  for (const AnsweredTurn& turn : outcome.turns) {
    v1::ChatTurn* message = result.mutable_chat()->add_turns();
    message->set_user(turn.user);
    message->set_reply(turn.reply);
    message->set_tool_calls(turn.tool_calls);
  }
  AddArtifacts(outcome.artifacts, result);
  co_return result;
}

}  // namespace troupe
