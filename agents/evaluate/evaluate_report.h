// What an evaluation came to, for people and programs: messages, a table, rows. Stateless
// functions.
#pragma once

#include <string>

#include "agents/evaluate/evaluate.h"
#include "troupe/v1/task.pb.h"

namespace troupe {

// The table of variants and what their comparisons say, in Markdown that reads well as it is.
std::string EvaluationTable(const EvaluateOptions& options, const EvaluateOutcome& outcome);

// All runs as JSON Lines, in the fields of troupe.v1.RunResult.
std::string RunLines(const EvaluateOptions& options, const EvaluateOutcome& outcome);

// The result's detail, but for what is known of the data set.
v1::EvaluateResult ResultOf(const EvaluateOptions& options, const EvaluateOutcome& outcome);

// The files that runs left, of the first runs that left any, with whose they are.
void AddRunArtifacts(const EvaluateOptions& options, const EvaluateOutcome& outcome,
                     v1::TaskResult& result);

// A win of one registered template over another, for each comparison that shows one.
void AddWins(const EvaluateOptions& options, const EvaluateOutcome& outcome,
             v1::TaskResult& result);

}  // namespace troupe
