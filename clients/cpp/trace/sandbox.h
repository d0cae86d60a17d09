// Sandbox: functions in Python or R whose source is a parameter, run on a server: what a model
// wrote does nothing here. Without network and files of this machine, with limits on time and
// memory.
//
//   Sandbox sandbox({.server = "127.0.0.1:7433"});
//   auto rule = tape.code("rule", "def rule(x, k):\n    return x * k");
//   auto scaled = sandbox.function<double>("rule", {"x", "k"}, rule);
//   Node<double> y = scaled(x, 3.0);
//
// Each call is a task of its own and begins with nothing that another left. What the function
// raises, and a result of another type, is how the node failed, with the line of the source. That
// the server cannot run it is kept in the tape's status().
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clients/cpp/trace/bundle.h"

namespace troupe::trace {

struct SandboxOptions {
  std::string server = "127.0.0.1:7433";
  std::chrono::seconds timeout{30};    // that a call may take, up to 600
  std::chrono::seconds patience{300};  // for which a server that cannot be reached is tried again
  bool r = false;                      // the functions are in R, not in Python
  bool keep_tasks = false;             // the tasks stay on the server, to be looked at
};

template <typename R>
class SandboxFunction;

// Thread-safe but for what is done to the tape.
class Sandbox {
 public:
  explicit Sandbox(SandboxOptions options = {});
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // `name` is what the source defines, of small letters, digits and _, as are the arguments' names,
  // which a call gives by these. The sandbox outlives the function.
  template <typename R>
  SandboxFunction<R> function(std::string name, std::vector<std::string> arguments,
                              const Node<Code>& code) {
    return SandboxFunction<R>(this, std::move(name), std::move(arguments), code);
  }

  struct Outcome {
    nlohmann::json value;
    std::optional<Failure> failure;
  };
  // What a function returns or raises for `arguments`, an object. A status if it was not run.
  absl::StatusOr<Outcome> call(const std::string& name, const std::string& source,
                               const nlohmann::json& arguments);

 private:
  template <typename R>
  friend class SandboxFunction;
  // What `read` makes of a result; nothing if that is of another type.
  using Reader = std::optional<Value> (*)(const nlohmann::json& result);
  // Records a call: the inputs are the arguments and, last, the code.
  int32_t Record(Tape& tape, const std::string& name,
                 const std::shared_ptr<const Operator>& operation,
                 const std::vector<int32_t>& inputs, Reader read);

  struct Parts;
  const SandboxOptions options_;
  std::unique_ptr<Parts> parts_;
};

template <typename R>
class SandboxFunction {
 public:
  SandboxFunction(Sandbox* sandbox, std::string name, std::vector<std::string> arguments,
                  const Node<Code>& code)
      : sandbox_(sandbox), name_(std::move(name)), code_(code) {
    auto operation = std::make_shared<Operator>();
    operation->name = "eval";
    operation->description =
        "The result of the code __code, called with the other inputs as arguments.";
    operation->arguments = std::move(arguments);
    operation->arguments.emplace_back("__code");
    operation_ = std::move(operation);
  }

  // A value or a node for each argument.
  template <typename... Given>
  Node<Stored<R>> operator()(const Given&... given) const {
    Tape& tape = code_.tape();
    std::vector<int32_t> inputs;
    // All but the last, which is the code.
    const auto names = std::span(operation_->arguments).first(operation_->arguments.size() - 1);
    (inputs.push_back(internal::InputOf(tape, names, inputs.size(), given)), ...);
    inputs.push_back(tape.IdOf(code_));
    for (const int32_t id : inputs) {
      if (id == Tape::kNone) return tape.Make<Stored<R>>(tape.AddInput("unknown", Value()));
      if (tape.FailureOf(id) != nullptr) return tape.Make<Stored<R>>(id);
    }
    return tape.Make<Stored<R>>(sandbox_->Record(tape, name_, operation_, inputs, Read));
  }

 private:
  static std::optional<Value> Read(const nlohmann::json& result) {
    using Kept = Stored<R>;
    if constexpr (std::is_same_v<Kept, int64_t>) {
      if (result.is_number_float() && std::trunc(result.get<double>()) != result.get<double>()) {
        return std::nullopt;
      }
    }
    try {
      return MakeValue(result.get<Kept>());
    } catch (const nlohmann::json::exception&) {
      return std::nullopt;
    }
  }

  Sandbox* sandbox_;
  std::string name_;
  Node<Code> code_;
  std::shared_ptr<const Operator> operation_;
};

}  // namespace troupe::trace
