// The agents' parts in CellAgent: each renders its prompt, calls its model and reads the reply.
// Everything they say to a model is data of a prompt file. Thread-confined to the task's strand.
#pragma once

#include <string>
#include <vector>

#include "agents/cellagent/cellagent.h"
#include "agents/cellagent/toolbox.h"
#include "agents/runtime/scope.h"

namespace troupe {

// What all roles know of the task.
struct Situation {
  CellAgentOptions options;
  const Toolbox* toolbox = nullptr;
  std::vector<const ToolCard*> cards;  // those whose modules are there
  std::string data;                    // the text form of the data
  std::vector<AcceptedCell> memory;    // global memory
};

struct Approach {
  std::vector<std::string> tools;
  std::string idea;
};

struct ProposedCode {
  std::string analysis;
  std::string code;
};

struct PlanReply {
  std::string question;  // for the user; empty: none
  std::vector<PlannedStep> steps;
};

Async<PlanReply> ProposePlan(const Scope& scope, const Situation& situation, std::string name,
                             std::string clarification, bool may_ask);

Async<std::vector<Approach>> SelectTools(const Scope& scope, const Situation& situation,
                                         const PlannedStep& step, int approaches,
                                         std::vector<std::string> remarks);

// The conversation with the programmer within one trial: local memory.
Async<ChatRequest> ProgrammerRequest(const Scope& scope, const Situation& situation,
                                     const PlannedStep& step, const Approach& approach,
                                     std::vector<std::string> remarks);
Async<ProposedCode> ProposeCode(const Scope& scope, std::string name, ChatRequest& conversation);

// Sets the trial's verdict: score, ok, critique, next.
AsyncStatus Evaluate(const Scope& scope, const Situation& situation, const PlannedStep& step,
                     Trial& trial);

// Labels agreed on by the trials, group to label, and why.
struct Consensus {
  std::map<std::string, std::string> labels;
  std::string reason;
};
Async<Consensus> AgreeOnLabels(const Scope& scope, const Situation& situation,
                               const PlannedStep& step, std::vector<std::string> proposals);

Async<std::string> WriteReport(const Scope& scope, const Situation& situation,
                               const std::vector<StepOutcome>& steps);

}  // namespace troupe
