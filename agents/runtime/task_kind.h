// TaskKind: one kind of task, the edge between the API's messages and an algorithm. Adding a kind
// is a new message in TaskSpec's oneof, an algorithm, and one of these in the registry.
//
// Thread-safe: one instance runs all tasks of its kind.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agents/runtime/scope.h"
#include "tools/base/async.h"
#include "troupe/v1/task.pb.h"

namespace troupe {

// What is wrong with one field of a spec.
struct SpecProblem {
  std::string field;
  std::string what;
};

class TaskKind {
 public:
  virtual ~TaskKind() = default;

  // The name of its field in TaskSpec's oneof, which is the kind's name everywhere.
  virtual std::string_view name() const = 0;

  // What the task is about, for people; only its first line is shown.
  virtual std::string TitleOf(const v1::TaskSpec& spec) const = 0;

  // kInvalidField, naming the field, for a spec that cannot run.
  virtual absl::Status Validate(const v1::TaskSpec& spec) const = 0;

  // All that is wrong with a spec, of kinds that can say more than the first thing; empty where
  // Validate has nothing against it.
  virtual std::vector<SpecProblem> FindSpecProblems(const v1::TaskSpec& spec) const;

  // The kinds whose prompts the task uses, "solve" for those named solve.*: in which version they
  // are is settled when it is submitted.
  virtual std::vector<std::string> PromptFamilies(const v1::TaskSpec&) const {
    return {std::string(name())};
  }

  // Runs the algorithm. A task that a limit stopped returns what it has, with the stop reason set.
  // `scope` is the root of the task, ended by the caller.
  virtual Async<v1::TaskResult> Run(Scope& scope, v1::TaskSpec spec) const = 0;
};

}  // namespace troupe
