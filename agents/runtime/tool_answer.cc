#include "agents/runtime/tool_answer.h"

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {

ToolDeclaration AskUserDeclaration() {
  return {kAskUser,
          "Asks the user a question and waits for the answer. For what only they can know.",
          {{"type", "object"},
           {"properties", {{"question", {{"type", "string"}, {"minLength", 1}}}}},
           {"required", {"question"}},
           {"additionalProperties", false}}};
}

Async<std::string> AskUser(Scope scope, Json arguments) {
  Question question;
  question.prompt = JsonString(arguments, "question");
  if (question.prompt.empty()) {
    scope.End();
    co_return "Give a question.";
  }
  const auto answer = co_await scope.Ask("ask", std::move(question));
  scope.End(answer.status());
  CO_RETURN_IF_ERROR(answer.status());
  co_return answer->is_string() ? answer->get<std::string>() : DumpJson(*answer);
}

bool IsForTheModel(const Scope& scope, const absl::Status& status) {
  if (!scope.cancelled().ok()) return false;
  const auto reason = ReasonOf(status);
  constexpr Reason kMendable[] = {
      Reason::kToolUnknown,      Reason::kToolArgumentsInvalid, Reason::kToolFailed,
      Reason::kToolInterrupted,  Reason::kSandboxFailed,        Reason::kSandboxLimit,
      Reason::kDeadlineExceeded, Reason::kInvalidField,         Reason::kNotFound};
  return std::find(std::begin(kMendable), std::end(kMendable), reason) != std::end(kMendable);
}

std::string TextOf(const ToolResult& result) {
  std::string text = result.is_error ? "The call failed.\n" : "";
  for (const ToolContent& part : result.content) {
    if (const auto* shown = std::get_if<ToolText>(&part)) text += shown->text;
  }
  if (result.content.empty()) text += DumpJson(result.value);
  return text;
}

Message ToolMessage(const std::string& id, std::string text) {
  Message message;
  message.role = MessageRole::kTool;
  message.tool_use_id = id;
  message.parts.push_back(TextPart{std::move(text)});
  return message;
}

}  // namespace troupe
