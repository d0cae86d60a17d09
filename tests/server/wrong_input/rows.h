// Wrong values for the fields of every method's request, by what the methods are about, and which
// fields can have none.
#pragma once

#include <grpcpp/support/status.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace troupe {

struct WrongInputRow {
  std::string method;
  std::string field;    // as the error names it
  std::string request;  // JSON; 'x*N' in it is x, N times
  grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT;
  std::string reason = "INVALID_ARGUMENT_FIELD";
};

std::vector<WrongInputRow> WrongTaskRows();       // TaskService, but for what is of one kind
std::vector<WrongInputRow> WrongKindRows();       // specs of cellagent, chat, solve, spo, compare
std::vector<WrongInputRow> WrongEvaluateRows();   // specs of evaluate, and graders elsewhere
std::vector<WrongInputRow> WrongWorkflowRows();   // specs of workflow and optimize_workflow
std::vector<WrongInputRow> WrongDatasetRows();    // DatasetService
std::vector<WrongInputRow> WrongTraceRows();      // TraceService
std::vector<WrongInputRow> WrongToolRows();       // ToolService
std::vector<WrongInputRow> WrongPromptRows();     // PromptService
std::vector<WrongInputRow> WrongOptimizerRows();  // OptimizerService, and specs of its steps

// All of them.
const std::vector<WrongInputRow>& AllWrongInputRows();

// "METHOD FIELD" of fields in which no value is wrong by itself: free text and flags, and those
// that are checked against the task that is forked from or compared.
const std::set<std::string>& FieldsThatTakeAnything();

}  // namespace troupe
