// GraphWriter: what a tape has recorded, as the message that a server takes: the operations that
// led to outputs with feedback, and all parameters.
#pragma once

#include <absl/status/status.h>

#include "clients/cpp/trace/tape.h"

namespace google::protobuf {
template <typename T>
class RepeatedPtrField;
}  // namespace google::protobuf

namespace troupe::v1 {
class Graph;
class GraphFeedback;
}  // namespace troupe::v1

namespace troupe::trace {

class GraphWriter {
 public:
  explicit GraphWriter(const Tape& tape) : tape_(tape) {}

  // Writes the graph and the feedback. Fails for a parameter that is no finite number.
  absl::Status Write(v1::Graph& graph,
                     google::protobuf::RepeatedPtrField<v1::GraphFeedback>& feedback);

 private:
  absl::Status WriteParameters(v1::Graph& graph);
  void WriteEntry(int32_t id, v1::Graph& graph);

  const Tape& tape_;
  std::vector<int32_t> places_;  // in the message, of records; -1: not in it
  std::unordered_map<std::string, const Operator*> told_;  // what is said of operators, by name
};

}  // namespace troupe::trace
