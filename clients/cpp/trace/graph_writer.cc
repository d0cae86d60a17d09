#include "clients/cpp/trace/graph_writer.h"

#include "troupe/v1/graph.pb.h"

namespace troupe::trace {
namespace {

// What a server takes.
constexpr size_t kMostTypeBytes = 200;
constexpr size_t kMostErrorBytes = 64 << 10;

}  // namespace

absl::Status GraphWriter::Write(v1::Graph& graph,
                                google::protobuf::RepeatedPtrField<v1::GraphFeedback>& feedback) {
  if (absl::Status written = WriteParameters(graph); !written.ok()) return written;
  std::vector<int32_t> outputs;
  outputs.reserve(tape_.feedback_.size());
  for (const Tape::Feedback& each : tape_.feedback_) outputs.push_back(each.output);
  places_.assign(tape_.records_.size(), -1);
  for (const int32_t id : tape_.Behind(std::move(outputs))) {
    if (id >= 0) WriteEntry(id, graph);
  }
  for (const Tape::Feedback& each : tape_.feedback_) {
    v1::GraphFeedback& given = *feedback.Add();
    given.set_output(each.output < 0 ? -each.output - 1
                                     : places_[static_cast<size_t>(each.output)]);
    given.set_feedback(ValidText(each.text));
  }
  return absl::OkStatus();
}

absl::Status GraphWriter::WriteParameters(v1::Graph& graph) {
  for (const Tape::Parameter& parameter : tape_.parameters_) {
    v1::GraphNode& node = *graph.add_nodes();
    node.set_name(parameter.name);
    node.set_constraint(parameter.constraint);
    node.set_trainable(true);
    if (!WriteValue(parameter.value, /*finite=*/true, *node.mutable_value())) {
      return absl::InvalidArgumentError("parameter " + parameter.name + " is no finite number");
    }
  }
  return absl::OkStatus();
}

void GraphWriter::WriteEntry(int32_t id, v1::Graph& graph) {
  const Tape::Entry& entry = tape_.records_[static_cast<size_t>(id)];
  places_[static_cast<size_t>(id)] = graph.nodes_size();
  v1::GraphNode& node = *graph.add_nodes();
  if (entry.operation == nullptr) {
    node.set_name(entry.name);
    WriteValue(entry.value, /*finite=*/false, *node.mutable_value());
    return;
  }
  const Operator& operation = *entry.operation;
  node.set_operator_(operation.name);
  const auto [told, first] = told_.emplace(operation.name, &operation);
  if (first) {
    v1::GraphOperator& described = *graph.add_operators();
    described.set_name(operation.name);
    described.set_description(operation.description);
  } else if (told->second != &operation && told->second->description != operation.description) {
    node.set_description(operation.description);
  }
  const auto place = [this](int32_t input) {
    return input < 0 ? -input - 1 : places_[static_cast<size_t>(input)];
  };
  const absl::Span<const int32_t> inputs = tape_.InputsOf(entry, /*hidden=*/false);
  for (size_t i = 0; i < inputs.size(); ++i) {
    v1::GraphInput& input = *node.add_inputs();
    input.set_name(operation.arguments[i]);
    input.set_node(place(inputs[i]));
  }
  for (const int32_t used : tape_.InputsOf(entry, /*hidden=*/true)) {
    node.add_hidden_dependencies(place(used));
  }
  if (entry.failure != nullptr) {
    // A mark for a byte that is no character takes three.
    node.mutable_exception()->set_type(ValidText(entry.failure->type, kMostTypeBytes / 3));
    node.mutable_exception()->set_message(ValidText(entry.failure->message, kMostErrorBytes / 3));
    node.mutable_exception()->set_source(ValidText(entry.failure->source, kMostErrorBytes));
    node.mutable_exception()->set_line(entry.failure->line);
  } else {
    WriteValue(entry.value, /*finite=*/false, *node.mutable_value());
  }
}

}  // namespace troupe::trace
