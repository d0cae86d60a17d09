#include "server/scheduler/check_spec.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int kMaxInputs = 64;
constexpr size_t kMaxInputBytes = 3 * 1024 * 1024;
constexpr int kMaxLabels = 32;
constexpr int kMaxRules = 100;
constexpr int kMaxRuleRoles = 32;
constexpr size_t kMaxRuleReason = 1000;
constexpr size_t kMaxRuleSchema = 64 * 1024;

absl::Status Wrong(const std::string& field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what), {{"field", field}});
}

bool IsLowerOrDigit(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }

bool IsFileName(const std::string& name) {
  if (name.empty() || name.size() > 128 || !absl::ascii_isalnum(name[0])) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

bool IsLabelKey(const std::string& key) {
  if (key.empty() || key.size() > 63 || !absl::ascii_islower(key[0])) return false;
  return std::all_of(key.begin(), key.end(),
                     [](char c) { return IsLowerOrDigit(c) || c == '.' || c == '_' || c == '-'; });
}

absl::Status CheckDuration(const google::protobuf::Duration& duration, const std::string& field) {
  if (duration.seconds() < 0 || duration.nanos() < 0 || duration.nanos() > 999'999'999) {
    return Wrong(field, "must not be negative or malformed");
  }
  return absl::OkStatus();
}

absl::Status CheckLimits(const std::string& prefix,
                         const std::vector<std::pair<const char*, int64_t>>& limits) {
  for (const auto& [name, value] : limits) {
    if (value < 0) return Wrong(prefix + name, "must not be negative; 0 is no limit");
  }
  return absl::OkStatus();
}

absl::Status CheckBudget(const v1::Budget& budget) {
  RETURN_IF_ERROR(CheckLimits("spec.budget.", {{"max_model_calls", budget.max_model_calls()},
                                               {"max_tool_calls", budget.max_tool_calls()},
                                               {"max_tokens", budget.max_tokens()},
                                               {"max_cost_microusd", budget.max_cost_microusd()}}));
  for (const auto& [role, limit] : budget.roles()) {
    const std::string prefix = fmt::format("spec.budget.roles[{}].", role);
    RETURN_IF_ERROR(CheckLimits(prefix, {{"max_model_calls", limit.max_model_calls()},
                                         {"max_tokens", limit.max_tokens()},
                                         {"max_cost_microusd", limit.max_cost_microusd()}}));
    RETURN_IF_ERROR(CheckDuration(limit.max_model_time(), prefix + "max_model_time"));
  }
  return CheckDuration(budget.max_wall_time(), "spec.budget.max_wall_time");
}

absl::Status CheckLabels(const v1::TaskSpec& spec) {
  if (spec.labels_size() > kMaxLabels) return Wrong("spec.labels", "at most 32 labels");
  for (const auto& [key, value] : spec.labels()) {
    if (!IsLabelKey(key)) {
      return Wrong("spec.labels",
                   fmt::format("the key '{}' must match [a-z][a-z0-9_.-]{{0,62}}", key));
    }
    if (value.size() > 255) {
      return Wrong("spec.labels", fmt::format("the value of '{}' is over 255 bytes", key));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PermissionRule> RuleOf(const v1::PermissionRule& given, const std::string& field) {
  PermissionRule rule;
  switch (given.decision()) {
    case v1::PermissionRule::DECISION_ALLOW:
      rule.permission = Permission::kAllow;
      break;
    case v1::PermissionRule::DECISION_ASK:
      rule.permission = Permission::kAsk;
      break;
    case v1::PermissionRule::DECISION_DENY:
      rule.permission = Permission::kDeny;
      break;
    default:
      return Wrong(field + ".decision", "give DECISION_ALLOW, DECISION_ASK or DECISION_DENY");
  }
  if (!given.tool().empty()) rule.tool = given.tool();
  if (given.roles_size() > kMaxRuleRoles) return Wrong(field + ".roles", "at most 32");
  rule.roles.assign(given.roles().begin(), given.roles().end());
  if (given.reason().size() > kMaxRuleReason)
    return Wrong(field + ".reason", "at most 1,000 bytes");
  rule.reason = given.reason();
  if (given.arguments_schema().size() > kMaxRuleSchema) {
    return Wrong(field + ".arguments_schema", "at most 64 KiB");
  }
  if (!given.arguments_schema().empty()) {
    auto schema = ParseJson(given.arguments_schema(), "it");
    if (!schema.ok()) return Wrong(field + ".arguments_schema", MessageOf(schema.status()));
    rule.arguments_schema = *std::move(schema);
  }
  return rule;
}

}  // namespace

absl::StatusOr<PermissionRules> PermissionsOf(const v1::TaskSpec& spec) {
  if (spec.permissions_size() > kMaxRules) return Wrong("spec.permissions", "at most 100 rules");
  std::vector<PermissionRule> rules;
  for (int i = 0; i < spec.permissions_size(); ++i) {
    ASSIGN_OR_RETURN(PermissionRule rule,
                     RuleOf(spec.permissions(i), fmt::format("spec.permissions[{}]", i)));
    rules.push_back(std::move(rule));
  }
  return PermissionRules::Compile(std::move(rules), "spec.permissions");
}

std::string KindName(const v1::TaskSpec& spec) {
  const auto* oneof = v1::TaskSpec::descriptor()->FindOneofByName("kind");
  const auto* field = spec.GetReflection()->GetOneofFieldDescriptor(spec, oneof);
  return field == nullptr ? "" : field->name();
}

absl::Status CheckRequestId(const std::string& request_id) {
  if (request_id.empty()) return absl::OkStatus();
  const bool uuid = request_id.size() == 36 && request_id[8] == '-' && request_id[13] == '-' &&
                    request_id[18] == '-' && request_id[23] == '-' &&
                    std::all_of(request_id.begin(), request_id.end(),
                                [](char c) { return c == '-' || absl::ascii_isxdigit(c); });
  return uuid ? absl::OkStatus()
              : Wrong("request_id", "must be a UUID (8-4-4-4-12 hexadecimal digits) or empty");
}

absl::Status CheckTaskId(const std::string& task_id) {
  if (task_id.empty()) return absl::OkStatus();
  const bool valid = task_id.size() <= 63 && IsLowerOrDigit(task_id[0]) &&
                     std::all_of(task_id.begin(), task_id.end(),
                                 [](char c) { return IsLowerOrDigit(c) || c == '-'; });
  return valid ? absl::OkStatus() : Wrong("task_id", "must match [a-z0-9][a-z0-9-]{0,62}");
}

absl::StatusOr<std::filesystem::path> AllowedInput(
    const std::string& path, const std::vector<std::filesystem::path>& allowed_folders,
    const std::string& field) {
  std::error_code error;
  const auto resolved = std::filesystem::canonical(path, error);
  if (!std::filesystem::path(path).is_absolute() || error) {
    return Error(Reason::kInvalidField,
                 fmt::format("'{}' is not an absolute path of a file on the server", path),
                 {{"field", field}});
  }
  for (const auto& folder : allowed_folders) {
    const auto root = std::filesystem::weakly_canonical(folder, error);
    const auto [end, nothing] =
        std::mismatch(root.begin(), root.end(), resolved.begin(), resolved.end());
    if (end == root.end() && std::filesystem::is_regular_file(resolved, error)) return resolved;
  }
  return Error(
      Reason::kPermissionDenied,
      fmt::format("'{}' is not a file in one of the folders that the server's configuration "
                  "allows (inputs.allowed_folders); upload its content instead",
                  path),
      {{"field", field}});
}

absl::Status CheckSharedFields(const v1::TaskSpec& spec,
                               const std::vector<std::filesystem::path>& allowed_folders) {
  if (KindName(spec).empty()) {
    return Wrong("spec.kind", "set one kind of task, as spec.cellagent");
  }
  if (spec.title().size() > 200) return Wrong("spec.title", "at most 200 bytes");
  RETURN_IF_ERROR(CheckLabels(spec));
  RETURN_IF_ERROR(CheckBudget(spec.budget()));
  RETURN_IF_ERROR(PermissionsOf(spec).status());
  RETURN_IF_ERROR(CheckDuration(spec.timeout(), "spec.timeout"));
  if (spec.inputs_size() > kMaxInputs) return Wrong("spec.inputs", "at most 64 files");
  std::set<std::string> names;
  for (int i = 0; i < spec.inputs_size(); ++i) {
    const v1::InputFile& input = spec.inputs(i);
    const std::string field = fmt::format("spec.inputs[{}]", i);
    if (!IsFileName(input.name())) {
      return Wrong(field + ".name", "must match [A-Za-z0-9][A-Za-z0-9._-]{0,127}");
    }
    if (!names.insert(input.name()).second) return Wrong(field + ".name", "is given twice");
    if (input.source_case() == v1::InputFile::SOURCE_NOT_SET) {
      return Wrong(field, "give its content or a path");
    }
    if (input.content().size() > kMaxInputBytes) return Wrong(field + ".content", "at most 3 MiB");
    if (input.source_case() == v1::InputFile::kPath) {
      RETURN_IF_ERROR(AllowedInput(input.path(), allowed_folders, field + ".path").status());
    }
  }
  return absl::OkStatus();
}

}  // namespace troupe
