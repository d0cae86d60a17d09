#include "agents/workflow/operations.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "agents/prompts/agent_run.h"
#include "agents/runtime/text.h"
#include "agents/workflow/protobuf_value.h"
#include "agents/workflow/run_workflow.h"

namespace troupe {
namespace {

constexpr int kMaxOperations = 1000;
constexpr size_t kMaxValue = 500;

using Steps = google::protobuf::RepeatedPtrField<v1::WorkflowStep>;

void AddFamilies(const Steps& steps, std::set<std::string>& families) {
  for (const v1::WorkflowStep& step : steps) {
    if (step.has_task()) families.insert(KindNameOf(JsonOf(step.task().spec())));
    AddFamilies(step.if_().then(), families);
    AddFamilies(step.if_().else_(), families);
    AddFamilies(step.for_().steps(), families);
    AddFamilies(step.while_().steps(), families);
    AddFamilies(step.map().steps(), families);
  }
}

}  // namespace

std::vector<std::string> UniqueNames(const WorkflowTape& tape) {
  std::vector<std::string> names;
  names.reserve(tape.entries().size());
  std::map<std::string, int> counts;
  std::set<std::string> taken;
  for (const TapeEntry& entry : tape.entries()) {
    std::string name = entry.name;
    while (!taken.insert(name).second)
      name = fmt::format("{}_{}", entry.name, ++counts[entry.name] + 1);
    names.push_back(std::move(name));
  }
  return names;
}

void FillOperations(const WorkflowTape& tape, v1::WorkflowResult& result) {
  const std::vector<std::string> names = UniqueNames(tape);
  for (size_t i = 0; i < names.size(); ++i) {
    const TapeEntry& entry = tape.entries()[i];
    if (entry.operation.empty()) continue;
    if (result.operations_size() == kMaxOperations) return;
    v1::WorkflowOperation& operation = *result.add_operations();
    operation.set_name(names[i]);
    operation.set_kind(entry.operation);
    for (const auto& [name, id] : entry.inputs) {
      if (id > 0) operation.add_inputs(names[static_cast<size_t>(id - 1)]);
    }
    if (entry.kind == TapeEntry::Kind::kError) {
      operation.set_error(Elide(JsonString((*entry.value)["error"], "message"), kMaxValue));
    } else {
      operation.set_value(Elide(AnswerText(*entry.value), kMaxValue));
    }
  }
}

std::vector<std::string> PromptFamiliesOf(const v1::Workflow& workflow) {
  std::set<std::string> families = {"workflow"};
  AddFamilies(workflow.steps(), families);
  families.erase("");
  return {families.begin(), families.end()};
}

}  // namespace troupe
