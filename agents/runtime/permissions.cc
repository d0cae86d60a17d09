#include "agents/runtime/permissions.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxPattern = 128;

bool IsPattern(std::string_view pattern) {
  return !pattern.empty() && pattern.size() <= kMaxPattern &&
         std::all_of(pattern.begin(), pattern.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                  c == '-' || c == '*' || c == '?';
         });
}

Verdict DefaultFor(const ToolSpec& tool) {
  if (tool.destructive) {
    return {Permission::kAsk, "The tool may destroy what cannot be had again."};
  }
  if (tool.needs_approval) return {Permission::kAsk, "The tool asks for approval."};
  return {};
}

}  // namespace

std::string_view PermissionName(Permission permission) {
  constexpr std::string_view kNames[] = {"allow", "ask", "deny"};
  return kNames[static_cast<int>(permission)];
}

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  // Where the last * stands, and what it has taken so far: on a mismatch it takes one letter more.
  size_t star = std::string_view::npos;
  size_t taken = 0;
  size_t p = 0;
  size_t t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

absl::StatusOr<PermissionRules> PermissionRules::Compile(std::vector<PermissionRule> rules,
                                                         std::string_view field) {
  PermissionRules compiled;
  for (size_t i = 0; i < rules.size(); ++i) {
    const auto wrong = [&](std::string_view name, std::string_view what) {
      const std::string full = fmt::format("{}[{}].{}", field, i, name);
      return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
    };
    Compiled each{std::move(rules[i]), {}};
    if (!IsPattern(each.rule.tool)) {
      return wrong("tool", "give a tool's name or a pattern of a-z, 0-9, _ . - * ?, 128 at most");
    }
    if (!each.rule.arguments_schema.is_null()) {
      auto schema = JsonSchema::Compile(each.rule.arguments_schema);
      if (!schema.ok()) return wrong("arguments_schema", MessageOf(schema.status()));
      each.arguments.push_back(*std::move(schema));
    }
    compiled.compiled_.push_back(std::move(each));
  }
  return compiled;
}

const PermissionRule* PermissionRules::FirstFor(std::string_view role, std::string_view tool,
                                                const Json& arguments) const {
  for (const Compiled& each : compiled_) {
    const auto& roles = each.rule.roles;
    if (!roles.empty() && std::find(roles.begin(), roles.end(), role) == roles.end()) continue;
    if (!MatchesPattern(each.rule.tool, tool)) continue;
    if (!each.arguments.empty() && !each.arguments[0].Validate(arguments).ok()) continue;
    return &each.rule;
  }
  return nullptr;
}

Verdict Judge(const PermissionPolicy& server, const PermissionRules& task, const ToolSpec& tool,
              std::string_view role, const Json& arguments) {
  const PermissionRule* of_server = server.rules.FirstFor(role, tool.name, arguments);
  const PermissionRule* of_task = task.FirstFor(role, tool.name, arguments);
  const PermissionRule* decides = of_task != nullptr ? of_task : of_server;
  if (decides == nullptr) return DefaultFor(tool);
  if (of_server != nullptr && of_task != nullptr && !server.tasks_may_loosen &&
      of_server->permission >= of_task->permission) {
    decides = of_server;
  }
  return {decides->permission, decides->reason};
}

}  // namespace troupe
