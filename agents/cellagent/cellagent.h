// CellAgent: a planner splits a request into steps; for each step an executor (tool selector and
// programmer) tries solutions in a sandbox, and an evaluator scores them, asks for another, and
// aggregates the trials into one outcome. After Xiao et al., "CellAgent: An LLM-driven Multi-Agent
// Framework for Automated Single-cell Data Analysis" (arXiv 2407.09811), sections 2 and 4; what the
// paper leaves open (trials, attempts, prompts) is ours, and set by toolbox and options.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <vector>

#include "agents/cellagent/toolbox.h"
#include "agents/runtime/scope.h"
#include "tools/base/async.h"

namespace troupe {

// What decides which trial of a step goes on. A step's own metric always counts as a score.
enum class TrialChoice {
  kTies,        // the best score; where several have it and there is no metric, a comparison
  kScore,       // the best score, and the first of several that have it: as published
  kComparison,  // a comparison of all trials, where there is no metric
};

struct CellAgentOptions {
  std::string request;
  std::string requirements;
  std::map<std::string, std::string> context;
  int max_steps = 8;
  int max_trials = 0;    // 0: as the toolbox says
  int max_attempts = 3;  // of one trial at running its code
  bool ask_clarification = false;
  double satisfied_score = 8;
  bool use_vision = false;
  TrialChoice trial_choice = TrialChoice::kTies;
};

struct PlannedStep {
  std::string id;
  std::string title;
  std::string kind;  // of the toolbox
  std::string description;
};

// One solution of a step.
struct Trial {
  int number = 0;
  std::vector<std::string> tools;
  std::string idea;
  int attempts = 0;
  bool ran = false;
  std::string state;  // of the kernel after its code
  std::string code;
  Json outputs = Json::array();      // nbformat 4; images as {"content": i}
  std::vector<ToolContent> content;  // text and images of the outputs
  double metric = -1;                // 0 to 10; negative: none
  std::string metric_text;
  double score = 0;  // 0 to 10; compared between trials
  bool ok = false;
  std::string critique;
  std::string next;  // what to try next; empty: nothing better is left
};

// A finished step: its trials and the one that went on.
struct StepOutcome {
  PlannedStep step;
  std::vector<Trial> trials;
  int chosen = 0;  // number of a trial; 0: none ran
  std::string reason;
};

// One accepted cell: global memory holds the code of these alone.
struct AcceptedCell {
  std::string title;
  std::string code;
  Json outputs = Json::array();
  std::vector<ToolContent> content;
};

struct CellAgentReport {
  std::vector<PlannedStep> plan;
  std::vector<StepOutcome> steps;
  std::vector<Artifact> artifacts;
  std::string text;      // Markdown
  absl::Status stopped;  // the limit that stopped it; OK: it finished
};

// Fails only if the task cannot go on at all (no plan, no sandbox, cancelled); a step that no trial
// solves is told in the report. A limit of the budget or the deadline ends it with what it has.
Async<CellAgentReport> RunCellAgent(Scope& task, CellAgentOptions options, const Toolbox& toolbox);

}  // namespace troupe
