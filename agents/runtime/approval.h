// The question whether an agent may make one exact call of a tool, and what a person may answer:
//
//   "approve"                                             this call
//   {"decision": "deny", "reason": "..."}                 not this call; the agent reads the reason
//   {"decision": "edit", "arguments": {...}}              this call with other arguments
//   {"decision": "approve_all"}                           and every later call of the tool in the
//   task
//   {"decision": "approve_all", "matching": {...}}        whose arguments fit this JSON Schema
//
// Stateless functions; Scope asks, and so records, what they make.
#pragma once

#include <absl/status/status.h>

#include <optional>
#include <string>
#include <string_view>

#include "agents/runtime/question.h"
#include "tools/json_schema.h"
#include "tools/tool.h"

namespace troupe {

// The type of the span of such a question.
inline constexpr char kApprovalType[] = "approval";

// Asks about a call of `role` with these arguments; `reason` says why, and may be empty.
Question ApprovalQuestion(const ToolSpec& tool, std::string_view role, const Json& arguments,
                          std::string_view reason);

// Whether the question asks about this very call: what was approved is what was shown.
bool AsksAbout(const Question& question, std::string_view tool, const Json& arguments);

// kInvalidField (field "answer") for an answer that such a question does not take: an unknown
// decision, edited arguments that do not fit the tool's schema.
absl::Status CheckApproval(const Question& question, const Json& answer);

struct Approval {
  enum class Decision { kApprove, kDeny, kEdit, kApproveAll };
  Decision decision = Decision::kDeny;
  std::string reason;
  Json arguments;  // of kEdit
  Json matching;   // of kApproveAll: a JSON Schema; null: all calls of the tool
};
Approval ParseApproval(const Json& answer);
std::string_view ApprovalName(Approval::Decision decision);  // "approve_all"

// Leave to call a tool, as one answer gave it for the rest of a task. A tool of another version is
// another tool.
struct Grant {
  std::string tool;
  std::string version;
  std::optional<JsonSchema> arguments;

  bool Covers(std::string_view called, std::string_view called_version,
              const Json& called_arguments) const;
};

// What the agent is told of a call of a tool that became another one after it had been decided on.
std::string ToolChanged(std::string_view tool);

// The grant that an answered question gives; none if it gives none.
std::optional<Grant> GrantOf(const Question& question, const Json& answer);

}  // namespace troupe
