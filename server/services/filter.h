// Filters of list methods: a subset of AIP-160 compiled to SQL with bound values.
//
//   state = "SUCCEEDED" AND (kind = cellagent OR labels.team = bio) AND NOT title : "draft"
//
// OR binds tighter than AND, as AIP-160 has it. Values are words or double-quoted text.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>

#include "server/store/task_table.h"

namespace troupe {

// What a field's values are and the SQL expression that it stands for.
struct FilterField {
  enum class Type { kText, kNumber, kTime, kEnum };
  Type type = Type::kText;
  std::string sql;
  std::map<std::string, int> names;  // of kEnum: value to number
  // Of fields like labels.KEY: `sql` holds one ? for the key, and names start with the map's key.
  bool keyed = false;
};
using FilterFields = std::map<std::string, FilterField, std::less<>>;

// kFilterInvalid with the position (in bytes, from 0) for an unknown field, an operator that the
// field's type does not have, or anything malformed. At most 4096 bytes and 32 nested levels.
absl::StatusOr<SqlCondition> CompileFilter(std::string_view filter, const FilterFields& fields);

const FilterFields& TaskFilterFields();
const FilterFields& SpanFilterFields();

}  // namespace troupe
