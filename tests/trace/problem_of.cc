// Reads a Graph and GraphFeedback messages from standard input, each with its length before it, and
// prints the problem instance that an optimizer is shown of them, as JSON. Parameters that were
// used without being given are left out, as in the published system.
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <unistd.h>

#include <iostream>

#include "agents/trace/graph_message.h"
#include "agents/trace/problem.h"
#include "agents/trace/propagate.h"
#include "tools/base/error.h"
#include "troupe/v1/graph.pb.h"

int main() {
  using google::protobuf::util::ParseDelimitedFromZeroCopyStream;
  google::protobuf::io::FileInputStream input(STDIN_FILENO);
  bool at_end = false;
  troupe::v1::Graph message;
  if (!ParseDelimitedFromZeroCopyStream(&message, &input, &at_end)) {
    std::cerr << "no graph\n";
    return 2;
  }
  const auto graph = troupe::GraphFromMessage(message, "graph");
  if (!graph.ok()) {
    std::cerr << graph.status() << "\n";
    return 1;
  }
  troupe::Propagation propagation(*graph);
  troupe::v1::GraphFeedback feedback;
  while (ParseDelimitedFromZeroCopyStream(&feedback, &input, &at_end)) {
    const absl::Status done =
        propagation.Backward(feedback.output(), feedback.feedback(), /*retain=*/true);
    if (!done.ok()) {
      std::cerr << done << "\n";
      return 1;
    }
  }
  const troupe::Problem problem =
      troupe::MakeProblem(*graph, propagation.Whole(), {.show_hidden = false});
  std::cout << troupe::DumpJson(troupe::ProblemJson(problem)) << "\n";
  return 0;
}
