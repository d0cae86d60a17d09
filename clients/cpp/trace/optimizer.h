// Optimizer: an optimizer on a server and the parameters of a tape that it changes.
//
//   Optimizer optimizer(tape, {.objective = "Make y 10."});
//   tape.backward(y, "should be larger");
//   if (auto step = optimizer.step(); !step.ok()) std::cerr << step.status() << "\n";
//
// The server holds what was tried, the budget and the trace. A call that broke off is made again
// until the server is back, and a step is paid once however often it was asked for.
// Thread-compatible.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clients/cpp/trace/tape.h"

namespace troupe::v1 {
class OptimizerSettings;
class OptimizerStep;
}  // namespace troupe::v1

namespace troupe::trace {

struct OptimizerOptions {
  std::string server = "127.0.0.1:7433";
  // The {optimizer} in its name; one that is there already goes on. Empty: a new one.
  std::string id;
  std::string
      objective;      // what it is to do; empty: to make the output better, judging by the feedback
  int memory = 5;     // earlier values with their feedback that the model is shown; 0 to 100
  std::string model;  // of the server's configuration; empty: that of the role "optimizer"
  uint64_t seed = 0;
  // Sets all else that an optimizer can be told (OptimizerSettings) before it is made.
  std::function<void(v1::OptimizerSettings&)> configure;
  // How long a server that cannot be reached is tried again.
  std::chrono::seconds patience{300};
};

struct Change {
  std::string name;  // "x:0"
  std::string old_value;
  std::string new_value;
  std::string diff;  // as lines, in the unified format
};

struct Refused {
  std::string name;  // of the parameter; empty: the reply as a whole
  std::string suggested;
  std::string reason;
};

// One step.
struct Step {
  int number = 0;
  std::string task;  // "tasks/...", with the trace
  std::vector<Change> changes;
  std::vector<Refused> refused;
  std::vector<std::string> unreached;  // parameters that no feedback reached
  std::string reasoning;
  std::string answer;
  bool finished = false;  // the model says that nothing is left to change
};

struct StepOptions {
  std::optional<double> score;  // how good the values were; more is better
  std::string context;          // what else the model is to know
  bool bypassing = false;       // leaves the parameters as they are
};

class Optimizer {
 public:
  // `tape` outlives it. All of the tape's parameters at the time of a step are its.
  explicit Optimizer(Tape& tape, OptimizerOptions options = {});
  ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Sends the graph and the feedback, and sets the new values. Fails, with all values as they were,
  // by the tape's status(), by what the server says, and with kAborted if the step failed. The same
  // call again goes on with a step that may have begun. Feedback that it used is forgotten.
  absl::StatusOr<Step> step(const StepOptions& options = {});
  // Sets the values that were there after a step; 0: before all.
  absl::StatusOr<Step> revert(int step, const std::string& reason = "");
  // Says how good the current values are; after a step.
  absl::Status report(double score);
  // Sets the values with the highest mean score, which is returned. kNotFound if none has one.
  absl::StatusOr<double> restore_best();
  // "optimizers/...".
  const std::string& name() const { return name_; }

 private:
  struct Parts;

  absl::Status Ensure();
  absl::StatusOr<Step> Apply(const v1::OptimizerStep& step, bool bypassing);
  // Sets all or none.
  template <typename Values>
  absl::Status Set(const Values& values);

  Tape& tape_;
  const OptimizerOptions options_;
  std::string name_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace troupe::trace
