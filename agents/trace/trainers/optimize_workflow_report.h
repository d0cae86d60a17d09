// What an optimization of a workflow came to, for people and programs. Stateless functions.
#pragma once

#include <string>
#include <vector>

#include "agents/report/publish.h"
#include "agents/trace/trainers/optimize_workflow.h"
#include "troupe/v1/task.pb.h"

namespace troupe {

void FillOptimizeResult(const OptimizeWorkflowOutcome& outcome, const v1::Workflow& workflow,
                        v1::OptimizeWorkflowResult& result);

// Leaves out of the result, beyond 1.5 MiB of candidates, why they were made and what they changed,
// so that the task can be told in one message: history.md has it. The first and the best keep it.
void FitCandidates(v1::OptimizeWorkflowResult& result);

// The summary that is the task's text.
std::string OptimizeSummary(const v1::OptimizeWorkflowResult& result);

// A page of Markdown with diffs of what changed, the history of all candidates with theirs, the
// pictures of the curve and of the graph (`graph_picture`, SVG; left out where empty), and the
// workflow with the best values as JSON.
std::vector<ReportFile> MakeOptimizeReport(const v1::OptimizeWorkflowResult& result,
                                           std::string graph_picture);

// A win of a registered prompt's new text, if it is the only parameter that differs and the test
// shows that it is better.
void AddTrainedWin(const OptimizeWorkflowOutcome& outcome, const v1::Workflow& workflow,
                   v1::TaskResult& result);

}  // namespace troupe
