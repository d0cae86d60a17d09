#include "agents/workflow/parameter.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "agents/workflow/protobuf_value.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr size_t kMaxLength = 64 * 1024;

absl::Status WrongValue(const std::string& name, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", name, what), {{"parameter", name}});
}

size_t MaxLength(const v1::WorkflowConstraint& constraint) {
  return constraint.max_length() > 0 ? static_cast<size_t>(constraint.max_length()) : kMaxLength;
}

bool IsR(const v1::WorkflowParameter& parameter) {
  return parameter.code().language() == v1::WorkflowCode::LANGUAGE_R;
}

// Whether the source defines the function, at the beginning of a line.
bool Defines(const v1::WorkflowParameter& parameter, const std::string& name,
             const std::string& source) {
  const std::string pattern = IsR(parameter)
                                  ? fmt::format(R"((?m)^{}\s*(<-|=)\s*function\b)", name)
                                  : fmt::format(R"((?m)^(async\s+)?def\s+{}\s*\()", name);
  return RE2::PartialMatch(source, RE2(pattern, RE2::Quiet));
}

absl::Status CheckNumber(const std::string& name, const v1::WorkflowConstraint& constraint,
                         const Json& value) {
  if (!constraint.has_minimum() && !constraint.has_maximum()) return absl::OkStatus();
  if (!value.is_number()) return WrongValue(name, "must be a number");
  const double number = value.get<double>();
  const bool low = constraint.has_minimum() && number < constraint.minimum();
  const bool high = constraint.has_maximum() && number > constraint.maximum();
  if (!low && !high) return absl::OkStatus();
  return WrongValue(name, fmt::format("{} is {}", number,
                                      low ? fmt::format("less than {}", constraint.minimum())
                                          : fmt::format("more than {}", constraint.maximum())));
}

absl::Status CheckConstraint(const std::string& name, const v1::WorkflowConstraint& constraint,
                             const Json& value) {
  RETURN_IF_ERROR(CheckNumber(name, constraint, value));
  const size_t length =
      value.is_string() ? value.get_ref<const std::string&>().size() : DumpJson(value).size();
  if (length > MaxLength(constraint)) {
    return WrongValue(name, fmt::format("has {} bytes, over {}", length, MaxLength(constraint)));
  }
  if (!constraint.choices().empty()) {
    const bool allowed =
        std::any_of(constraint.choices().begin(), constraint.choices().end(),
                    [&](const google::protobuf::Value& choice) { return JsonOf(choice) == value; });
    if (!allowed) return WrongValue(name, "is none of the choices");
  }
  if (constraint.has_schema()) {
    auto schema = JsonSchema::Compile(JsonOf(constraint.schema()));
    if (!schema.ok()) return WrongValue(name, MessageOf(schema.status()));
    const absl::Status valid = schema->Validate(value);
    if (!valid.ok()) return WrongValue(name, MessageOf(valid));
  }
  return absl::OkStatus();
}

// The type that every value of a plain parameter keeps: that of the first one.
const char* TypeWord(const Json& value) {
  if (value.is_string()) return "string";
  if (value.is_boolean()) return "boolean";
  if (value.is_number()) return "number";
  if (value.is_array()) return "array";
  if (value.is_object()) return "object";
  return "null";
}

}  // namespace

Json InitialValue(const v1::WorkflowParameter& parameter) {
  if (parameter.has_code()) return parameter.code().source();
  if (parameter.has_value()) return JsonOf(parameter.value());
  return parameter.prompt();
}

absl::Status CheckValue(const std::string& name, const v1::WorkflowParameter& parameter,
                        const Json& value) {
  if (!parameter.has_value()) {
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      return WrongValue(name, "must be a text that is not empty");
    }
    if (parameter.has_code() && !Defines(parameter, name, value.get<std::string>())) {
      return WrongValue(
          name, fmt::format("must define the function {} at the beginning of a line", name));
    }
  } else if (const Json first = InitialValue(parameter);
             !first.is_null() && std::string_view(TypeWord(first)) != TypeWord(value)) {
    return WrongValue(
        name, fmt::format("must be of the type {}, not {}", TypeWord(first), TypeWord(value)));
  }
  return CheckConstraint(name, parameter.constraint(), value);
}

std::string ConstraintText(const std::string& name, const v1::WorkflowParameter& parameter) {
  const v1::WorkflowConstraint& constraint = parameter.constraint();
  std::vector<std::string> parts;
  if (parameter.has_code()) {
    parts.push_back(fmt::format("{} source that defines the function {} with the same arguments",
                                IsR(parameter) ? "R" : "Python", name));
  }
  if (constraint.has_minimum()) parts.push_back(fmt::format("at least {}", constraint.minimum()));
  if (constraint.has_maximum()) parts.push_back(fmt::format("at most {}", constraint.maximum()));
  if (!constraint.choices().empty()) {
    std::vector<std::string> choices;
    for (const auto& choice : constraint.choices()) choices.push_back(DumpJson(JsonOf(choice)));
    parts.push_back(fmt::format("one of {}", fmt::join(choices, ", ")));
  }
  if (constraint.has_schema()) {
    parts.push_back("valid by the JSON Schema " + DumpJson(JsonOf(constraint.schema())));
  }
  if (constraint.max_length() > 0) {
    parts.push_back(fmt::format("at most {} bytes", constraint.max_length()));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

Json SchemaOf(const v1::WorkflowParameter& parameter) {
  const v1::WorkflowConstraint& constraint = parameter.constraint();
  if (!parameter.has_value()) return {{"type", "string"}};
  if (constraint.has_schema()) return JsonOf(constraint.schema());
  Json schema = Json::object();
  const Json first = InitialValue(parameter);
  if (!first.is_null()) schema["type"] = TypeWord(first);
  if (constraint.has_minimum()) schema["minimum"] = constraint.minimum();
  if (constraint.has_maximum()) schema["maximum"] = constraint.maximum();
  for (const auto& choice : constraint.choices()) schema["enum"].push_back(JsonOf(choice));
  return schema;
}

Json PutIntoRange(const v1::WorkflowParameter& parameter, Json value) {
  const v1::WorkflowConstraint& constraint = parameter.constraint();
  if (!value.is_number()) return value;
  const double number = value.get<double>();
  if (constraint.has_minimum() && number < constraint.minimum()) {
    return JsonOf(ValueOf(constraint.minimum()));
  }
  if (constraint.has_maximum() && number > constraint.maximum()) {
    return JsonOf(ValueOf(constraint.maximum()));
  }
  return value;
}

v1::Workflow WithValues(v1::Workflow workflow, const Json& values) {
  for (const auto& [name, value] : values.items()) {
    const auto found = workflow.mutable_parameters()->find(name);
    if (found == workflow.mutable_parameters()->end()) continue;
    v1::WorkflowParameter& parameter = found->second;
    if (parameter.has_value()) {
      *parameter.mutable_value() = ValueOf(value);
    } else if (parameter.has_code()) {
      parameter.mutable_code()->set_source(value.get<std::string>());
    } else {
      parameter.set_prompt(value.get<std::string>());
    }
  }
  return workflow;
}

}  // namespace troupe
