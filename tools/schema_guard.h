// What a JSON Schema from outside could do to the process that checks values against it: patterns
// that take for ever or overflow the stack, references that lead back to themselves. SchemaGuard
// takes patterns out of a schema, to be matched in linear time, and refuses what stays dangerous.
// Immutable and thread-safe once made.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tools/base/json.h"

namespace re2 {
class RE2;
}

namespace troupe {

class SchemaGuard {
 public:
  // Takes from `schema` what the guard checks itself, and formats, which are only hints.
  // kInvalidField for a schema that must not be used.
  static absl::StatusOr<SchemaGuard> Take(Json& schema);

  SchemaGuard(SchemaGuard&&) noexcept;
  SchemaGuard& operator=(SchemaGuard&&) noexcept;
  ~SchemaGuard();

  // What does not fit, as "at $.a[1]: must match the pattern ...".
  std::vector<std::string> Check(const Json& value) const;
  // Whether the value has texts too long for the patterns that were left in the schema.
  bool IsTooLong(const Json& value) const { return patterns_left_ && HasLongText(value); }

 private:
  // Rules for one place in a value.
  struct Rules {
    std::vector<std::shared_ptr<const re2::RE2>> patterns;
    std::map<std::string, Rules> members;
    std::unique_ptr<Rules> items;
    bool empty() const { return patterns.empty() && members.empty() && items == nullptr; }
  };

  SchemaGuard();
  static void TakePatterns(Json& schema, Rules& rules);
  static void Check(const Rules& rules, const Json& value, const std::string& place,
                    std::vector<std::string>& problems);
  static bool HasLongText(const Json& value);

  std::unique_ptr<Rules> rules_;
  bool patterns_left_ = false;
};

}  // namespace troupe
