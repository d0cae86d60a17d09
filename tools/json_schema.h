// JsonSchema: a compiled JSON Schema (draft 7 as valijson has it). Immutable and thread-safe. And a
// schema that many ask for.
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "tools/base/json.h"

namespace troupe {

// The schema of an object that has all of `properties`, name to schema, and no others: what strict
// model backends ask for.
Json ClosedObject(Json properties);

class JsonSchema {
 public:
  // kInvalidField if `schema` is not a JSON Schema.
  static absl::StatusOr<JsonSchema> Compile(const Json& schema);

  JsonSchema(JsonSchema&&) noexcept;
  JsonSchema& operator=(JsonSchema&&) noexcept;
  ~JsonSchema();

  // kInvalidField with every place that does not fit (at most ten), one a line, in words that a
  // model can act on: "at $.steps[2].id: must be a string".
  absl::Status Validate(const Json& value) const;

 private:
  struct Compiled;
  explicit JsonSchema(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace troupe
