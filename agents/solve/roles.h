// The roles beside the agent itself: who plans, who judges, who sums up. Stateless functions.
#pragma once

#include <string>
#include <vector>

#include "agents/solve/solve.h"
#include "agents/solve/toolset.h"

namespace troupe {

inline constexpr char kSolver[] = "solver";
inline constexpr char kPlanner[] = "planner";
inline constexpr char kEvaluator[] = "evaluator";
inline constexpr char kSummarizer[] = "summarizer";

// The tool with which the agent changes its plan.
inline constexpr char kUpdatePlan[] = "update_plan";
ToolDeclaration UpdatePlanDeclaration();
// Takes over the plan of a call of update_plan; the words for the agent, and whether it was one.
struct PlanUpdate {
  bool taken = false;
  std::string text;
};
PlanUpdate UpdatePlan(const Json& arguments, std::vector<PlanStep>& plan);

// The effect is "plan" in `scope`.
Async<std::vector<PlanStep>> MakePlan(const Scope& scope, const SolveOptions& options,
                                      const Toolset& tools);

// Judges `answer`; the effect is "judge" in `scope`.
Async<Review> JudgeAnswer(const Scope& scope, const SolveOptions& options, std::string answer,
                          std::string work, std::vector<std::string> earlier);

// Sums up `rounds`, which come after what `earlier` sums up; the effect is "sum_up" in `scope`.
Async<std::string> SumUp(const Scope& scope, const SolveOptions& options, std::string earlier,
                         std::string rounds);

}  // namespace troupe
