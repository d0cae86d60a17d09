// Which calls of tools agents may make. A rule names tools, roles and arguments, and allows a call,
// forbids it or has a person asked; of a list of rules, the first that fits a call decides. Pure:
// nothing here asks, calls or records.
//
// Thread-safe: immutable after Compile.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "tools/json_schema.h"
#include "tools/tool.h"

namespace troupe {

enum class Permission { kAllow, kAsk, kDeny };           // the stricter, the later
std::string_view PermissionName(Permission permission);  // "allow"

struct PermissionRule {
  Permission permission = Permission::kAsk;
  std::string tool = "*";          // a name, or a pattern: * stands for any letters, ? for one
  std::vector<std::string> roles;  // of the agents it holds for; empty: all
  Json arguments_schema;           // that the arguments must fit; null: any do
  std::string reason;              // why, for the agent that is refused or the person who is asked
};

// Whether `text` is what `pattern` stands for.
bool MatchesPattern(std::string_view pattern, std::string_view text);

// A list of rules, ready to be applied.
class PermissionRules {
 public:
  // kInvalidField for a rule that cannot be applied; the field is `field`[i].tool or
  // .arguments_schema.
  static absl::StatusOr<PermissionRules> Compile(std::vector<PermissionRule> rules,
                                                 std::string_view field);

  // The first rule that fits the call; null if none does.
  const PermissionRule* FirstFor(std::string_view role, std::string_view tool,
                                 const Json& arguments) const;
  bool empty() const { return compiled_.empty(); }

 private:
  struct Compiled {
    PermissionRule rule;
    std::vector<JsonSchema> arguments;  // one or none
  };
  std::vector<Compiled> compiled_;
};

// What a server holds all its tasks to.
struct PermissionPolicy {
  PermissionRules rules;
  // Whether a task's own rules stand over the server's. If not, the stricter of the two decides.
  bool tasks_may_loosen = false;
};

struct Verdict {
  Permission permission = Permission::kAllow;
  std::string reason;  // for the agent or the person; may be empty
};

// What is to become of a call of `role`. Where no rule of either fits, a tool that is destructive
// or asks for approval is asked about, and every other is allowed.
Verdict Judge(const PermissionPolicy& server, const PermissionRules& task, const ToolSpec& tool,
              std::string_view role, const Json& arguments);

}  // namespace troupe
