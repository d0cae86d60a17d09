// The parts of the checks of a workflow's document: what they collect and what is seen where.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agents/prompts/prompt_template.h"
#include "agents/workflow/check.h"

namespace troupe::internal {

enum class NameKind { kInput, kPrompt, kPlainValue, kCode, kStep, kLoop };

// The names that are seen at one place of the document, with what templates know of them.
struct SeenName {
  NameKind kind = NameKind::kStep;
  VariableType type = VariableType::kAny;
};
using SeenNames = std::map<std::string, SeenName>;

class ProblemList {
 public:
  void Add(std::string place, std::string_view what);
  void Add(std::string place, const absl::Status& status);  // nothing for OkStatus
  std::vector<WorkflowProblem> Take() { return std::move(problems_); }

 private:
  std::vector<WorkflowProblem> problems_;
};

// Checks the steps of a document.
class StepChecker {
 public:
  StepChecker(const v1::Workflow* workflow, const WorkflowServices* services,
              ProblemList* problems);

  using Steps = google::protobuf::RepeatedPtrField<v1::WorkflowStep>;
  // `seen` grows by the names of the steps.
  void CheckSteps(const Steps& steps, const std::string& place, SeenNames& seen, int depth);
  void CheckBinding(const google::protobuf::Value& binding, const std::string& place,
                    const SeenNames& seen);
  template <typename Map>
  void CheckBindings(const Map& bindings, const std::string& place, const SeenNames& seen) {
    std::map<std::string, google::protobuf::Value> ordered(bindings.begin(), bindings.end());
    for (const auto& [name, binding] : ordered) {
      CheckBinding(binding, place + "[" + name + "]", seen);
    }
  }
  // Names of parameters that something uses.
  const std::set<std::string>& used() const { return used_; }

 private:
  void CheckStep(const v1::WorkflowStep& step, const std::string& place, SeenNames& seen,
                 int depth);
  void CheckAction(const v1::WorkflowStep& step, const std::string& place, const SeenNames& seen,
                   int depth);
  void CheckModel(const v1::WorkflowModelStep& step, const std::string& place,
                  const SeenNames& seen);
  void CheckMessage(const v1::WorkflowMessage& message, const std::string& place,
                    const SeenNames& seen);
  void CheckTool(const v1::WorkflowToolStep& step, const std::string& place, const SeenNames& seen);
  void CheckCode(const v1::WorkflowCodeStep& step, const std::string& place, const SeenNames& seen);
  void CheckTask(const v1::WorkflowTaskStep& step, const std::string& place, const SeenNames& seen);
  void CheckCondition(const v1::WorkflowCondition& condition, const std::string& place,
                      const SeenNames& seen, int depth);
  void CheckIf(const v1::WorkflowIfStep& step, const std::string& place, const SeenNames& seen,
               int depth);
  void CheckFor(const v1::WorkflowForStep& step, const std::string& place, const SeenNames& seen,
                int depth);
  void CheckWhile(const v1::WorkflowWhileStep& step, const std::string& place,
                  const SeenNames& seen, int depth);
  void CheckMap(const v1::WorkflowMapStep& step, const std::string& place, const SeenNames& seen,
                int depth);
  // The steps of a loop, with the names it brings; `next` is checked behind them.
  template <typename Map>
  void CheckRound(const Steps& steps, const Map* next, const std::string& place, SeenNames seen,
                  int depth);
  template <typename Map>
  void AddCarried(const Map& carry, const std::string& place, SeenNames& seen);
  void CheckTemplate(const std::string& text, const std::string& place, const SeenNames& seen);
  void CheckParameterUse(const std::string& name, NameKind kind, const std::string& place);
  // A name that a step, a loop or a carried variable brings.
  bool CheckNewName(const std::string& name, const std::string& place, const SeenNames& seen);
  void CollectNames(const Steps& steps);
  // Why a name that is not seen is not.
  std::string WhyUnseen(const std::string& name, const SeenNames& seen) const;

  const v1::Workflow* const workflow_;
  const WorkflowServices* const services_;
  ProblemList* const problems_;
  std::set<std::string> all_steps_;
  std::set<std::string> used_;
  int count_ = 0;
};

}  // namespace troupe::internal
