#include "tools/json_schema.h"

#include <fmt/format.h>

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "tools/base/error.h"

namespace troupe {
namespace {

constexpr int kMaxProblems = 10;

// valijson names places as <root>[a][0]; agents read $.a[0].
std::string Place(const std::vector<std::string>& context) {
  std::string place = "$";
  for (size_t i = 1; i < context.size(); ++i) {
    const std::string& part = context[i];
    const std::string inner =
        part.size() > 2 && part.front() == '[' ? part.substr(1, part.size() - 2) : part;
    const bool index = !inner.empty() && inner.find_first_not_of("0123456789") == std::string::npos;
    place += index ? fmt::format("[{}]", inner) : fmt::format(".{}", inner);
  }
  return place;
}

}  // namespace

struct JsonSchema::Compiled {
  valijson::Schema schema;
};

JsonSchema::JsonSchema(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
JsonSchema::JsonSchema(JsonSchema&&) noexcept = default;
JsonSchema& JsonSchema::operator=(JsonSchema&&) noexcept = default;
JsonSchema::~JsonSchema() = default;

absl::StatusOr<JsonSchema> JsonSchema::Compile(const Json& schema) {
  if (!schema.is_object() && !schema.is_boolean()) {
    return Error(Reason::kInvalidField, "a JSON Schema must be an object");
  }
  auto compiled = std::make_unique<Compiled>();
  try {
    valijson::SchemaParser parser;
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema), compiled->schema);
  } catch (const std::exception& e) {
    return Error(Reason::kInvalidField, fmt::format("not a JSON Schema: {}", e.what()));
  }
  return JsonSchema(std::move(compiled));
}

absl::Status JsonSchema::Validate(const Json& value) const {
  valijson::ValidationResults results;
  try {
    valijson::Validator validator;
    if (validator.validate(compiled_->schema, valijson::adapters::NlohmannJsonAdapter(value),
                           &results)) {
      return absl::OkStatus();
    }
  } catch (const std::exception& e) {
    return Error(Reason::kInvalidField, fmt::format("the value cannot be checked: {}", e.what()));
  }
  std::string problems;
  int count = 0;
  for (const auto& problem : results) {
    if (++count > kMaxProblems) break;
    problems += fmt::format("{}at {}: {}", problems.empty() ? "" : "\n", Place(problem.context),
                            problem.description);
  }
  return Error(Reason::kInvalidField, problems);
}

}  // namespace troupe
