// Target: what is tried on items of a data set, with the text of the prompt under test given for
// each run. Targets are immutable and shared by all branches of a task.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/evaluate/item.h"
#include "agents/prompts/prompt_template.h"
#include "agents/runtime/scope.h"
#include "agents/runtime/task_result.h"
#include "agents/runtime/usage.h"
#include "tools/base/async.h"

namespace troupe {

// A prompt whose worth is to be found out.
struct PromptUnderTest {
  std::string id;    // what traces and results know it by: "solve.solver@2", "sha256:1a2b3c4d5e6f"
  std::string text;  // as it was written
  // Of a template, `text` compiled: it is filled from the item's fields. Null: the text as it is,
  // with the item's question behind it.
  std::shared_ptr<const PromptTemplate> compiled;
};

// `text` as it is, its id made from its content.
PromptUnderTest PlainPrompt(std::string text);
// `text` as a template of the item's fields, of which `known` are all that the data set has, and of
// "question". kInvalidField, with line and column, if it is none.
absl::StatusOr<PromptUnderTest> TemplatePrompt(std::string text,
                                               const std::vector<std::string>& known);

// The message that `prompt` makes of an item. kInvalidField if it uses what the item lacks, or the
// expected answer.
absl::StatusOr<std::string> FillPrompt(const PromptUnderTest& prompt, const Item& item);

struct TargetAnswer {
  std::string text;
  Usage usage;  // of the run
  // Files that the run left, named as the rest of the task names them (tools/room.h).
  std::vector<v1::Artifact> artifacts = {};
};

class Target {
 public:
  virtual ~Target() = default;

  // One run, all of whose effects are below `scope`, which is the run's own and outlives it. A
  // failure is the run's (a model that refuses, an agent that fails) or the task's (a limit, a
  // cancellation, a store that takes no writes): IsFailureOfRun (task_result.h) tells which.
  virtual Async<TargetAnswer> Run(const Scope& scope, Item item, PromptUnderTest prompt) const = 0;
};

// One call of the model that plays `role`: the filled prompt in, its text out. The effect is "call"
// in the scope of the run.
class PromptTarget : public Target {
 public:
  struct Options {
    std::string role = "executor";
    std::optional<double> temperature;
    std::optional<int64_t> max_tokens;
  };

  explicit PromptTarget(Options options) : options_(std::move(options)) {}

  Async<TargetAnswer> Run(const Scope& scope, Item item, PromptUnderTest prompt) const override;

 private:
  const Options options_;
};

}  // namespace troupe
