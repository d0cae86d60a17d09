// Without this valijson aborts the process on a schema that it cannot read.
#define VALIJSON_USE_EXCEPTIONS 1

#include "tools/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#include <vector>

#include "tools/base/error.h"
#include "tools/schema_guard.h"

namespace troupe {
namespace {

constexpr size_t kMaxProblems = 10;
constexpr size_t kMaxQuoted = 120;
constexpr std::array<std::string_view, 7> kTypes = {"array",  "boolean", "integer", "null",
                                                    "number", "object",  "string"};

// One step of a path: a member's name, or an index.
struct Step {
  std::string name;
  bool index = false;
};

// valijson names places as <root>, [steps], [1].
std::vector<Step> StepsOf(const std::vector<std::string>& context) {
  std::vector<Step> steps;
  for (size_t i = 1; i < context.size(); ++i) {
    const std::string& part = context[i];
    Step step;
    step.name = part.size() > 2 && part.front() == '[' ? part.substr(1, part.size() - 2) : part;
    step.index = step.name.find_first_not_of("0123456789") == std::string::npos;
    steps.push_back(std::move(step));
  }
  return steps;
}

// As agents read it: $.steps[1].id
std::string Place(const std::vector<Step>& steps) {
  std::string place = "$";
  for (const Step& step : steps) {
    place += step.index ? fmt::format("[{}]", step.name) : fmt::format(".{}", step.name);
  }
  return place;
}

// The part of the schema that rules a place; null where it is not found by plain members and items.
const Json* RulesAt(const Json& schema, const std::vector<Step>& steps) {
  const Json* rules = &schema;
  for (const Step& step : steps) {
    if (!rules->is_object()) return nullptr;
    if (rules->contains("properties") && (*rules)["properties"].contains(step.name)) {
      rules = &(*rules)["properties"][step.name];
    } else if (step.index && rules->contains("items") && (*rules)["items"].is_object()) {
      rules = &(*rules)["items"];
    } else if (rules->contains("additionalProperties")) {
      rules = &(*rules)["additionalProperties"];
    } else {
      return nullptr;
    }
  }
  return rules->is_object() ? rules : nullptr;
}

const Json* ValueAt(const Json& root, const std::vector<Step>& steps) {
  const Json* value = &root;
  for (const Step& step : steps) {
    if (value->is_array() && step.index && step.name.size() < 10) {
      const size_t index = std::stoul(step.name);
      if (index >= value->size()) return nullptr;
      value = &(*value)[index];
    } else if (value->is_object() && value->contains(step.name)) {
      value = &(*value)[step.name];
    } else {
      return nullptr;
    }
  }
  return value;
}

std::string Quoted(const Json& value) {
  std::string text = DumpJson(value);
  if (text.size() > kMaxQuoted) text = text.substr(0, kMaxQuoted) + "...";
  return text;
}

std::string TypesOf(const Json& type) {
  if (type.is_string()) return type.get<std::string>();
  std::vector<std::string> names;
  for (const Json& name : type) {
    if (name.is_string()) names.push_back(name.get<std::string>());
  }
  return fmt::format("{}", fmt::join(names, " or "));
}

// valijson says which rule failed; an agent needs what the rule asks for and what it got.
std::string Explain(const std::string& description, const Json* rules, const Json* value) {
  const bool type = description.find("'type' constraint") != std::string::npos;
  if (type && rules != nullptr && rules->contains("type") && value != nullptr) {
    return fmt::format("must be {}, but is a {}: {}", TypesOf((*rules)["type"]), value->type_name(),
                       Quoted(*value));
  }
  const bool choice = description.find("enum values") != std::string::npos;
  if (choice && rules != nullptr && rules->contains("enum") && value != nullptr) {
    std::string choices = DumpJson((*rules)["enum"]);
    return fmt::format("must be one of {}, but is {}", choices, Quoted(*value));
  }
  return description.size() <= 4 * kMaxQuoted ? description
                                              : description.substr(0, 4 * kMaxQuoted) + "...";
}

// valijson takes any word for a type and finds out only when it validates.
absl::Status CheckTypes(const Json& schema, int depth) {
  if (depth > 64) return Error(Reason::kInvalidField, "not a JSON Schema: nested too deeply");
  if (schema.is_array()) {
    for (const Json& part : schema) {
      if (absl::Status status = CheckTypes(part, depth + 1); !status.ok()) return status;
    }
  }
  if (!schema.is_object()) return absl::OkStatus();
  for (const auto& [key, part] : schema.items()) {
    if (key == "enum" || key == "const" || key == "default" || key == "examples") continue;
    if (key == "type" && part.is_string() &&
        std::find(kTypes.begin(), kTypes.end(), part.get<std::string>()) == kTypes.end()) {
      return Error(Reason::kInvalidField,
                   fmt::format("not a JSON Schema: there is no type {}; there are {}", Quoted(part),
                               fmt::join(kTypes, ", ")));
    }
    if (absl::Status status = CheckTypes(part, depth + 1); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

struct JsonSchema::Compiled {
  Json source;
  std::optional<SchemaGuard> guard;
  valijson::Schema schema;
};

JsonSchema::JsonSchema(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
JsonSchema::JsonSchema(JsonSchema&&) noexcept = default;
JsonSchema& JsonSchema::operator=(JsonSchema&&) noexcept = default;
JsonSchema::~JsonSchema() = default;

absl::StatusOr<JsonSchema> JsonSchema::Compile(const Json& schema) {
  auto compiled = std::make_unique<Compiled>();
  // A schema of true or false accepts all or nothing.
  compiled->source = schema;
  if (schema.is_boolean()) {
    compiled->source = schema.get<bool>() ? Json::object() : Json{{"not", Json::object()}};
  }
  if (!compiled->source.is_object()) {
    return Error(Reason::kInvalidField, "a JSON Schema must be an object");
  }
  if (absl::Status status = CheckTypes(compiled->source, 0); !status.ok()) return status;
  Json guarded = compiled->source;
  auto guard = SchemaGuard::Take(guarded);
  if (!guard.ok()) return guard.status();
  compiled->guard = *std::move(guard);
  try {
    valijson::SchemaParser parser;
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(guarded), compiled->schema);
  } catch (const std::exception& e) {
    return Error(Reason::kInvalidField, fmt::format("not a JSON Schema: {}", e.what()));
  }
  return JsonSchema(std::move(compiled));
}

Json ClosedObject(Json properties) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

absl::Status JsonSchema::Validate(const Json& value) const {
  if (compiled_->guard->IsTooLong(value)) {
    return Error(Reason::kInvalidField,
                 "at $: a text has more than 2,000 bytes, too many for the schema's patterns");
  }
  std::vector<std::string> problems = compiled_->guard->Check(value);
  valijson::ValidationResults results;
  try {
    valijson::Validator validator;
    const bool fits = validator.validate(compiled_->schema,
                                         valijson::adapters::NlohmannJsonAdapter(value), &results);
    if (fits && problems.empty()) return absl::OkStatus();
  } catch (const std::exception& e) {
    return Error(Reason::kInvalidField, fmt::format("the value cannot be checked: {}", e.what()));
  }
  for (const auto& result : results) {
    // That a member does not fit is said once, where it does not fit.
    const bool wrapper = result.description.starts_with("Failed to validate item #") ||
                         result.description.starts_with("Failed to validate against schema");
    if (wrapper && !problems.empty()) continue;
    const std::vector<Step> steps = StepsOf(result.context);
    problems.push_back(fmt::format(
        "at {}: {}", Place(steps),
        Explain(result.description, RulesAt(compiled_->source, steps), ValueAt(value, steps))));
  }
  if (problems.size() > kMaxProblems) {
    const size_t more = problems.size() - kMaxProblems;
    problems.resize(kMaxProblems);
    problems.push_back(fmt::format("and {} more", more));
  }
  return Error(Reason::kInvalidField, fmt::format("{}", fmt::join(problems, "\n")));
}

}  // namespace troupe
