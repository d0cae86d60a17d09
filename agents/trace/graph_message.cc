#include "agents/trace/graph_message.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "troupe/v1/graph.pb.h"

namespace troupe {
namespace {

constexpr size_t kMaxNameBytes = 200;
constexpr size_t kMaxBaseBytes = 128;
constexpr size_t kMaxDescriptionBytes = 64 << 10;
constexpr size_t kMaxSourceBytes = 256 << 10;
constexpr int kMaxEdgesOfNode = 10'000;

absl::Status Wrong(std::string_view field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what),
               {{"field", std::string(field)}});
}

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsNodeName(std::string_view name) {
  const size_t colon = name.find(':');
  const std::string_view base = name.substr(0, colon);
  if (base.empty() || base.size() > kMaxBaseBytes || !IsLetter(base[0])) return false;
  for (const char c : base) {
    if (!IsLetter(c) && !IsDigit(c) && std::string_view("./<>-").find(c) == std::string_view::npos)
      return false;
  }
  if (colon == std::string_view::npos) return true;
  const std::string_view index = name.substr(colon + 1);
  if (index.empty() || index.size() > 9) return false;
  for (const char c : index) {
    if (!IsDigit(c)) return false;
  }
  return index.size() == 1 || index[0] != '0';
}

class Reader {
 public:
  Reader(const v1::Graph& message, std::string_view field) : message_(message), field_(field) {}

  absl::StatusOr<Graph> Read() {
    RETURN_IF_ERROR(ReadOperators());
    if (message_.nodes().empty()) return Wrong(field_ + ".nodes", "at least one");
    if (message_.nodes_size() > kMaxGraphNodes) return Wrong(field_ + ".nodes", "at most 50,000");
    for (int i = 0; i < message_.nodes_size(); ++i) {
      RETURN_IF_ERROR(ReadNode(message_.nodes(i), fmt::format("{}.nodes[{}]", field_, i)));
    }
    return std::move(graph_);
  }

 private:
  // Counts what a node or an operator takes.
  absl::Status Take(size_t bytes, int edges) {
    bytes_ += bytes;
    edges_ += edges;
    if (bytes_ > kMaxGraphBytes) return Wrong(field_, "at most 3 MiB of names, values and texts");
    if (edges_ > kMaxGraphEdges) {
      return Wrong(field_, "at most 400,000 inputs and hidden dependencies");
    }
    return absl::OkStatus();
  }

  absl::Status ReadOperators() {
    if (message_.operators_size() > kMaxGraphOperators) {
      return Wrong(field_ + ".operators", "at most 5,000");
    }
    std::set<std::string_view> names;
    for (int i = 0; i < message_.operators_size(); ++i) {
      const v1::GraphOperator& given = message_.operators(i);
      const std::string field = fmt::format("{}.operators[{}]", field_, i);
      if (given.name().empty() || given.name().size() > kMaxNameBytes) {
        return Wrong(field + ".name", "1 to 200 bytes");
      }
      if (!names.insert(given.name()).second) return Wrong(field + ".name", "is there twice");
      if (given.description().size() > kMaxDescriptionBytes) {
        return Wrong(field + ".description", "at most 64 KiB");
      }
      RETURN_IF_ERROR(Take(given.name().size() + given.description().size(), 0));
      graph_.DescribeOperator(given.name(), given.description());
    }
    return absl::OkStatus();
  }

  absl::Status CheckTexts(const v1::GraphNode& node, const std::string& field) {
    if (!node.name().empty() && !IsNodeName(node.name())) {
      return Wrong(field + ".name",
                   "give a base that matches [A-Za-z_][A-Za-z0-9_./<>-]{0,127}, or base:index");
    }
    if (node.name().find(':') != std::string::npos && graph_.Find(node.name()) != kNoNode) {
      return Wrong(field + ".name", "another node has this name");
    }
    if (node.operator_().size() > kMaxNameBytes)
      return Wrong(field + ".operator", "at most 200 bytes");
    if (node.value().type().size() > kMaxNameBytes) {
      return Wrong(field + ".value.type", "at most 200 bytes");
    }
    if (node.description().size() > kMaxDescriptionBytes) {
      return Wrong(field + ".description", "at most 64 KiB");
    }
    if (node.constraint().size() > kMaxGraphConstraintBytes) {
      return Wrong(field + ".constraint", "at most 16 KiB");
    }
    return Take(node.name().size() + node.description().size() + node.constraint().size(), 0);
  }

  absl::Status CheckRoot(const v1::GraphNode& node, const std::string& field) {
    if (!node.inputs().empty()) return Wrong(field + ".inputs", "only with an operator");
    if (!node.hidden_dependencies().empty()) {
      return Wrong(field + ".hidden_dependencies", "only with an operator");
    }
    if (node.has_exception()) return Wrong(field + ".exception", "only with an operator");
    if (!node.description().empty()) return Wrong(field + ".description", "only with an operator");
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<GraphInput>> ReadInputs(const v1::GraphNode& node,
                                                     const std::string& field) {
    if (node.inputs_size() > kMaxEdgesOfNode) return Wrong(field + ".inputs", "at most 10,000");
    std::vector<GraphInput> inputs;
    inputs.reserve(static_cast<size_t>(node.inputs_size()));
    std::set<std::string_view> names;
    for (int i = 0; i < node.inputs_size(); ++i) {
      const v1::GraphInput& input = node.inputs(i);
      const std::string each = fmt::format("{}.inputs[{}]", field, i);
      if (input.name().empty() || input.name().size() > kMaxNameBytes) {
        return Wrong(each + ".name", "1 to 200 bytes");
      }
      if (!names.insert(input.name()).second) return Wrong(each + ".name", "is there twice");
      if (input.node() < 0 || input.node() >= graph_.size()) {
        return Wrong(each + ".node", "give the id of a node that comes before this one");
      }
      inputs.push_back({input.name(), input.node()});
      RETURN_IF_ERROR(Take(input.name().size(), 1));
    }
    return inputs;
  }

  absl::StatusOr<std::vector<NodeId>> ReadHidden(const v1::GraphNode& node,
                                                 const std::string& field) {
    if (node.hidden_dependencies_size() > kMaxEdgesOfNode) {
      return Wrong(field + ".hidden_dependencies", "at most 10,000");
    }
    std::set<NodeId> taken;
    for (const v1::GraphInput& input : node.inputs()) taken.insert(input.node());
    std::vector<NodeId> hidden;
    hidden.reserve(static_cast<size_t>(node.hidden_dependencies_size()));
    for (int i = 0; i < node.hidden_dependencies_size(); ++i) {
      const NodeId id = node.hidden_dependencies(i);
      const std::string each = fmt::format("{}.hidden_dependencies[{}]", field, i);
      if (id < 0 || id >= graph_.size() || !graph_.node(id).trainable) {
        return Wrong(each, "give the id of a trainable node that comes before this one");
      }
      if (!taken.insert(id).second) return Wrong(each, "is an input, or is there twice");
      hidden.push_back(id);
      RETURN_IF_ERROR(Take(0, 1));
    }
    return hidden;
  }

  absl::StatusOr<GraphError> ReadError(const v1::GraphException& given, const std::string& field) {
    if (given.type().empty() || given.type().size() > kMaxNameBytes) {
      return Wrong(field + ".type", "1 to 200 bytes");
    }
    if (given.message().size() > kMaxDescriptionBytes) {
      return Wrong(field + ".message", "at most 64 KiB");
    }
    if (given.source().size() > kMaxSourceBytes) return Wrong(field + ".source", "at most 256 KiB");
    if (given.line() < 0) return Wrong(field + ".line", "give a line from 1, or 0");
    RETURN_IF_ERROR(Take(given.message().size() + given.source().size(), 0));
    return GraphError{given.type(), given.message(), given.source(), given.line()};
  }

  absl::Status ReadNode(const v1::GraphNode& node, const std::string& field) {
    RETURN_IF_ERROR(CheckTexts(node, field));
    ASSIGN_OR_RETURN(GraphValue value, ValueFromMessage(node.value(), field + ".value"));
    RETURN_IF_ERROR(Take(ValueBytes(value), 0));
    NodeOptions options{.name = node.name(),
                        .constraint = node.constraint(),
                        .type = node.value().type(),
                        .description = node.description()};
    if (node.operator_().empty()) {
      RETURN_IF_ERROR(CheckRoot(node, field));
      if (!node.trainable()) {
        graph_.AddValue(node.name(), std::move(value), std::move(options));
        return absl::OkStatus();
      }
      const double* const number = std::get_if<double>(&value);
      if (number != nullptr && !std::isfinite(*number)) {
        return Wrong(field + ".value.double_value", "finite where the node is trainable");
      }
      graph_.AddParameter(node.name(), std::move(value), std::move(options));
      return absl::OkStatus();
    }
    if (node.trainable()) return Wrong(field + ".trainable", "only without an operator");
    ASSIGN_OR_RETURN(const std::vector<GraphInput> inputs, ReadInputs(node, field));
    ASSIGN_OR_RETURN(options.hidden_dependencies, ReadHidden(node, field));
    if (!node.has_exception()) {
      graph_.AddOperation(node.operator_(), inputs, std::move(value), std::move(options));
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(GraphError error, ReadError(node.exception(), field + ".exception"));
    graph_.AddException(node.operator_(), inputs, std::move(error), std::move(options));
    return absl::OkStatus();
  }

  const v1::Graph& message_;
  const std::string field_;
  Graph graph_;
  size_t bytes_ = 0;
  int edges_ = 0;
};

}  // namespace

absl::StatusOr<Graph> GraphFromMessage(const v1::Graph& message, std::string_view field) {
  return Reader(message, field).Read();
}

v1::Graph GraphMessage(const Graph& graph) {
  v1::Graph message;
  for (const auto& [name, description] : graph.operators()) {
    v1::GraphOperator& given = *message.add_operators();
    given.set_name(std::string(name));
    given.set_description(description);
  }
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Graph::Node& node = graph.node(id);
    v1::GraphNode& given = *message.add_nodes();
    given.set_name(node.name);
    *given.mutable_value() = ValueMessage(node.value, node.type);
    given.set_operator_(std::string(node.operation));
    given.set_description(node.description);
    given.set_constraint(node.constraint);
    given.set_trainable(node.trainable);
    for (const GraphInput& input : graph.inputs(id)) {
      given.add_inputs()->set_name(std::string(input.name));
      given.mutable_inputs()->rbegin()->set_node(input.node);
    }
    for (const NodeId used : graph.hidden_dependencies(id)) given.add_hidden_dependencies(used);
    if (!node.error.has_value()) continue;
    given.clear_value();
    given.mutable_exception()->set_type(node.error->type);
    given.mutable_exception()->set_message(node.error->message);
    given.mutable_exception()->set_source(node.error->source);
    given.mutable_exception()->set_line(node.error->line);
  }
  return message;
}

absl::StatusOr<GraphValue> ValueFromMessage(const v1::GraphValue& message, std::string_view field) {
  switch (message.kind_case()) {
    case v1::GraphValue::kBoolValue:
      return GraphValue(message.bool_value());
    case v1::GraphValue::kIntValue:
      return GraphValue(int64_t{message.int_value()});
    case v1::GraphValue::kDoubleValue:
      return GraphValue(message.double_value());
    case v1::GraphValue::kText:
      return GraphValue(message.text());
    case v1::GraphValue::kCode:
      return GraphValue(GraphCode{message.code()});
    case v1::GraphValue::kJson: {
      auto parsed = ParseJson(message.json(), "the value");
      if (!parsed.ok()) return Wrong(fmt::format("{}.json", field), MessageOf(parsed.status()));
      if (!parsed->is_structured()) {
        return Wrong(fmt::format("{}.json", field), "give a list or an object");
      }
      // Again for the order of the keys, now that it is known to be JSON that is not too deep.
      return GraphValue(GraphJson{OrderedJson::parse(message.json())});
    }
    case v1::GraphValue::KIND_NOT_SET:
      break;
  }
  return GraphValue();
}

v1::GraphValue ValueMessage(const GraphValue& value, std::string_view type) {
  v1::GraphValue message;
  if (const auto* truth = std::get_if<bool>(&value)) message.set_bool_value(*truth);
  if (const auto* whole = std::get_if<int64_t>(&value)) message.set_int_value(*whole);
  if (const auto* number = std::get_if<double>(&value)) message.set_double_value(*number);
  if (const auto* text = std::get_if<std::string>(&value)) message.set_text(*text);
  if (const auto* json = std::get_if<GraphJson>(&value)) message.set_json(JsonText(*json));
  if (const auto* code = std::get_if<GraphCode>(&value)) message.set_code(code->text);
  if (type != TypeName(value)) message.set_type(std::string(type));
  return message;
}

}  // namespace troupe
