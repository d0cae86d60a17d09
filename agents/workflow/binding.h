// Bindings: JSON in which the text "$name.member[0]" stands for a part of an earlier value, and
// "$$" at the beginning of a text for a "$". Paths alone, on purpose: whatever needs more is a step
// of code. (libjq, which Debian has, would bring conditions and string work, but its programs may
// loop for ever and read files, the clock and the environment of the server.) Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

struct Reference {
  std::string name;
  std::vector<std::variant<std::string, int64_t>> path;  // members and places in lists
  std::string text;                                      // as it was written
};

// Whether it is [a-z][a-z0-9_]{0,39}.
bool IsWorkflowName(std::string_view name);

// The reference that `text` is; none if it is a text of its own. kInvalidField if it begins like a
// reference and is none.
absl::StatusOr<std::optional<Reference>> ParseReference(std::string_view text);

// All references at any depth of `binding`, each name once, in the order of their places.
absl::StatusOr<std::vector<Reference>> ReferencesIn(const Json& binding);

// The value of a name; null: there is none.
using ValueNamedFn = std::function<const Json*(const std::string& name)>;

// `binding` with every reference replaced. kInvalidField naming what is not there.
absl::StatusOr<Json> Bind(const Json& binding, const ValueNamedFn& value_named);

}  // namespace troupe
