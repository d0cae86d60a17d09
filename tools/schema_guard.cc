#include "tools/schema_guard.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <functional>
#include <set>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxPattern = 1000;
// For patterns that are matched by recursion, a step a letter.
constexpr size_t kMaxTextForPatterns = 2000;
constexpr size_t kMaxReported = 10;

constexpr const char* kSchemaKeys[] = {"additionalItems",
                                       "additionalProperties",
                                       "contains",
                                       "else",
                                       "if",
                                       "items",
                                       "not",
                                       "propertyNames",
                                       "then"};
constexpr const char* kListKeys[] = {"allOf", "anyOf", "oneOf", "items", "prefixItems"};
constexpr const char* kMapKeys[] = {
    "$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"};

// Calls `visit` for the schemas that stand directly in this one.
void ForEachPart(Json& schema, const std::function<void(Json&)>& visit) {
  if (!schema.is_object()) return;
  for (const char* key : kSchemaKeys) {
    const auto found = schema.find(key);
    if (found != schema.end() && found->is_object()) visit(*found);
  }
  for (const char* key : kListKeys) {
    const auto found = schema.find(key);
    if (found == schema.end() || !found->is_array()) continue;
    for (Json& each : *found) visit(each);
  }
  for (const char* key : kMapKeys) {
    const auto found = schema.find(key);
    if (found == schema.end() || !found->is_object()) continue;
    for (Json& each : *found) visit(each);
  }
}

void ForEachSchema(Json& schema, const std::function<void(Json&)>& visit) {
  visit(schema);
  ForEachPart(schema, [&](Json& part) { ForEachSchema(part, visit); });
}

std::shared_ptr<const re2::RE2> Compile(const std::string& pattern) {
  if (pattern.size() > kMaxPattern) return nullptr;
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const re2::RE2>(pattern, options);
  return compiled->ok() ? compiled : nullptr;
}

// Whether a group that holds a repetition or a choice is itself repeated, which takes exponential
// time in a matcher that backtracks.
bool RepeatsRepetitions(std::string_view pattern) {
  std::vector<bool> groups = {false};
  bool closed_risky = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const bool repeats = c == '*' || c == '+' || c == '{';
    if (repeats && closed_risky) return true;
    closed_risky = false;
    if (c == '\\') {
      ++i;
    } else if (c == '[') {
      for (++i; i < pattern.size() && pattern[i] != ']'; ++i) {
        if (pattern[i] == '\\') ++i;
      }
    } else if (c == '(') {
      groups.push_back(false);
    } else if (c == ')' && groups.size() > 1) {
      closed_risky = groups.back();
      groups.pop_back();
      groups.back() = groups.back() || closed_risky;
    } else if (repeats || c == '|' || c == '?') {
      groups.back() = true;
    }
  }
  return false;
}

absl::Status Refused(std::string_view why) {
  return Error(Reason::kInvalidField, fmt::format("not a usable JSON Schema: {}", why));
}

absl::Status CheckPattern(const std::string& pattern) {
  if (pattern.size() > kMaxPattern) return Refused("a pattern has more than 1,000 letters");
  if (!RepeatsRepetitions(pattern)) return absl::OkStatus();
  return Refused(
      fmt::format("the pattern {} could take for ever where it stands; simplify it, or "
                  "move it out of anyOf, oneOf, not and definitions",
                  pattern.substr(0, 100)));
}

// The schema that a reference within the document names; null for any other.
const Json* Resolve(const Json& root, const std::string& reference) {
  if (!reference.starts_with("#")) return nullptr;
  try {
    const Json::json_pointer pointer(reference.substr(1));
    return root.contains(pointer) ? &root.at(pointer) : nullptr;
  } catch (const std::exception&) {
    return nullptr;
  }
}

// Whether checking a value by `schema` comes back to `schema` with the same value. `open` holds the
// schemas under way.
bool LeadsBack(const Json& root, const Json& schema, std::set<const Json*>& open,
               std::set<const Json*>& done) {
  if (!schema.is_object() || done.contains(&schema)) return false;
  if (!open.insert(&schema).second) return true;
  const auto leads_back = [&](const Json& part) { return LeadsBack(root, part, open, done); };
  bool found = false;
  if (schema.contains("$ref") && schema["$ref"].is_string()) {
    const Json* target = Resolve(root, schema["$ref"].get<std::string>());
    found = target != nullptr && leads_back(*target);
  }
  for (const char* key : {"allOf", "anyOf", "oneOf"}) {
    for (const Json& each : JsonArray(schema, key)) found = found || leads_back(each);
  }
  for (const char* key : {"not", "if", "then", "else"}) {
    found = found || (schema.contains(key) && leads_back(schema[key]));
  }
  for (const char* key : {"dependencies", "dependentSchemas"}) {
    for (const Json& each : JsonObject(schema, key)) found = found || leads_back(each);
  }
  open.erase(&schema);
  done.insert(&schema);
  return found;
}

}  // namespace

SchemaGuard::SchemaGuard() : rules_(std::make_unique<Rules>()) {}
SchemaGuard::SchemaGuard(SchemaGuard&&) noexcept = default;
SchemaGuard& SchemaGuard::operator=(SchemaGuard&&) noexcept = default;
SchemaGuard::~SchemaGuard() = default;

absl::StatusOr<SchemaGuard> SchemaGuard::Take(Json& schema) {
  std::set<const Json*> done;
  bool circular = false;
  ForEachSchema(schema, [&](Json& part) {
    std::set<const Json*> open;
    circular = circular || LeadsBack(schema, part, open, done);
  });
  if (circular) return Refused("a $ref leads back to itself");
  SchemaGuard guard;
  bool shared = false;  // whether a place may be ruled by another place's schema
  ForEachSchema(schema, [&](Json& part) {
    const std::string reference = JsonString(part, "$ref");
    shared = shared || (!reference.empty() && !reference.starts_with("#/definitions/") &&
                        !reference.starts_with("#/$defs/"));
  });
  if (!shared) TakePatterns(schema, *guard.rules_);
  absl::Status status;
  ForEachSchema(schema, [&](Json& part) {
    if (!part.is_object()) return;
    part.erase("format");
    if (part.contains("pattern") && part["pattern"].is_string()) {
      guard.patterns_left_ = true;
      status.Update(CheckPattern(part["pattern"].get<std::string>()));
    }
    for (const auto& [pattern, each] : JsonObject(part, "patternProperties").items()) {
      guard.patterns_left_ = true;
      status.Update(CheckPattern(pattern));
    }
  });
  if (!status.ok()) return status;
  return guard;
}

void SchemaGuard::TakePatterns(Json& schema, Rules& rules) {
  if (!schema.is_object()) return;
  if (schema.contains("pattern") && schema["pattern"].is_string()) {
    if (auto compiled = Compile(schema["pattern"].get<std::string>()); compiled != nullptr) {
      rules.patterns.push_back(std::move(compiled));
      schema.erase("pattern");
    }
  }
  if (schema.contains("properties") && schema["properties"].is_object()) {
    for (auto& [name, member] : schema["properties"].items()) {
      Rules inner;
      TakePatterns(member, inner);
      if (!inner.empty()) rules.members[name] = std::move(inner);
    }
  }
  if (schema.contains("items") && schema["items"].is_object()) {
    auto inner = std::make_unique<Rules>();
    TakePatterns(schema["items"], *inner);
    if (!inner->empty()) rules.items = std::move(inner);
  }
}

std::vector<std::string> SchemaGuard::Check(const Json& value) const {
  std::vector<std::string> problems;
  if (!rules_->empty()) Check(*rules_, value, "$", problems);
  return problems;
}

void SchemaGuard::Check(const Rules& rules, const Json& value, const std::string& place,
                        std::vector<std::string>& problems) {
  if (problems.size() >= kMaxReported) return;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    for (const auto& pattern : rules.patterns) {
      if (re2::RE2::PartialMatch(text, *pattern)) continue;
      problems.push_back(fmt::format("at {}: must match the pattern {}, but is {}", place,
                                     pattern->pattern(), DumpJson(text.substr(0, 100))));
    }
  }
  if (value.is_object()) {
    for (const auto& [name, inner] : rules.members) {
      const auto found = value.find(name);
      if (found != value.end()) Check(inner, *found, fmt::format("{}.{}", place, name), problems);
    }
  }
  if (value.is_array() && rules.items != nullptr) {
    for (size_t i = 0; i < value.size(); ++i) {
      Check(*rules.items, value[i], fmt::format("{}[{}]", place, i), problems);
    }
  }
}

bool SchemaGuard::HasLongText(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().size() > kMaxTextForPatterns;
  if (value.is_object()) {
    for (const auto& [name, each] : value.items()) {
      if (name.size() > kMaxTextForPatterns || HasLongText(each)) return true;
    }
  } else if (value.is_array()) {
    for (const Json& each : value) {
      if (HasLongText(each)) return true;
    }
  }
  return false;
}

}  // namespace troupe
