#include "agents/trace/trainers/tape_graph.h"

#include <fmt/format.h>

#include <array>

#include "agents/runtime/text.h"
#include "agents/workflow/parameter.h"

namespace troupe {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kOperators = {{
    {"fill", "Fills a prompt's template with values: the text of a message to a model."},
    {"select", "Takes a part of an earlier value, or puts values together."},
    {"model", "A language model's reply to the messages."},
    {"tool", "What a tool returns for the arguments."},
    {"code", "What the function returns for the arguments; the first input is the function."},
    {"task", "What an agent answers that does a whole task."},
    {"condition", "Whether a condition on the values holds."},
    {"if", "The value of the branch that was taken."},
    {"element", "One element of a list."},
    {"for", "What the rounds of a loop over a list came to."},
    {"while", "What the rounds of a loop came to."},
}};
constexpr size_t kMaxDescription = 300;  // bytes of what one step says of itself
constexpr size_t kMaxDescriptions = 8000;
constexpr std::string_view kMap = "What was made of each element of a list, in order.";

// As the graph has the parameter's value. A document does not tell 1 from 1.0: a number that is
// whole stays so, unless its schema says "number".
GraphValue ValueOfParameter(const v1::WorkflowParameter& parameter, const Json& value) {
  if (parameter.has_code()) return GraphCode{value.get<std::string>()};
  const auto& schema = parameter.constraint().schema().fields();
  const auto type = schema.find("type");
  const bool fractions = type != schema.end() && type->second.string_value() == "number";
  if (fractions && value.is_number()) return value.get<double>();
  return GraphValueOf(value);
}

// What the parameter must keep to, with what a template may use.
std::string ConstraintOf(const std::string& name, const v1::WorkflowParameter& parameter) {
  std::string text = ConstraintText(name, parameter);
  if (parameter.has_code() || parameter.has_value()) return text;
  if (!text.empty()) text += "; ";
  return text +
         "a text in which {{name}} stands for the value of that name: use no names but those that "
         "it uses now, and write \\{{ for braces that are meant";
}

}  // namespace

GraphValue GraphValueOf(const Json& value) {
  if (value.is_null()) return std::monostate();
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  return GraphJson{value};
}

Json ParameterValueOf(const GraphValue& value) { return JsonOf(value); }

NodeId TapeGraph::AddParameter(const TapeEntry& entry) {
  const auto known = shared_.find(entry.name);
  if (known != shared_.end()) return known->second;
  const v1::WorkflowParameter& parameter = workflow_->parameters().at(entry.name);
  GraphValue value = ValueOfParameter(parameter, *entry.value);
  NodeOptions options;
  if (!parameter.trainable()) {
    return shared_[entry.name] = graph_.AddValue(entry.name, std::move(value), std::move(options));
  }
  options.constraint = ConstraintOf(entry.name, parameter);
  if (!parameter.description().empty()) {
    options.constraint = fmt::format("{}{}{}", parameter.description(),
                                     options.constraint.empty() ? "" : "; ", options.constraint);
  }
  const NodeId node = graph_.AddParameter(entry.name, std::move(value), std::move(options));
  trainable_[entry.name] = node;
  return shared_[entry.name] = node;
}

GraphError TapeGraph::ErrorOf(const WorkflowTape& tape, const TapeEntry& entry) const {
  const Json& error = (*entry.value)["error"];
  GraphError result;
  result.type = JsonString(error, "type");
  result.message = JsonString(error, "message");
  result.line = static_cast<int32_t>(JsonInt(error, "line"));
  // For people the message begins with the line and the type, which are told by themselves here.
  const std::string before = fmt::format("): {}: ", result.type);
  const size_t found = result.line > 0 ? result.message.find(before) : std::string::npos;
  if (found != std::string::npos) result.message.erase(0, found + before.size());
  if (result.line > 0 && entry.operation == "code" && !entry.inputs.empty()) {
    const Json& source = *tape.ValueOf(entry.inputs[0].second);
    if (source.is_string()) result.source = source.get<std::string>();
  }
  return result;
}

void TapeGraph::Describe(const TapeEntry& entry) {
  // What fills and takes elements does the same everywhere.
  if (entry.operation == "fill" || entry.operation == "element") return;
  const std::string head = fmt::format("[{}]", entry.operation);
  std::string_view said = entry.description;
  if (said.starts_with(head)) said.remove_prefix(head.size());
  if (said.starts_with(" ")) said.remove_prefix(1);
  if (said.empty() || !described_.emplace(entry.operation, entry.name).second) return;
  // An optimizer is told once what an operator does, so what each step does with it is said there.
  const auto known = graph_.operators().find(entry.operation);
  std::string text = known == graph_.operators().end() ? "" : known->second;
  if (text.size() > kMaxDescriptions) return;
  text +=
      fmt::format("{}{}: {}", text.empty() ? "" : " ", entry.name, Elide(said, kMaxDescription));
  if (!text.ends_with('.')) text += '.';
  graph_.DescribeOperator(entry.operation, text);
}

NodeId TapeGraph::AddOperation(const WorkflowTape& tape, const TapeEntry& entry,
                               const std::vector<NodeId>& nodes) {
  std::vector<GraphInput> inputs;
  for (const auto& [name, id] : entry.inputs) {
    if (id > 0) inputs.push_back({name, nodes[static_cast<size_t>(id - 1)]});
  }
  NodeOptions options;
  options.name = entry.name;
  Describe(entry);
  if (entry.kind == TapeEntry::Kind::kError) {
    return graph_.AddException(entry.operation, inputs, ErrorOf(tape, entry), std::move(options));
  }
  return graph_.AddOperation(entry.operation, inputs, GraphValueOf(*entry.value),
                             std::move(options));
}

NodeId TapeGraph::Add(const WorkflowTape& tape, ValueId output) {
  if (graph_.size() == 0) {
    for (const auto& [operation, text] : kOperators) graph_.DescribeOperator(operation, text);
    graph_.DescribeOperator("map", kMap);
  }
  std::vector<NodeId> nodes;
  nodes.reserve(tape.entries().size());
  for (const TapeEntry& entry : tape.entries()) {
    switch (entry.kind) {
      case TapeEntry::Kind::kParameter:
        nodes.push_back(AddParameter(entry));
        break;
      case TapeEntry::Kind::kInput:
        nodes.push_back(graph_.AddValue(entry.name, GraphValueOf(*entry.value)));
        break;
      default:
        nodes.push_back(AddOperation(tape, entry, nodes));
    }
  }
  return output > 0 ? nodes[static_cast<size_t>(output - 1)] : kNoNode;
}

}  // namespace troupe
