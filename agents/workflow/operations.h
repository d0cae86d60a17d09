// A tape as messages, for people. Stateless functions.
#pragma once

#include <string>
#include <vector>

#include "agents/workflow/tape.h"
#include "troupe/v1/workflow.pb.h"

namespace troupe {

// A name for every value of the tape, by its id less one: its own, with "_2", "_3" ... where
// several have it.
std::vector<std::string> UniqueNames(const WorkflowTape& tape);

// The operations, the first 1,000.
void FillOperations(const WorkflowTape& tape, v1::WorkflowResult& result);

// The kinds whose prompts the steps of a workflow use.
std::vector<std::string> PromptFamiliesOf(const v1::Workflow& workflow);

}  // namespace troupe
