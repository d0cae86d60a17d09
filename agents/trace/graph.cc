#include "agents/trace/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

struct GivenName {
  std::string base;
  std::optional<int32_t> index;
};

GivenName Split(std::string_view name) {
  const size_t colon = name.rfind(':');
  if (colon == std::string_view::npos) return {std::string(name), std::nullopt};
  int32_t index = 0;
  const char* const end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + colon + 1, end, index);
  if (read.ec != std::errc() || read.ptr != end || index < 0) {
    return {std::string(name.substr(0, colon)), std::nullopt};
  }
  return {std::string(name.substr(0, colon)), index};
}

std::string NameOf(const std::string& base, int32_t index) {
  return base + ":" + std::to_string(index);
}

// With the name in brackets before it that descriptions begin with.
std::string Bracketed(std::string_view operation, std::string_view description) {
  if (description.empty()) return "";
  const size_t end = description.find_first_of("[]", 1);
  if (description[0] == '[' && end != std::string_view::npos && end > 1 &&
      description[end] == ']') {
    return std::string(description);
  }
  return fmt::format("[{}] {}", operation, description);
}

}  // namespace

NodeId Graph::AddValue(std::string_view name, GraphValue value, NodeOptions options) {
  return Add(name, std::move(value), std::move(options));
}

NodeId Graph::AddParameter(std::string_view name, GraphValue value, NodeOptions options) {
  const NodeId id = Add(name, std::move(value), std::move(options));
  nodes_.back().trainable = true;
  parameters_.push_back(id);
  return id;
}

NodeId Graph::AddOperation(std::string_view operation, absl::Span<const GraphInput> inputs,
                           GraphValue value, NodeOptions options) {
  const std::vector<NodeId> hidden = std::move(options.hidden_dependencies);
  const std::string name = options.name.empty() ? std::string(operation) : std::move(options.name);
  std::string description = Bracketed(operation, options.description);
  const NodeId id = Add(name, std::move(value), std::move(options));
  Node& node = nodes_.back();
  node.operation = Keep(operation);
  node.description = std::move(description);
  node.first_input = static_cast<uint32_t>(inputs_.size());
  node.inputs = static_cast<uint32_t>(inputs.size());
  for (const GraphInput& input : inputs) {
    inputs_.push_back({Keep(input.name), input.node});
    node.level = std::max(node.level, this->node(input.node).level + 1);
  }
  node.first_hidden = static_cast<uint32_t>(hidden_.size());
  node.hidden = static_cast<uint32_t>(hidden.size());
  for (const NodeId used : hidden) {
    hidden_.push_back(used);
    node.level = std::max(node.level, this->node(used).level + 1);
  }
  return id;
}

NodeId Graph::AddException(std::string_view operation, absl::Span<const GraphInput> inputs,
                           GraphError error, NodeOptions options) {
  if (options.name.empty()) options.name = fmt::format("exception_{}", operation);
  const NodeId id = AddOperation(
      operation, inputs, fmt::format("({}) {}", error.type, error.message), std::move(options));
  nodes_.back().error = std::move(error);
  return id;
}

void Graph::DescribeOperator(std::string_view operation, std::string_view description) {
  operators_[Keep(operation)] = Bracketed(operation, description);
}

absl::Span<const GraphInput> Graph::inputs(NodeId id) const {
  const Node& of = node(id);
  return {inputs_.data() + of.first_input, of.inputs};
}

absl::Span<const NodeId> Graph::hidden_dependencies(NodeId id) const {
  const Node& of = node(id);
  return {hidden_.data() + of.first_hidden, of.hidden};
}

std::string_view Graph::Documentation(NodeId id) const {
  const Node& of = node(id);
  if (!of.description.empty() || of.operation.empty()) return of.description;
  const auto known = operators_.find(of.operation);
  return known == operators_.end() ? std::string_view() : known->second;
}

NodeId Graph::Find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? kNoNode : found->second;
}

void Graph::SetValue(NodeId parameter, GraphValue value) {
  Node& node = nodes_[static_cast<size_t>(parameter)];
  node.type = TypeName(value);
  node.value = std::move(value);
}

NodeId Graph::Add(std::string_view name, GraphValue value, NodeOptions options) {
  const NodeId id = size();
  Node& node = nodes_.emplace_back();
  node.type = options.type.empty() ? std::string(TypeName(value)) : std::move(options.type);
  node.value = std::move(value);
  node.constraint = std::move(options.constraint);
  NameNode(node, name.empty() ? std::string_view(node.type) : name);
  by_name_.emplace(node.name, id);
  return id;
}

void Graph::NameNode(Node& node, std::string_view name) {
  GivenName given = Split(name);
  if (!given.index.has_value() || by_name_.contains(NameOf(given.base, *given.index))) {
    int32_t& next = next_index_[given.base];
    while (by_name_.contains(NameOf(given.base, next))) ++next;
    given.index = next++;
  }
  node.name = NameOf(given.base, *given.index);
  // "x1:0" and "x:10" are not to be called the same.
  node.identifier = given.base + std::to_string(*given.index);
  if (!identifiers_.contains(node.identifier)) {
    identifiers_.insert(node.identifier);
    return;
  }
  node.identifier = given.base + "_" + std::to_string(*given.index);
  while (!identifiers_.insert(node.identifier).second) node.identifier += '_';
}

std::string_view Graph::Keep(std::string_view text) { return *kept_.emplace(text).first; }

std::string ErrorFeedback(const Graph::Node& node) {
  if (!node.error.has_value()) return "";
  const GraphError& error = *node.error;
  const std::string what = fmt::format("({}) {}", error.type, error.message);
  if (error.source.empty()) return what;
  std::string out;
  int32_t number = 0;
  size_t begin = 0;
  while (begin <= error.source.size()) {
    size_t end = error.source.find('\n', begin);
    if (end == std::string::npos) end = error.source.size();
    if (begin == error.source.size() && number > 0) break;  // after the last line's end
    out.append(error.source, begin, end - begin);
    if (++number == error.line) out += "   <-- fails here: " + what;
    out += '\n';
    begin = end + 1;
  }
  return out + what;
}

}  // namespace troupe
