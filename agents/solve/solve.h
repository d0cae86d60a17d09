// Solve: an agent that works on a task with any set of tools, in rounds of thought, calls and
// results, until it answers. A planner may make a plan first, and an evaluator send answers back.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agents/runtime/scope.h"
#include "tools/base/async.h"

namespace troupe {

enum class CallForm { kAuto, kNative, kJson };

struct SolveOptions {
  std::string request;
  std::string instructions;
  std::vector<std::string> files;  // paths in the workspace, of what the user gave
  std::vector<std::string> tools;  // names and patterns, kAskUser among them or not
  Json answer_schema;              // null: the answer is text
  bool plan = false;
  int max_reviews = 0;
  int max_rounds = 30;
  int stuck_rounds = 3;
  int64_t context_tokens = 0;  // 0: by the model
  int64_t shown_result_bytes = 8192;
  int shown_tools = 24;
  CallForm call_form = CallForm::kAuto;
  std::optional<double> temperature;
  std::optional<int64_t> max_tokens;
};

struct PlanStep {
  std::string title;
  std::string status = "open";  // "doing", "done", "dropped"
};

struct Review {
  std::string answer;
  bool accepted = false;
  std::string critique;
};

// Why the agent answered when it did; kNone: it did not.
enum class SolveEnding { kNone, kAnswered, kRounds, kBudget, kNoProgress };

struct SolveOutcome {
  std::string answer;
  Json answer_value;  // if there is an answer_schema
  SolveEnding ending = SolveEnding::kNone;
  std::vector<PlanStep> plan;
  std::vector<Review> reviews;
  std::vector<Artifact> artifacts;
  int rounds = 0;
  int tool_calls = 0;
  int summaries = 0;
  absl::Status stopped;  // the limit that cut it off; OkStatus otherwise
};

Async<SolveOutcome> RunSolve(Scope& task, SolveOptions options);

}  // namespace troupe
