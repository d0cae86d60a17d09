#include "agents/runtime/question.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/runtime/approval.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr std::string_view kQuestionKindNames[] = {"", "clarification", "approval",
                                                   "interrupted_call"};

}  // namespace

Json QuestionJson(const Question& question) {
  return {{"kind", kQuestionKindNames[static_cast<int>(question.kind)]},
          {"prompt", question.prompt},
          {"choices", question.choices},
          {"schema", question.schema},
          {"detail", question.detail}};
}

Question QuestionOf(const Json& request) {
  Question question;
  const std::string kind = JsonString(request, "kind");
  const auto found =
      std::find(std::begin(kQuestionKindNames) + 1, std::end(kQuestionKindNames), kind);
  if (found != std::end(kQuestionKindNames)) {
    question.kind = static_cast<QuestionKind>(found - std::begin(kQuestionKindNames));
  }
  question.prompt = JsonString(request, "prompt");
  for (const Json& choice : JsonArray(request, "choices")) {
    if (choice.is_string()) question.choices.push_back(choice.get<std::string>());
  }
  question.schema = JsonMember(request, "schema");
  question.detail = JsonMember(request, "detail");
  return question;
}

absl::Status CheckAnswer(const Question& question, const Json& answer) {
  if (question.kind == QuestionKind::kApproval) return CheckApproval(question, answer);
  if (!question.choices.empty()) {
    const std::string chosen =
        answer.is_string() ? answer.get<std::string>() : JsonString(answer, "choice");
    for (const std::string& choice : question.choices) {
      if (choice == chosen) return absl::OkStatus();
    }
    return Error(Reason::kInvalidField,
                 fmt::format("'{}' is not one of the choices: {}", chosen,
                             fmt::join(question.choices, ", ")),
                 {{"field", "answer"}});
  }
  if (question.schema.is_null()) {
    if (answer.is_string()) return absl::OkStatus();
    return Error(Reason::kInvalidField, "the answer must be text", {{"field", "answer"}});
  }
  ASSIGN_OR_RETURN(const JsonSchema schema, JsonSchema::Compile(question.schema));
  const absl::Status valid = schema.Validate(answer);
  if (valid.ok()) return valid;
  return Error(Reason::kInvalidField, MessageOf(valid), {{"field", "answer"}});
}

}  // namespace troupe
