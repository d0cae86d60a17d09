// Tape: records what a program does, as nodes with values and the operations that made them, so
// that an Optimizer can tell how feedback on an output comes from the parameters (Trace, arXiv
// 2406.16218).
//
//   Tape tape;
//   auto x = tape.parameter("x", -1.0, "between -10 and 10");
//   auto foo = bundle("foo", "The product of x and z.", {"x", "z"}, Foo);
//   auto y = foo(x, 3.0) + 1;
//   tape.backward(y, "should be 10");
//
// An operation that fails gives a node that failed: operations that are given it do not run and
// give it on, so the program's output is how it failed, and takes feedback as any other.
//
// What cannot be is kept in status(), which Optimizer::step returns: feedback that goes through an
// operation twice, a node of another tape or of before clear(). A tape keeps at most 50,000 nodes,
// as many as a server takes. Thread-compatible.
#pragma once

#include <absl/status/status.h>
#include <absl/types/span.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "clients/cpp/trace/value.h"

namespace troupe::trace {

class Tape;
class GraphWriter;
class Optimizer;
class Sandbox;

// What an operation is called and does.
struct Operator {
  std::string name;
  std::string description;
  std::vector<std::string> arguments;
};

// How an operation failed.
struct Failure {
  std::string type;  // "ZeroDivisionError", "std::out_of_range" ...
  std::string message;
  std::string source = {};  // of the function that failed, if it is code of a parameter
  int line = 0;             // of the source, from 1; 0: not known
};

// What value() of a node throws that failed.
class ExecutionError : public std::runtime_error {
 public:
  explicit ExecutionError(const Failure& failure)
      : std::runtime_error("(" + failure.type + ") " + failure.message) {}
};

// A node of any type. Refers to its tape, which outlives it.
class AnyNode {
 public:
  AnyNode(Tape* tape, int32_t id, uint32_t generation)
      : tape_(tape), id_(id), generation_(generation) {}

  Tape& tape() const { return *tape_; }
  int32_t id() const { return id_; }
  // Whether the operation failed that made it, or one before it.
  bool failed() const;
  // "(ZeroDivisionError) division by zero"; empty if it did not fail.
  std::string error() const;

 private:
  friend class Tape;
  Tape* tape_;
  int32_t id_;
  uint32_t generation_;
};

template <typename T>
class Node : public AnyNode {
 public:
  using AnyNode::AnyNode;
  using Type = T;
  // What it is; of a parameter, what it is now. Throws ExecutionError if it failed.
  T value() const;
};

// Whether two values are equal: not recorded. eq(x, y) is (operators.h).
template <typename T>
bool operator==(const Node<T>& left, const Node<T>& right) {
  return left.value() == right.value();
}
template <typename T, typename U>
requires(!std::derived_from<U, AnyNode> &&
         requires(const T& left, const U& right) {
           { left == right } -> std::convertible_to<bool>;
         }) bool
operator==(const Node<T>& left, const U& right) {
  return left.value() == right;
}

class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // A value that an optimizer may change. `name` is of letters, digits and _; the server knows the
  // parameter by it and by how many of that name the tape had before. `constraint` says, in words,
  // what a new value must keep to.
  template <typename T>
  Node<Stored<T>> parameter(std::string_view name, T&& value, std::string_view constraint = "") {
    return Make<Stored<T>>(AddParameter(name, MakeValue(std::forward<T>(value)), constraint));
  }
  // The source of a function in Python or R, which an optimizer may change and a Sandbox runs.
  Node<Code> code(std::string_view name, std::string source, std::string_view constraint = "") {
    constexpr std::string_view kKeep =
        "The code defines one function, whose name and arguments stay as they are.";
    return parameter(name, Code{std::move(source)}, constraint.empty() ? kKeep : constraint);
  }
  // An input of the program.
  template <typename T>
  Node<Stored<T>> node(std::string_view name, T&& value) {
    return Make<Stored<T>>(AddInput(name, MakeValue(std::forward<T>(value))));
  }

  // Gives feedback on an output, for the parameters that led to it. May be left out for a node that
  // failed: how it failed is told then. Each operation is gone through once, unless that call had
  // `retain_graph`.
  void backward(const AnyNode& output, std::string feedback = "", bool retain_graph = false);
  // Forgets feedback that no step has used.
  void zero_feedback() { feedback_.clear(); }
  // Forgets everything but the parameters and what they are: before the program runs again. Nodes
  // that are no parameters are not to be used any more.
  void clear();

  // The first thing that could not be since the last clear().
  const absl::Status& status() const { return status_; }
  size_t size() const { return parameters_.size() + records_.size(); }

  // --- for operations ---
  // Records what `operation` made of the inputs.
  int32_t Record(const std::shared_ptr<const Operator>& operation, absl::Span<const int32_t> inputs,
                 Value value);
  // Records that it failed.
  int32_t RecordFailure(const std::shared_ptr<const Operator>& operation,
                        absl::Span<const int32_t> inputs, Failure failure);
  template <typename T>
  Node<T> Make(int32_t id) {
    return Node<T>(this, id, generation_);
  }
  // The node's id on this tape; kNone, and status() says why, if it is of another or of before
  // clear().
  int32_t IdOf(const AnyNode& node);
  const Value& ValueOf(int32_t id) const;
  const Failure* FailureOf(int32_t id) const;
  int32_t AddInput(std::string_view name, Value value);

  static constexpr int32_t kNone = INT32_MIN;

  // While one lives, parameters that are read by value() are noted: what an operation uses without
  // being given it.
  class Reading {
   public:
    explicit Reading(Tape& tape) : tape_(tape), outer_(std::exchange(tape.reads_, &reads_)) {}
    ~Reading() { tape_.reads_ = outer_; }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    Tape& tape_;
    std::vector<int32_t> reads_;
    std::vector<int32_t>* outer_;
  };
  void NoteRead(int32_t id) {
    if (reads_ != nullptr) reads_->push_back(id);
  }

 private:
  friend class GraphWriter;
  friend class Optimizer;
  friend class Sandbox;

  static constexpr size_t kMostNodes = 50'000;

  // Parameters have the ids -1, -2 ..., all else 0, 1 ...
  struct Parameter {
    std::string name;  // "x:0"
    std::string constraint;
    Value value;
  };
  struct Entry {
    Value value;
    std::string name;                           // of an input
    std::shared_ptr<const Operator> operation;  // null: an input
    std::unique_ptr<Failure> failure;
    uint32_t first_input = 0, inputs = 0, hidden = 0;  // hidden ones come after the inputs
    bool gone_through = false;
  };
  struct Feedback {
    int32_t output;
    std::string text;
  };

  int32_t AddParameter(std::string_view name, Value value, std::string_view constraint);
  int32_t Add(Entry entry, absl::Span<const int32_t> inputs);
  absl::Span<const int32_t> InputsOf(const Entry& entry, bool hidden) const;
  // Those that led to the outputs, themselves included; ids ascending.
  std::vector<int32_t> Behind(std::vector<int32_t> outputs) const;
  std::vector<int32_t> HiddenParameters(absl::Span<const int32_t> inputs) const;
  void Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  std::vector<Parameter> parameters_;
  std::vector<Entry> records_;
  std::vector<int32_t> inputs_;
  std::unordered_map<std::string, int> names_;  // how many parameters have it
  std::vector<Feedback> feedback_;
  std::vector<int32_t>* reads_ = nullptr;
  uint32_t generation_ = 0;
  absl::Status status_;
};

inline bool AnyNode::failed() const { return tape_->FailureOf(id_) != nullptr; }

template <typename T>
T Node<T>::value() const {
  const int32_t id = tape().IdOf(*this);
  if (id == Tape::kNone) return T();
  if (const Failure* failure = tape().FailureOf(id)) throw ExecutionError(*failure);
  tape().NoteRead(id);
  return ReadValue<T>(tape().ValueOf(id));
}

}  // namespace troupe::trace
