#include "agents/trace/new_values.h"

#include <fmt/format.h>

#include <cmath>
#include <sstream>

#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxShown = 500;
constexpr size_t kMaxValueBytes = 256 << 10;
constexpr double kMaxWhole = 9007199254740992;  // 2^53: beyond it not every number is there

absl::Status Wrong(std::string_view what) { return Error(Reason::kInvalidField, what); }

std::string_view KindOf(const Json& value) {
  if (value.is_boolean()) return "a truth value";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "text";
  if (value.is_array()) return "a list";
  return value.is_object() ? "an object" : "null";
}

Json SchemaOf(const GraphValue& value) {
  struct Types {
    Json operator()(std::monostate) const {
      return {"boolean", "number", "string", "array", "object", "null"};
    }
    Json operator()(bool) const { return {"boolean", "null"}; }
    Json operator()(int64_t) const { return {"integer", "null"}; }
    Json operator()(double) const { return {"number", "null"}; }
    Json operator()(const std::string&) const { return {"string", "null"}; }
    Json operator()(const GraphCode&) const { return {"string", "null"}; }
    Json operator()(const GraphJson& json) const {
      return {json.value.is_array() ? "array" : "object", "null"};
    }
  };
  return {{"type", std::visit(Types{}, value)}};
}

// Of a value that was null any type will do.
absl::StatusOr<GraphValue> AnyValue(const Json& suggested) {
  if (suggested.is_boolean()) return GraphValue(suggested.get<bool>());
  if (suggested.is_number_integer()) return GraphValue(suggested.get<int64_t>());
  if (suggested.is_number()) return GraphValue(suggested.get<double>());
  if (suggested.is_string()) return GraphValue(suggested.get<std::string>());
  return GraphValue(GraphJson{suggested});
}

bool IsBlank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

std::string Shown(const Json& value) {
  return Elide(value.is_string() ? value.get<std::string>() : DumpJson(value), kMaxShown);
}

// What becomes of one suggestion, its type apart.
Async<Projected> CheckValue(const Scope& scope, std::string name, const ProblemValue& variable,
                            GraphValue value, const ValueRules& rules, std::string node_name) {
  if (ValueBytes(value) > kMaxValueBytes) {
    co_return Projected{std::move(value), "it is over 256 KiB"};
  }
  CO_ASSIGN_OR_RETURN(
      Projected projected,
      co_await Project(scope, name, rules.projections, std::move(node_name), std::move(value)));
  const auto* code = std::get_if<GraphCode>(&projected.value);
  if (!projected.refused.empty() || code == nullptr || rules.checker == nullptr) {
    co_return projected;
  }
  const std::string current = PythonText(variable.value);
  CO_ASSIGN_OR_RETURN(projected.refused, co_await rules.checker->WhyRefused(scope, name + ".check",
                                                                            code->text, current));
  co_return projected;
}

}  // namespace

Json SuggestionSchema(const Problem& problem) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const ProblemValue& each : problem.variables) {
    properties[each.name] = SchemaOf(each.value);
    required.push_back(each.name);
  }
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

absl::StatusOr<GraphValue> TypedValue(const GraphValue& current, const Json& suggested) {
  const auto must_be = [&suggested](std::string_view kind) {
    return Wrong(fmt::format("it is {} and must be {}", KindOf(suggested), kind));
  };
  if (std::holds_alternative<std::monostate>(current)) return AnyValue(suggested);
  if (std::holds_alternative<bool>(current)) {
    if (!suggested.is_boolean()) return must_be("a truth value");
    return GraphValue(suggested.get<bool>());
  }
  if (std::holds_alternative<int64_t>(current)) {
    if (!suggested.is_number()) return must_be("a whole number");
    if (suggested.is_number_unsigned() &&
        suggested.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
      return Wrong("it is too large");
    }
    if (suggested.is_number_integer()) return GraphValue(suggested.get<int64_t>());
    const double number = suggested.get<double>();
    if (number != std::floor(number) || std::abs(number) > kMaxWhole) {
      return Wrong("it must be a whole number");
    }
    return GraphValue(static_cast<int64_t>(number));
  }
  if (std::holds_alternative<double>(current)) {
    if (!suggested.is_number()) return must_be("a number");
    return GraphValue(suggested.get<double>());
  }
  if (const auto* json = std::get_if<GraphJson>(&current)) {
    if (json->value.is_array() && !suggested.is_array()) return must_be("a list");
    if (json->value.is_object() && !suggested.is_object()) return must_be("an object");
    return GraphValue(GraphJson{InOrderOf(json->value, suggested)});
  }
  if (!suggested.is_string()) return must_be("text");
  if (std::holds_alternative<std::string>(current)) {
    return GraphValue(suggested.get<std::string>());
  }
  if (IsBlank(suggested.get_ref<const std::string&>())) return Wrong("it is empty");
  return GraphValue(GraphCode{suggested.get<std::string>()});
}

Async<ReadValues> ReadSuggestions(const Scope& scope, std::string name, const Problem& problem,
                                  Json suggestions, const ValueRules& rules) {
  ReadValues read;
  for (const ProblemValue& variable : problem.variables) {
    const Json& suggested = JsonMember(suggestions, variable.name);
    if (suggested.is_null()) continue;
    auto typed = TypedValue(variable.value, suggested);
    if (!typed.ok()) {
      read.refused.push_back(
          {variable.name, Shown(suggested), std::string(MessageOf(typed.status()))});
      continue;
    }
    if (*typed == variable.value) continue;
    const std::string effect =
        fmt::format("{}.value:{}", name, read.changes.size() + read.refused.size());
    const std::string node_name = problem.graph->node(variable.node).name;
    CO_ASSIGN_OR_RETURN(
        Projected projected,
        co_await CheckValue(scope, effect, variable, *std::move(typed), rules, node_name));
    if (!projected.refused.empty()) {
      read.refused.push_back({variable.name, Shown(suggested), std::move(projected.refused)});
    } else if (projected.value != variable.value) {
      read.changes.push_back({variable.node, variable.name, std::move(projected.value)});
    }
  }
  co_return read;
}

std::vector<Refusal> RefusedReply(const Problem& problem, const absl::Status& status) {
  constexpr std::string_view kPlace = "at $.suggestion.";
  const std::string message(MessageOf(status));
  std::vector<Refusal> refused;
  std::istringstream lines(message);
  for (std::string text; std::getline(lines, text);) {
    std::string_view line = text;
    if (!line.starts_with(kPlace)) continue;
    line.remove_prefix(kPlace.size());
    for (const ProblemValue& each : problem.variables) {
      const size_t size = each.name.size();
      // The place of the variable itself, or one in it.
      if (!line.starts_with(each.name) || line.size() == size ||
          std::string_view(":.[").find(line[size]) == std::string_view::npos) {
        continue;
      }
      refused.push_back({each.name, "", Elide(line, kMaxShown)});
    }
  }
  if (refused.empty()) refused.push_back({"", "", message});
  return refused;
}

std::string RefusalText(const std::vector<Refusal>& refused) {
  std::string text;
  for (const Refusal& each : refused) {
    if (!text.empty()) text += "\n";
    text += fmt::format("{}: {}", each.name, each.why);
  }
  return text;
}

}  // namespace troupe
