#include "agents/workflow/condition.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "agents/workflow/protobuf_value.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

using v1::WorkflowCondition;

absl::StatusOr<bool> Contains(const Json& value, const Json& part) {
  if (value.is_array()) return std::find(value.begin(), value.end(), part) != value.end();
  if (value.is_string() && part.is_string()) {
    return value.get_ref<const std::string&>().find(part.get_ref<const std::string&>()) !=
           std::string::npos;
  }
  return Error(Reason::kInvalidField,
               "contains: a text is looked for in a text, any value in a list");
}

absl::StatusOr<bool> Matches(const Json& value, const std::string& pattern) {
  if (!value.is_string()) return Error(Reason::kInvalidField, "matches: the value is no text");
  const RE2 compiled(pattern, RE2::Quiet);
  return RE2::PartialMatch(value.get_ref<const std::string&>(), compiled);
}

absl::StatusOr<bool> Ordered(const WorkflowCondition& condition, const Json& value,
                             const Json& operand) {
  if (!value.is_number() || !operand.is_number()) {
    return Error(Reason::kInvalidField, "less, at_most, more and at_least compare numbers");
  }
  const double left = value.get<double>();
  const double right = operand.get<double>();
  switch (condition.test_case()) {
    case WorkflowCondition::kLess:
      return left < right;
    case WorkflowCondition::kAtMost:
      return left <= right;
    case WorkflowCondition::kMore:
      return left > right;
    default:
      return left >= right;
  }
}

absl::StatusOr<bool> TestHolds(const WorkflowCondition& condition,
                               const ValueNamedFn& value_named) {
  ASSIGN_OR_RETURN(const Json value, Bind(JsonOf(condition.value()), value_named));
  if (condition.test_case() == WorkflowCondition::kIsSet) {
    return IsSet(value) == condition.is_set();
  }
  if (condition.test_case() == WorkflowCondition::kMatches) {
    return Matches(value, condition.matches());
  }
  ASSIGN_OR_RETURN(const Json operand, Bind(JsonOf(*OperandOf(condition)), value_named));
  switch (condition.test_case()) {
    case WorkflowCondition::kEquals:
      return value == operand;
    case WorkflowCondition::kDiffers:
      return value != operand;
    case WorkflowCondition::kContains:
      return Contains(value, operand);
    default:
      return Ordered(condition, value, operand);
  }
}

}  // namespace

const google::protobuf::Value* OperandOf(const WorkflowCondition& condition) {
  switch (condition.test_case()) {
    case WorkflowCondition::kEquals:
      return &condition.equals();
    case WorkflowCondition::kDiffers:
      return &condition.differs();
    case WorkflowCondition::kLess:
      return &condition.less();
    case WorkflowCondition::kAtMost:
      return &condition.at_most();
    case WorkflowCondition::kMore:
      return &condition.more();
    case WorkflowCondition::kAtLeast:
      return &condition.at_least();
    case WorkflowCondition::kContains:
      return &condition.contains();
    default:
      return nullptr;
  }
}

bool IsSet(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

std::vector<Json> BindingsOf(const v1::WorkflowCondition& condition) {
  std::vector<Json> bindings;
  if (condition.has_value()) bindings.push_back(JsonOf(condition.value()));
  if (const auto* operand = OperandOf(condition)) bindings.push_back(JsonOf(*operand));
  const auto add = [&](const WorkflowCondition& inner) {
    for (Json& binding : BindingsOf(inner)) bindings.push_back(std::move(binding));
  };
  for (const WorkflowCondition& inner : condition.all()) add(inner);
  for (const WorkflowCondition& inner : condition.any()) add(inner);
  if (condition.has_not_()) add(condition.not_());
  return bindings;
}

absl::StatusOr<bool> Holds(const v1::WorkflowCondition& condition,
                           const ValueNamedFn& value_named) {
  if (condition.test_case() != WorkflowCondition::TEST_NOT_SET) {
    return TestHolds(condition, value_named);
  }
  if (condition.has_not_()) {
    ASSIGN_OR_RETURN(const bool holds, Holds(condition.not_(), value_named));
    return !holds;
  }
  const bool all = !condition.all().empty();
  for (const WorkflowCondition& inner : all ? condition.all() : condition.any()) {
    ASSIGN_OR_RETURN(const bool holds, Holds(inner, value_named));
    if (holds != all) return holds;
  }
  return all;
}

}  // namespace troupe
