#include "agents/runtime/approval.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxArgumentsShown = 4'000;  // in the prompt; the question's detail has them whole
constexpr std::string_view kDecisions[] = {"approve", "deny", "edit", "approve_all"};

absl::Status Wrong(std::string_view what) {
  return Error(Reason::kInvalidField, what, {{"field", "answer"}});
}

std::string DecisionOf(const Json& answer) {
  return answer.is_string() ? answer.get<std::string>() : JsonString(answer, "decision");
}

Json AnswerSchema() {
  return {{"anyOf",
           {{{"enum", {"approve", "deny", "approve_all"}}},
            {{"type", "object"},
             {"properties",
              {{"decision", {{"enum", {"approve", "deny", "edit", "approve_all"}}}},
               {"reason", {{"type", "string"}}},
               {"arguments", {{"type", "object"}}},
               {"matching", {{"description", "JSON Schema of the arguments of later calls."}}}}},
             {"required", {"decision"}},
             {"additionalProperties", false}}}}};
}

}  // namespace

Question ApprovalQuestion(const ToolSpec& tool, std::string_view role, const Json& arguments,
                          std::string_view reason) {
  Question question;
  question.kind = QuestionKind::kApproval;
  const std::string who = role.empty() ? "the task" : fmt::format("the agent '{}'", role);
  question.prompt =
      fmt::format("May {} call {}?{}{}\n{}", who, tool.name, reason.empty() ? "" : " ", reason,
                  Elide(PrettyJson(arguments), kMaxArgumentsShown));
  question.schema = AnswerSchema();
  question.detail = {{"tool", tool.name},
                     {"version", tool.version},
                     {"role", role},
                     {"arguments", arguments},
                     {"arguments_schema", tool.arguments_schema},
                     {"brief", tool.brief},
                     {"destructive", tool.destructive},
                     {"reason", reason}};
  return question;
}

bool AsksAbout(const Question& question, std::string_view tool, const Json& arguments) {
  return question.kind == QuestionKind::kApproval && JsonString(question.detail, "tool") == tool &&
         JsonMember(question.detail, "arguments") == arguments;
}

absl::Status CheckApproval(const Question& question, const Json& answer) {
  const std::string decision = DecisionOf(answer);
  if (std::find(std::begin(kDecisions), std::end(kDecisions), decision) == std::end(kDecisions)) {
    return Wrong(
        fmt::format("'{}' is no decision: answer approve, deny, edit or approve_all", decision));
  }
  if (answer.is_string()) {
    return decision == "edit" ? Wrong("edit needs the new arguments") : absl::OkStatus();
  }
  for (const auto& [key, value] : answer.items()) {
    const bool known = key == "decision" || key == "reason" ||
                       (key == "arguments" && decision == "edit") ||
                       (key == "matching" && decision == "approve_all");
    if (!known) return Wrong(fmt::format("'{}' does not go with {}", key, decision));
    if (key == "reason" && !value.is_string()) return Wrong("the reason must be text");
  }
  if (decision == "edit") {
    const Json& edited = JsonMember(answer, "arguments");
    if (!edited.is_object()) return Wrong("edit needs the new arguments, an object");
    ASSIGN_OR_RETURN(const JsonSchema schema,
                     JsonSchema::Compile(JsonMember(question.detail, "arguments_schema")));
    if (const absl::Status fits = schema.Validate(edited); !fits.ok()) {
      return Wrong(fmt::format("the arguments do not fit {}:\n{}",
                               JsonString(question.detail, "tool"), MessageOf(fits)));
    }
  }
  if (decision == "approve_all" && answer.contains("matching")) {
    if (const auto schema = JsonSchema::Compile(answer["matching"]); !schema.ok()) {
      return Wrong(fmt::format("matching is no JSON Schema: {}", MessageOf(schema.status())));
    }
  }
  return absl::OkStatus();
}

Approval ParseApproval(const Json& answer) {
  const std::string decision = DecisionOf(answer);
  Approval approval;
  const auto found = std::find(std::begin(kDecisions), std::end(kDecisions), decision);
  // What is no decision approves nothing.
  if (found == std::end(kDecisions)) return approval;
  approval.decision = static_cast<Approval::Decision>(found - std::begin(kDecisions));
  if (!answer.is_object()) return approval;
  approval.reason = JsonString(answer, "reason");
  approval.arguments = JsonMember(answer, "arguments");
  approval.matching = JsonMember(answer, "matching");
  return approval;
}

std::string_view ApprovalName(Approval::Decision decision) {
  return kDecisions[static_cast<int>(decision)];
}

bool Grant::Covers(std::string_view called, std::string_view called_version,
                   const Json& called_arguments) const {
  return called == tool && called_version == version &&
         (!arguments.has_value() || arguments->Validate(called_arguments).ok());
}

std::optional<Grant> GrantOf(const Question& question, const Json& answer) {
  if (question.kind != QuestionKind::kApproval) return std::nullopt;
  const Approval approval = ParseApproval(answer);
  if (approval.decision != Approval::Decision::kApproveAll) return std::nullopt;
  Grant grant{JsonString(question.detail, "tool"), JsonString(question.detail, "version"), {}};
  if (!approval.matching.is_null()) {
    auto schema = JsonSchema::Compile(approval.matching);
    if (!schema.ok()) return std::nullopt;
    grant.arguments = *std::move(schema);
  }
  return grant;
}

}  // namespace troupe
