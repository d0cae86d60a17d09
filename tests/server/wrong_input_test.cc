// A wrong value in every field of every method's request, from one table: the documented code, the
// reason, and the field's name in the details. The contract itself says which fields there are, so
// that a field which is added is missed here until it has its row.
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/server.h"
#include "tests/server/raw_call.h"
#include "tests/server/wrong_workflows.h"
#include "tests/support/temp_folder.h"
#include "troupe/v1/dataset_service.pb.h"
#include "troupe/v1/optimizer_service.pb.h"
#include "troupe/v1/prompt_service.pb.h"
#include "troupe/v1/task_service.pb.h"
#include "troupe/v1/tool_service.pb.h"
#include "troupe/v1/trace_service.pb.h"

namespace troupe {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;
using grpc::StatusCode;

struct Row {
  std::string method;
  std::string field;    // as the error names it
  std::string request;  // JSON; 'x*N' in it is x, N times
  StatusCode code = StatusCode::INVALID_ARGUMENT;
  std::string reason = "INVALID_ARGUMENT_FIELD";
};

// The spec of a good task with `more` beside its request.
std::string Spec(const std::string& more) {
  return R"({"spec": {"cellagent": {"request": "r", "toolbox": "plain"}, )" + more + "}}";
}
std::string CellAgent(const std::string& more) {
  return R"({"spec": {"cellagent": {"request": "r", "toolbox": "plain", )" + more + "}}}";
}
std::string Chat(const std::string& more) {
  return R"({"spec": {"chat": {"turns": ["hello"], )" + more + "}}}";
}

// The first message of a provider, whose one tool is good but for `more`.
std::string HelloTool(const std::string& more) {
  return R"({"hello": {"tools": [{"name": "t", "description": "d",
             "arguments_schema": "{\"type\": \"object\"}", )" +
         more + "}]}}";
}
std::string HelloWorld(const std::string& more) {
  return R"({"hello": {"environments": [{"name": "w", )" + more + "}]}}";
}
std::string Hello(const std::string& more) {
  return R"({"hello": {"environments": [{"name": "w"}], )" + more + "}}";
}
std::string ManyTexts(int count) {
  std::string list = "\"x\"";
  for (int i = 1; i < count; ++i) list += ", \"x\"";
  return "[" + list + "]";
}
std::string Solve(const std::string& more) {
  return R"({"spec": {"solve": {"request": "r", )" + more + "}}}";
}
std::string PromptVersion(const std::string& more) {
  return R"({"parent": "prompts/cellagent.reporter", "template": "y", )" + more + "}";
}
std::string Spo(const std::string& more) {
  return R"({"spec": {"spo": {"prompt": "p", "requirements": "r",
             "questions": [{"question": "q"}], )" +
         more + "}}}";
}
std::string Compare(const std::string& more) {
  return R"({"spec": {"compare": {"requirements": "r",
             "candidates": [{"name": "a", "text": "x"}, {"name": "b", "text": "y"}], )" +
         more + "}}}";
}
std::string CompareOf(const std::string& second) {
  return R"({"spec": {"compare": {"requirements": "r", "candidates": [{"name": "a", "text": "x"}, )" +
         second + "]}}}";
}
std::string Evaluate(const std::string& more) {
  return R"({"spec": {"evaluate": {"items": {"dataset": "datasets/d"}, )" + more + "}}}";
}
std::string Items(const std::string& more) {
  return R"({"spec": {"evaluate": {"prompt": {}, "items": {"dataset": "datasets/d", )" + more +
         "}}}}";
}
std::string GradedBy(const std::string& grader) {
  return Evaluate(R"("prompt": {}, "graders": [{)" + grader + "}]");
}
std::string ManyRoles() {
  std::string roles;
  for (int i = 0; i < 33; ++i) roles += i == 0 ? "\"r\"" : ", \"r\"";
  return Spec(R"("permissions": [{"decision": 1, "roles": [)" + roles + "]}]");
}

// What may be wrong with how an optimizer works, in any message that has it at `field`; `request`
// is what is behind and before it.
void AddConfigRows(const std::string& method, const std::string& field,
                   const std::function<std::string(const std::string&)>& request,
                   std::vector<Row>& rows) {
  const auto add = [&](const std::string& part, const std::string& config) {
    rows.push_back({method, field + "." + part, request("{" + config + "}")});
  };
  add("algorithm", R"("algorithm": 99)");
  add("objective", R"("objective": "x*65537")");
  add("form", R"("form": 99)");
  add("memory", R"("memory": 101)");
  add("masked_sections", R"("masked_sections": [0])");
  add("masked_sections", R"("masked_sections": [2, 2])");
  add("max_value_bytes", R"("max_value_bytes": -2)");
  add("max_section_bytes", R"("max_section_bytes": -2)");
  add("temperature", R"("temperature": 2.5)");
  add("max_tokens", R"("max_tokens": -1)");
  add("candidates", R"("candidates": {"count": 3})");
  add("candidates.count", R"("algorithm": 2, "candidates": {"count": 17})");
  add("candidates.generation", R"("algorithm": 2, "candidates": {"generation": 9})");
  add("candidates.selection", R"("algorithm": 2, "candidates": {"selection": 9})");
  add("projections[0].parameter", R"("projections": [{"least": 1}])");
  add("projections[0].parameter", R"("projections": [{"parameter": "x:0"}])");
  add("projections[0].least", R"("projections": [{"parameter": "x:0", "least": "NaN"}])");
  add("projections[0].most", R"("projections": [{"parameter": "x:0", "least": 2, "most": 1}])");
  add("projections[0].schema", R"("projections": [{"parameter": "x:0", "schema": "{"}])");
  add("projections[0].max_length", R"("projections": [{"parameter": "x:0", "max_length": -1}])");
  add("projections[0].formatter",
      R"("projections": [{"parameter": "x:0", "formatter": ["x*1001"]}])");
  add("language", R"("language": 99)");
}

// What may be wrong with a graph and feedback on it, in any message that has them behind `prefix`.
void AddGraphRows(const std::string& method, const std::string& prefix,
                  const std::function<std::string(const std::string&)>& request,
                  std::vector<Row>& rows) {
  const auto add = [&](const std::string& part, const std::string& body) {
    rows.push_back({method, prefix + part, request(body)});
  };
  const std::string feedback = R"("feedback": [{"output": 0, "feedback": "f"}])";
  const std::string x = R"({"name": "x", "trainable": true, "value": {"int_value": 1}})";
  const auto nodes = [&](const std::string& part, const std::string& more) {
    add("graph." + part, R"("graph": {"nodes": [)" + more + "]}, " + feedback);
  };
  add("graph", feedback);
  nodes("nodes", "");
  nodes("nodes", R"({"value": {"int_value": 1}})");
  nodes("nodes[0].name", R"({"name": "1x"})");
  nodes("nodes[0].value.double_value", R"({"trainable": true, "value": {"double_value": "NaN"}})");
  nodes("nodes[0].value.json", R"({"trainable": true, "value": {"json": "{"}})");
  nodes("nodes[0].value.type", R"({"trainable": true, "value": {"text": "t", "type": "x*201"}})");
  nodes("nodes[0].operator", R"({"operator": "x*201"})");
  nodes("nodes[0].description", R"({"trainable": true, "description": "d"})");
  nodes("nodes[0].constraint", R"({"trainable": true, "constraint": "x*16385"})");
  nodes("nodes[0].trainable", R"({"trainable": true, "operator": "f"})");
  nodes("nodes[1].inputs[0].name", x + R"(, {"operator": "f", "inputs": [{"node": 0}]})");
  nodes("nodes[1].inputs[0].node",
        x + R"(, {"operator": "f", "inputs": [{"name": "a", "node": 1}]})");
  nodes("nodes[1].hidden_dependencies[0]",
        x + R"(, {"operator": "f", "hidden_dependencies": [1]})");
  nodes("nodes[1].exception.type", x + R"(, {"operator": "f", "exception": {"message": "m"}})");
  nodes("nodes[1].exception.message",
        x + R"(, {"operator": "f", "exception": {"type": "E", "message": "x*65537"}})");
  nodes("nodes[1].exception.source",
        x + R"(, {"operator": "f", "exception": {"type": "E", "source": "x*262145"}})");
  nodes("nodes[1].exception.line",
        x + R"(, {"operator": "f", "exception": {"type": "E", "line": -1}})");
  const auto operators = [&](const std::string& part, const std::string& more) {
    add("graph." + part,
        R"("graph": {"nodes": [)" + x + R"(], "operators": [)" + more + "]}, " + feedback);
  };
  operators("operators[0].name", "{}");
  operators("operators[0].description", R"({"name": "f", "description": "x*65537"})");
  const auto said = [&](const std::string& part, const std::string& more) {
    add("feedback" + part, R"("graph": {"nodes": [)" + x + R"(]}, "feedback": [)" + more + "]");
  };
  said("", "");
  said("[0].output", R"({"output": 1, "feedback": "f"})");
  said("[0].feedback", R"({"output": 0})");
}

std::string StepOf(const std::string& more) { return R"({"name": "optimizers/o", )" + more + "}"; }

std::vector<Row> OptimizerRows() {
  std::vector<Row> rows = {
      {"SubmitTask", "spec.optimizer_step.state_json",
       R"({"spec": {"optimizer_step": {"state_json": "{", "graph": {"nodes": [{"trainable": true}]},
           "feedback": [{"output": 0, "feedback": "f"}]}}})"},
      {"CreateOptimizer", "optimizer_id", R"({"optimizer_id": "Has Capitals"})"},
      {"CreateOptimizer", "settings.title", R"({"settings": {"title": "x*201"}})"},
      {"CreateOptimizer", "settings.budget.max_model_calls",
       R"({"settings": {"budget": {"max_model_calls": -1}}})"},
      {"CreateOptimizer", "settings.budget.max_tool_calls",
       R"({"settings": {"budget": {"max_tool_calls": -1}}})"},
      {"CreateOptimizer", "settings.budget.max_tokens",
       R"({"settings": {"budget": {"max_tokens": -1}}})"},
      {"CreateOptimizer", "settings.budget.max_cost_microusd",
       R"({"settings": {"budget": {"max_cost_microusd": -1}}})"},
      {"CreateOptimizer", "settings.budget.max_wall_time",
       R"({"settings": {"budget": {"max_wall_time": "-1s"}}})"},
      {"CreateOptimizer", "settings.budget.roles[p].max_model_calls",
       R"({"settings": {"budget": {"roles": {"p": {"max_model_calls": -1}}}}})"},
      {"CreateOptimizer", "settings.budget.roles[p].max_tokens",
       R"({"settings": {"budget": {"roles": {"p": {"max_tokens": -1}}}}})"},
      {"CreateOptimizer", "settings.budget.roles[p].max_cost_microusd",
       R"({"settings": {"budget": {"roles": {"p": {"max_cost_microusd": -1}}}}})"},
      {"CreateOptimizer", "settings.budget.roles[p].max_model_time",
       R"({"settings": {"budget": {"roles": {"p": {"max_model_time": "-1s"}}}}})"},
      {"CreateOptimizer", "settings.models[p]", R"({"settings": {"models": {"p": "none"}}})"},
      {"CreateOptimizer", "settings.prompts[none]", R"({"settings": {"prompts": {"none": "1"}}})"},
      {"GetOptimizer", "name", R"({"name": "o"})"},
      {"DeleteOptimizer", "name", R"({"name": "o"})"},
      {"ListOptimizers", "page_size", R"({"page_size": -1})"},
      {"ListOptimizers", "page_token", R"({"page_token": "x"})", StatusCode::INVALID_ARGUMENT,
       "PAGE_TOKEN_INVALID"},
      {"Step", "name", R"({"name": "o"})"},
      {"Step", "request_id", StepOf(R"("request_id": "7")")},
      {"Step", "score", StepOf(R"("score": "NaN")")},
      {"Step", "context", StepOf(R"("context": "x*16385")")},
      {"Step", "wait", StepOf(R"("wait": "-1s")")},
      {"GetStep", "name", R"({"name": "optimizers/o"})"},
      {"GetStep", "wait", R"({"name": "optimizers/o/steps/1", "wait": "-1s"})"},
      {"ListSteps", "parent", R"({"parent": "o"})"},
      {"ListSteps", "page_size", R"({"parent": "optimizers/o", "page_size": -1})"},
      {"ListSteps", "page_token", R"({"parent": "optimizers/o", "page_token": "x"})",
       StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"ReportScore", "name", R"({"name": "optimizers/o/steps/x"})"},
      {"ReportScore", "score", R"({"name": "optimizers/o/steps/1", "score": "Infinity"})"},
      {"Revert", "name", R"({"name": "o"})"},
      {"Revert", "step", R"({"name": "optimizers/o", "step": 1})"},
      {"Revert", "reason", R"({"name": "optimizers/o", "reason": "x*1001"})"},
      {"GetBest", "name", R"({"name": "o"})"},
  };
  AddConfigRows(
      "SubmitTask", "spec.optimizer_step.optimizer",
      [](const std::string& config) {
        return R"({"spec": {"optimizer_step": {"optimizer": )" + config + "}}}";
      },
      rows);
  AddConfigRows(
      "CreateOptimizer", "settings.config",
      [](const std::string& config) { return R"({"settings": {"config": )" + config + "}}"; },
      rows);
  AddGraphRows(
      "SubmitTask", "spec.optimizer_step.",
      [](const std::string& body) { return R"({"spec": {"optimizer_step": {)" + body + "}}}"; },
      rows);
  AddGraphRows("Step", "", StepOf, rows);
  return rows;
}

const std::vector<Row>& Table() {
  static const std::vector<Row>* const table = new std::vector<Row>{
      {"SubmitTask", "request_id", R"({"request_id": "7"})"},
      {"SubmitTask", "task_id", R"({"task_id": "../x", "spec": {"chat": {"turns": ["x"]}}})"},
      {"SubmitTask", "spec.kind", "{}"},
      {"SubmitTask", "spec.title", Spec(R"("title": "x*201")")},
      {"SubmitTask", "spec.labels", Spec(R"("labels": {"Bad Key": "x"})")},
      {"SubmitTask", "spec.labels", Spec(R"("labels": {"key": "x*256"})")},
      {"SubmitTask", "spec.budget.max_model_calls", Spec(R"("budget": {"max_model_calls": -1})")},
      {"SubmitTask", "spec.budget.max_tool_calls", Spec(R"("budget": {"max_tool_calls": -1})")},
      {"SubmitTask", "spec.budget.max_tokens", Spec(R"("budget": {"max_tokens": -1})")},
      {"SubmitTask", "spec.budget.max_cost_microusd",
       Spec(R"("budget": {"max_cost_microusd": -1})")},
      {"SubmitTask", "spec.budget.max_wall_time", Spec(R"("budget": {"max_wall_time": "-1s"})")},
      {"SubmitTask", "spec.budget.roles[p].max_model_calls",
       Spec(R"("budget": {"roles": {"p": {"max_model_calls": -1}}})")},
      {"SubmitTask", "spec.budget.roles[p].max_tokens",
       Spec(R"("budget": {"roles": {"p": {"max_tokens": -1}}})")},
      {"SubmitTask", "spec.budget.roles[p].max_cost_microusd",
       Spec(R"("budget": {"roles": {"p": {"max_cost_microusd": -1}}})")},
      {"SubmitTask", "spec.budget.roles[p].max_model_time",
       Spec(R"("budget": {"roles": {"p": {"max_model_time": "-1s"}}})")},
      {"SubmitTask", "spec.timeout", Spec(R"("timeout": "-1s")")},
      {"SubmitTask", "spec.permissions[0].decision", Spec(R"("permissions": [{"tool": "x"}])")},
      {"SubmitTask", "spec.permissions[1].tool",
       Spec(R"("permissions": [{"decision": 1}, {"decision": 2, "tool": "No Tool"}])")},
      {"SubmitTask", "spec.permissions[0].roles", ManyRoles()},
      {"SubmitTask", "spec.permissions[0].arguments_schema",
       Spec(R"("permissions": [{"decision": 3, "arguments_schema": "{"}])")},
      {"SubmitTask", "spec.permissions[0].arguments_schema",
       Spec(R"("permissions": [{"decision": 3, "arguments_schema": "{\"type\": 7}"}])")},
      {"SubmitTask", "spec.permissions[0].reason",
       Spec(R"("permissions": [{"decision": 1, "reason": "x*1001"}])")},
      {"SubmitTask", "spec.models[p]", Spec(R"("models": {"p": "none"})")},
      {"SubmitTask", "spec.prompts[none]", Spec(R"("prompts": {"none": "1"})")},
      {"SubmitTask", "spec.inputs[0].name", Spec(R"("inputs": [{"name": "../x", "content": ""}])")},
      {"SubmitTask", "spec.inputs[1].name",
       Spec(R"("inputs": [{"name": "a", "content": ""}, {"name": "a", "content": ""}])")},
      {"SubmitTask", "spec.inputs[0]", Spec(R"("inputs": [{"name": "a"}])")},
      {"SubmitTask", "spec.inputs[0].content",
       Spec(R"("inputs": [{"name": "a", "content": "A*4194312"}])")},
      {"SubmitTask", "spec.inputs[0].path", Spec(R"("inputs": [{"name": "a", "path": "x"}])")},
      {"SubmitTask", "spec.inputs[0].path",
       Spec(R"("inputs": [{"name": "a", "path": "/etc/passwd"}])"), StatusCode::PERMISSION_DENIED,
       "PERMISSION_DENIED"},
      {"SubmitTask", "spec.cellagent.request", R"({"spec": {"cellagent": {}}})"},
      {"SubmitTask", "spec.cellagent.requirements", CellAgent(R"("requirements": "x*32769")")},
      {"SubmitTask", "spec.cellagent.context", CellAgent(R"("context": {"k": "x*32769"})")},
      {"SubmitTask", "spec.cellagent.toolbox",
       R"({"spec": {"cellagent": {"request": "r", "toolbox": "none"}}})"},
      {"SubmitTask", "spec.cellagent.max_steps", CellAgent(R"("max_steps": 33)")},
      {"SubmitTask", "spec.cellagent.max_trials", CellAgent(R"("max_trials": -1)")},
      {"SubmitTask", "spec.cellagent.max_attempts", CellAgent(R"("max_attempts": 9)")},
      {"SubmitTask", "spec.cellagent.satisfied_score", CellAgent(R"("satisfied_score": "NaN")")},
      {"SubmitTask", "spec.cellagent.trial_choice", CellAgent(R"("trial_choice": 9)")},
      {"SubmitTask", "spec.chat.turns", R"({"spec": {"chat": {}}})"},
      {"SubmitTask", "spec.chat.turns[0]", R"({"spec": {"chat": {"turns": [""]}}})"},
      {"SubmitTask", "spec.chat.system", Chat(R"("system": "x*262145")")},
      {"SubmitTask", "spec.chat.tools[0]", Chat(R"("tools": ["none"])")},
      {"SubmitTask", "spec.chat.max_rounds", Chat(R"("max_rounds": -1)")},
      {"SubmitTask", "spec.chat.temperature", Chat(R"("temperature": 3)")},
      {"SubmitTask", "spec.chat.max_tokens", Chat(R"("max_tokens": -1)")},
      {"SubmitTask", "spec.solve.request", R"({"spec": {"solve": {}}})"},
      {"SubmitTask", "spec.solve.request", R"({"spec": {"solve": {"request": "x*262145"}}})"},
      {"SubmitTask", "spec.solve.instructions", Solve(R"("instructions": "x*65537")")},
      {"SubmitTask", "spec.solve.tools[0]", Solve(R"("tools": ["none"])")},
      {"SubmitTask", "spec.solve.tools[1]", Solve(R"("tools": ["python", "none.?"])")},
      {"SubmitTask", "spec.solve.answer_schema", Solve(R"("answer_schema": "{")")},
      {"SubmitTask", "spec.solve.answer_schema", Solve(R"("answer_schema": "{\"type\": 7}")")},
      {"SubmitTask", "spec.solve.max_reviews", Solve(R"("max_reviews": 11)")},
      {"SubmitTask", "spec.solve.max_rounds", Solve(R"("max_rounds": 1001)")},
      {"SubmitTask", "spec.solve.stuck_rounds", Solve(R"("stuck_rounds": -1)")},
      {"SubmitTask", "spec.solve.context_tokens", Solve(R"("context_tokens": 1999)")},
      {"SubmitTask", "spec.solve.shown_result_bytes", Solve(R"("shown_result_bytes": 255)")},
      {"SubmitTask", "spec.solve.shown_tools", Solve(R"("shown_tools": 129)")},
      {"SubmitTask", "spec.solve.call_form", Solve(R"("call_form": 9)")},
      {"SubmitTask", "spec.solve.temperature", Solve(R"("temperature": "NaN")")},
      {"SubmitTask", "spec.solve.max_tokens", Solve(R"("max_tokens": -1)")},
      {"SubmitTask", "spec.spo.agent", Spo(R"("agent": {"solve": {"request": "r"}})")},
      {"SubmitTask", "spec.spo.agent",
       R"({"spec": {"spo": {"prompt": "{{request}}", "requirements": "r",
           "questions": [{"question": "q"}], "registered_prompt": "solve.task",
           "agent": {"none": {}}}}})"},
      {"SubmitTask", "spec.spo.preset", Spo(R"("preset": 9)")},
      {"SubmitTask", "spec.spo.prompt", R"({"spec": {"spo": {"requirements": "r"}}})"},
      {"SubmitTask", "spec.spo.prompt", R"({"spec": {"spo": {"prompt": "x*65537"}}})"},
      {"SubmitTask", "spec.spo.requirements", R"({"spec": {"spo": {"prompt": "p"}}})"},
      {"SubmitTask", "spec.spo.description", R"({"spec": {"spo": {"description": "x*4097"}}})"},
      {"SubmitTask", "spec.spo.questions",
       R"({"spec": {"spo": {"prompt": "p", "requirements": "r"}}})"},
      {"SubmitTask", "spec.spo.questions[0].question",
       R"({"spec": {"spo": {"prompt": "p", "requirements": "r", "questions": [{}]}}})"},
      {"SubmitTask", "spec.spo.questions[0].answer",
       R"({"spec": {"spo": {"prompt": "p", "requirements": "r",
           "questions": [{"question": "q", "answer": "x*65537"}]}}})"},
      {"SubmitTask", "spec.spo.held_out[0].question", Spo(R"("held_out": [{}])")},
      {"SubmitTask", "spec.spo.held_out[0].answer",
       Spo(R"("held_out": [{"question": "q", "answer": "x*65537"}])")},
      {"SubmitTask", "spec.spo.held_out", Spo(R"("preset": 2, "held_out": [{"question": "q"}])")},
      {"SubmitTask", "spec.spo.items.dataset", Spo(R"("items": {"dataset": "datasets/none"})")},
      {"SubmitTask", "spec.spo.items.split",
       Spo(R"("items": {"dataset": "datasets/d", "split": "none"})")},
      {"SubmitTask", "spec.spo.items.limit",
       Spo(R"("items": {"dataset": "datasets/d", "limit": 10001})")},
      {"SubmitTask", "spec.spo.items.question_field",
       Spo(R"("items": {"dataset": "datasets/d", "question_field": "none"})")},
      {"SubmitTask", "spec.spo.items.answer_field",
       Spo(R"("items": {"dataset": "datasets/d", "answer_field": "none"})")},
      {"SubmitTask", "spec.spo.held_out_items",
       Spo(R"("preset": 2, "held_out_items": {"dataset": "datasets/d"})")},
      {"SubmitTask", "spec.spo.held_out_items.dataset", Spo(R"("held_out_items": {})")},
      {"SubmitTask", "spec.spo.held_out_items.split",
       Spo(R"("held_out_items": {"dataset": "datasets/d", "split": "none"})")},
      {"SubmitTask", "spec.spo.held_out_items.limit",
       Spo(R"("held_out_items": {"dataset": "datasets/d", "limit": -1})")},
      {"SubmitTask", "spec.spo.held_out_items.question_field",
       Spo(R"("held_out_items": {"dataset": "datasets/d", "question_field": "none"})")},
      {"SubmitTask", "spec.spo.held_out_items.answer_field",
       Spo(R"("held_out_items": {"dataset": "datasets/d", "answer_field": "none"})")},
      {"SubmitTask", "spec.spo.rounds", Spo(R"("rounds": 101)")},
      {"SubmitTask", "spec.spo.sample", Spo(R"("sample": -1)")},
      {"SubmitTask", "spec.spo.votes", Spo(R"("votes": 4)")},
      {"SubmitTask", "spec.spo.challengers", Spo(R"("challengers": 11)")},
      {"SubmitTask", "spec.spo.challengers", Spo(R"("preset": 2, "challengers": 2)")},
      {"SubmitTask", "spec.spo.max_prompt_words", Spo(R"("max_prompt_words": -1)")},
      {"SubmitTask", "spec.spo.max_prompt_bytes", Spo(R"("max_prompt_bytes": 65537)")},
      {"SubmitTask", "spec.spo.patience", Spo(R"("patience": 101)")},
      {"SubmitTask", "spec.spo.drafted_questions", Spo(R"("drafted_questions": 51)")},
      {"SubmitTask", "spec.spo.registered_prompt", Spo(R"("registered_prompt": "none")")},
      {"SubmitTask", "spec.spo.prompt", Spo(R"("registered_prompt": "solve.planner")")},
      {"SubmitTask", "spec.compare.requirements", R"({"spec": {"compare": {}}})"},
      {"SubmitTask", "spec.compare.question", Compare(R"("question": "x*65537")")},
      {"SubmitTask", "spec.compare.reference", Compare(R"("reference": "x*65537")")},
      {"SubmitTask", "spec.compare.candidates", R"({"spec": {"compare": {"requirements": "r"}}})"},
      {"SubmitTask", "spec.compare.candidates[1].name", CompareOf(R"({"name": "a", "text": "y"})")},
      {"SubmitTask", "spec.compare.candidates[1].text", CompareOf(R"({"name": "b"})")},
      {"SubmitTask", "spec.compare.candidates[1].truth",
       CompareOf(R"({"name": "b", "text": "y", "truth": "NaN"})")},
      {"SubmitTask", "spec.compare.votes", Compare(R"("votes": 2)")},
      {"SubmitTask", "spec.compare.form", Compare(R"("form": 9)")},
      {"SubmitTask", "spec.evaluate.items.dataset", R"({"spec": {"evaluate": {"prompt": {}}}})"},
      {"SubmitTask", "spec.evaluate.items.dataset",
       R"({"spec": {"evaluate": {"items": {"dataset": "datasets/none"}, "prompt": {}}}})"},
      {"SubmitTask", "spec.evaluate.items.split", Items(R"("split": "none")")},
      {"SubmitTask", "spec.evaluate.items.limit", Items(R"("limit": 20001)")},
      {"SubmitTask", "spec.evaluate.items.question_field", Items(R"("question_field": "none")")},
      {"SubmitTask", "spec.evaluate.items.answer_field", Items(R"("answer_field": "none")")},
      {"SubmitTask", "spec.evaluate.target",
       R"({"spec": {"evaluate": {"items": {"dataset": "datasets/d"}}}})"},
      {"SubmitTask", "spec.evaluate.prompt.role", Evaluate(R"("prompt": {"role": "x*101"})")},
      {"SubmitTask", "spec.evaluate.prompt.temperature",
       Evaluate(R"("prompt": {"temperature": 3})")},
      {"SubmitTask", "spec.evaluate.prompt.max_tokens",
       Evaluate(R"("prompt": {"max_tokens": -1})")},
      {"SubmitTask", "spec.evaluate.agent.task", Evaluate(R"("agent": {"task": {}})")},
      {"SubmitTask", "spec.evaluate.agent.task",
       Evaluate(R"("agent": {"task": {"chat": {"turns": ["{{none}}"]}}})")},
      {"SubmitTask", "spec.evaluate.agent.prompt_name",
       Evaluate(R"("agent": {"prompt_name": "none", "task": {"chat": {"turns": ["x"]}}},
                   "variants": [{"text": "x"}])")},
      {"SubmitTask", "spec.evaluate.variants[0].name",
       Evaluate(R"("prompt": {}, "variants": [{"name": "x*101", "text": ""}])")},
      {"SubmitTask", "spec.evaluate.variants[0].text",
       Evaluate(R"("prompt": {}, "variants": [{"text": "x*262145"}])")},
      {"SubmitTask", "spec.evaluate.variants[0].template",
       Evaluate(R"("prompt": {}, "variants": [{"template": "{{none}}"}])")},
      {"SubmitTask", "spec.evaluate.variants[0].registered",
       Evaluate(R"("prompt": {}, "variants": [{"registered": "prompts/none"}])")},
      {"SubmitTask", "spec.evaluate.graders[0].name", GradedBy(R"("name": "x*101", "exact": {})")},
      {"SubmitTask", "spec.evaluate.graders[0].weight", GradedBy(R"("weight": -1, "exact": {})")},
      {"SubmitTask", "spec.evaluate.graders[0].answer_tag",
       GradedBy(R"("answer_tag": "<a>", "exact": {})")},
      {"SubmitTask", "spec.evaluate.graders[0].answer_pattern",
       GradedBy(R"("answer_pattern": "(", "exact": {})")},
      {"SubmitTask", "spec.evaluate.graders[0].numeric.absolute_tolerance",
       GradedBy(R"("numeric": {"absolute_tolerance": "NaN"})")},
      {"SubmitTask", "spec.evaluate.graders[0].numeric.relative_tolerance",
       GradedBy(R"("numeric": {"relative_tolerance": -1})")},
      {"SubmitTask", "spec.evaluate.graders[0].choice.choices",
       GradedBy(R"("choice": {"choices": 1})")},
      {"SubmitTask", "spec.evaluate.graders[0].regex.pattern",
       GradedBy(R"("regex": {"pattern": "("})")},
      {"SubmitTask", "spec.evaluate.graders[0].json_schema.schema",
       GradedBy(R"("json_schema": {"schema": "{"})")},
      {"SubmitTask", "spec.evaluate.graders[0].code.code", GradedBy(R"("code": {})")},
      {"SubmitTask", "spec.evaluate.graders[0].code.tests_field",
       GradedBy(R"("code": {"code": "x", "tests_field": "y"})")},
      {"SubmitTask", "spec.evaluate.graders[0].code.timeout_seconds",
       GradedBy(R"("code": {"code": "x", "timeout_seconds": 601})")},
      {"SubmitTask", "spec.evaluate.graders[0].model.rubric", GradedBy(R"("model": {})")},
      {"SubmitTask", "spec.evaluate.graders[0].model.repeats",
       GradedBy(R"("model": {"rubric": "r", "repeats": 16})")},
      {"SubmitTask", "spec.evaluate.graders[0].model.pass_score",
       GradedBy(R"("model": {"rubric": "r", "pass_score": 2})")},
      {"SubmitTask", "spec.evaluate.concurrency", Evaluate(R"("prompt": {}, "concurrency": 257)")},
      {"SubmitTask", "spec.evaluate.repeats", Evaluate(R"("prompt": {}, "repeats": -1)")},
      {"SubmitTask", "spec.evaluate.baseline",
       Evaluate(R"("prompt": {}, "baseline": "tasks/none")")},
      {"SubmitTask", "spec.evaluate.confidence", Evaluate(R"("prompt": {}, "confidence": 1)")},
      {"CreateDataset", "header", R"({"chunk": "e30="})"},
      {"CreateDataset", "header.dataset_id", R"({"header": {"dataset_id": "A"}})"},
      {"CreateDataset", "header.format", R"({"header": {"dataset_id": "a"}})"},
      {"CreateDataset", "header.description",
       R"({"header": {"dataset_id": "a", "format": 1, "description": "x*1001"}})"},
      {"CreateDataset", "header.shares",
       R"({"header": {"dataset_id": "a", "format": 1, "split_field": "s",
           "shares": [{"split": "a", "share": 1}]}})"},
      {"CreateDataset", "header.shares[0].split",
       R"({"header": {"dataset_id": "a", "format": 1, "shares": [{"split": "-", "share": 1}]}})"},
      {"CreateDataset", "header.shares[0].share",
       R"({"header": {"dataset_id": "a", "format": 1, "shares": [{"split": "a", "share": 2}]}})"},
      {"CreateDataset", "chunk",
       R"({"header": {"dataset_id": "a", "format": 1}, "chunk": "e30="})"},
      {"GetDataset", "name", R"({"name": "d"})"},
      {"ListDatasets", "page_size", R"({"page_size": -1})"},
      {"ListDatasets", "page_token", R"({"page_token": "x"})", StatusCode::INVALID_ARGUMENT,
       "PAGE_TOKEN_INVALID"},
      {"ListDatasetItems", "parent", R"({"parent": "d"})"},
      {"ListDatasetItems", "split", R"({"parent": "datasets/d", "split": "none"})"},
      {"ListDatasetItems", "page_size", R"({"parent": "datasets/d", "page_size": -1})"},
      {"ListDatasetItems", "page_token", R"({"parent": "datasets/d", "page_token": "x"})",
       StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"DeleteDataset", "name", R"({"name": "datasets/d@1"})"},
      {"GetTask", "name", R"({"name": "tasks/.."})"},
      {"ListTasks", "page_size", R"({"page_size": -1})"},
      {"ListTasks", "page_token", R"({"page_token": "x"})", StatusCode::INVALID_ARGUMENT,
       "PAGE_TOKEN_INVALID"},
      {"ListTasks", "filter", R"({"filter": "colour = red"})", StatusCode::INVALID_ARGUMENT,
       "FILTER_INVALID"},
      {"WatchTask", "name", R"({"name": ""})"},
      {"WatchTask", "after_sequence", R"({"name": "tasks/t", "after_sequence": -1})"},
      {"WatchTask", "heartbeat_seconds", R"({"name": "tasks/t", "heartbeat_seconds": 301})"},
      {"CancelTask", "name", R"({"name": "tasks/t/spans/1"})"},
      {"RespondToTask", "name", R"({"name": "tasks/t/questions/x", "text": "y"})"},
      {"RespondToTask", "answer", R"({"name": "tasks/t"})"},
      {"RespondToTask", "json", R"({"name": "tasks/t", "json": "{"})"},
      {"ForkTask", "name", R"({"name": "tasks/t/spans/-1"})"},
      {"ForkTask", "task_id", R"({"name": "tasks/t", "task_id": "X"})"},
      {"ForkTask", "request_id", R"({"name": "tasks/t", "request_id": "X"})"},
      {"ReplayTask", "name", R"({"name": "t"})"},
      {"ReplayTask", "request_id", R"({"name": "tasks/t", "request_id": "X"})"},
      {"DeleteTask", "name", R"({"name": "tasks/"})"},
      {"ReadArtifact", "name", R"({"name": "tasks/../artifacts/x"})"},
      {"ReadArtifact", "name", R"({"name": "tasks/t/artifacts/.."})"},
      {"ReadArtifact", "name", R"({"name": "tasks/t/artifacts/../x"})"},
      {"ReadArtifact", "name", R"({"name": "tasks/t/artifacts/item_1-0a/.."})"},
      {"ReadArtifact", "name", R"({"name": "tasks/t/artifacts/item_1-0a/x/y"})"},
      {"GetTrace", "name", R"({"name": "tasks/-"})"},
      {"GetTrace", "view", R"({"name": "tasks/t", "view": 9})"},
      {"GetTrace", "page_size", R"({"name": "tasks/t", "page_size": -1})"},
      {"GetTrace", "page_token", R"({"name": "tasks/t", "page_token": "x"})",
       StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"GetSpan", "name", R"({"name": "tasks/t"})"},
      {"ListSpans", "parent", R"({"parent": "t"})"},
      {"ListSpans", "filter", R"({"parent": "tasks/-", "filter": "cost_microusd : 3"})",
       StatusCode::INVALID_ARGUMENT, "FILTER_INVALID"},
      {"ListSpans", "page_size", R"({"parent": "tasks/-", "page_size": -1})"},
      {"ListSpans", "page_token", R"({"parent": "tasks/-", "page_token": "x"})",
       StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"DiffTraces", "name_a", R"({"name_a": "t", "name_b": "tasks/t"})"},
      {"DiffTraces", "name_b", R"({"name_a": "tasks/t", "name_b": "tasks/-"})"},
      {"DiffTraces", "page_size", R"({"name_a": "tasks/t", "name_b": "tasks/t", "page_size": -1})"},
      {"DiffTraces", "page_token",
       R"({"name_a": "tasks/t", "name_b": "tasks/t", "page_token": "x"})",
       StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"WatchSpans", "name", R"({"name": "tasks/T"})"},
      {"WatchSpans", "after_sequence", R"({"name": "tasks/t", "after_sequence": -1})"},
      {"SearchSpans", "query", R"({"query": "x*1001"})"},
      {"SearchSpans", "query", R"({"query": "\"open"})"},
      {"SearchSpans", "parent", R"({"query": "x", "parent": "t"})"},
      {"SearchSpans", "page_size", R"({"query": "x", "page_size": -1})"},
      {"SearchSpans", "page_token", R"({"query": "x", "page_token": "x"})",
       StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"ExportTrace", "name", R"({"name": "tasks"})"},
      {"ExportTrace", "format", R"({"name": "tasks/t", "format": 9})"},
      {"GetUsage", "parent", R"({"parent": "t"})"},
      {"GetUsage", "group_by", R"({"group_by": -1})"},
      {"ListTools", "page_size", R"({"page_size": -1})"},
      {"ListTools", "page_token", R"({"page_token": "x"})", StatusCode::INVALID_ARGUMENT,
       "PAGE_TOKEN_INVALID"},
      {"GetTool", "name", R"({"name": "python"})"},
      {"AcceptTool", "name", R"({"name": "python", "version": "x"})"},
      {"AcceptTool", "name", R"({"name": "tools/python", "version": "x"})"},
      {"AcceptTool", "version", R"({"name": "tools/python"})"},
      {"Attach", "hello", R"({"pong": {}})"},
      {"Attach", "hello.tools", R"({"hello": {}})"},
      {"Attach", "hello.provider_id", Hello(R"("provider_id": "A b")")},
      {"Attach", "hello.session_token", Hello(R"("session_token": "x*65")")},
      {"Attach", "hello.max_concurrent", Hello(R"("max_concurrent": 1025)")},
      {"Attach", "hello.held_calls", Hello(R"("held_calls": )" + ManyTexts(4097))},
      {"Attach", "hello.tools[0].name", R"({"hello": {"tools": [{"name": "T"}]}})"},
      {"Attach", "hello.tools[0].name",
       R"({"hello": {"tools": [{"name": "python", "description": "d",
           "arguments_schema": "{\"type\": \"object\"}"}]}})",
       StatusCode::ALREADY_EXISTS, "ALREADY_EXISTS"},
      {"Attach", "hello.tools[0].version", HelloTool(R"("version": "1@2")")},
      {"Attach", "hello.tools[0].brief", HelloTool(R"("brief": "x*301")")},
      {"Attach", "hello.tools[0].description", R"({"hello": {"tools": [{"name": "t"}]}})"},
      {"Attach", "hello.tools[0].arguments_schema",
       R"({"hello": {"tools": [{"name": "t", "description": "d", "arguments_schema": "{}"}]}})"},
      {"Attach", "hello.tools[0].result_schema", HelloTool(R"("result_schema": "[")")},
      {"Attach", "hello.tools[0].max_concurrent", HelloTool(R"("max_concurrent": -1)")},
      {"Attach", "hello.tools[0].timeout", HelloTool(R"("timeout": "-1s")")},
      {"Attach", "hello.tools[0].output_limit_bytes", HelloTool(R"("output_limit_bytes": "-1")")},
      {"Attach", "hello.environments[0].name", R"({"hello": {"environments": [{"name": ""}]}})"},
      {"Attach", "hello.environments[0].version", HelloWorld(R"("version": "x*65")")},
      {"Attach", "hello.environments[0].description", HelloWorld(R"("description": "x*16385")")},
      {"Attach", "hello.environments[0].action_schema", HelloWorld(R"("action_schema": "3")")},
      {"Attach", "hello.environments[0].observation_schema",
       HelloWorld(R"("observation_schema": "x")")},
      {"Attach", "hello.environments[0].max_instances", HelloWorld(R"("max_instances": -1)")},
      {"Attach", "hello.environments[0].timeout", HelloWorld(R"("timeout": "86401s")")},
      {"ListPrompts", "page_size", R"({"page_size": -1})"},
      {"ListPrompts", "page_token", R"({"page_token": "x"})", StatusCode::INVALID_ARGUMENT,
       "PAGE_TOKEN_INVALID"},
      {"GetPrompt", "name", R"({"name": "cellagent.planner"})"},
      {"CreatePromptVersion", "parent", R"({"parent": "x", "template": "y"})"},
      {"CreatePromptVersion", "template", R"({"parent": "prompts/cellagent.reporter"})"},
      {"CreatePromptVersion", "parent_version",
       R"({"parent": "prompts/cellagent.reporter", "template": "y", "parent_version": -1})"},
      {"CreatePromptVersion", "origin", PromptVersion(R"("origin": "x*201")")},
      {"CreatePromptVersion", "note", PromptVersion(R"("note": "x*1001")")},
      {"CreatePromptVersion", "task", PromptVersion(R"("task": "t")")},
      {"CreatePromptVersion", "evaluation", PromptVersion(R"("evaluation": "tasks/T")")},
      {"GetPromptVersion", "name", R"({"name": "prompts/cellagent.reporter/versions/0"})"},
      {"DiffPromptVersions", "name_a",
       R"({"name_a": "prompts/cellagent.reporter",
           "name_b": "prompts/cellagent.reporter/versions/1"})"},
      {"DiffPromptVersions", "name_b",
       R"({"name_a": "prompts/cellagent.reporter/versions/1",
           "name_b": "prompts/cellagent.reporter/versions/last"})"},
      {"CreatePrompt", "prompt_id", R"({"prompt_id": "Quiz", "template": "t"})"},
      {"CreatePrompt", "prompt_id", R"({"prompt_id": "cellagent.mine", "template": "t"})"},
      {"CreatePrompt", "prompt_id", R"({"prompt_id": "chat.mine", "template": "t"})"},
      {"CreatePrompt", "prompt_id", R"({"prompt_id": "cellagent.reporter", "template": "t"})",
       StatusCode::ALREADY_EXISTS, "ALREADY_EXISTS"},
      {"CreatePrompt", "description",
       R"({"prompt_id": "quiz", "template": "t", "description": "x*1001"})"},
      {"CreatePrompt", "variables[0].name",
       R"({"prompt_id": "quiz", "template": "t", "variables": [{"name": "A b"}]})"},
      {"CreatePrompt", "variables[1].name",
       R"({"prompt_id": "quiz", "template": "t",
           "variables": [{"name": "a"}, {"name": "a"}]})"},
      {"CreatePrompt", "variables[0].description",
       R"({"prompt_id": "quiz", "template": "t",
           "variables": [{"name": "a", "description": "x*1001"}]})"},
      {"CreatePrompt", "variables[0].type",
       R"({"prompt_id": "quiz", "template": "t", "variables": [{"name": "a", "type": 9}]})"},
      {"CreatePrompt", "template", R"({"prompt_id": "quiz"})"},
      {"CreatePrompt", "template", R"({"prompt_id": "quiz", "template": "{{unknown}}"})"},
      {"CreatePrompt", "origin", R"({"prompt_id": "quiz", "template": "t", "origin": "x*201"})"},
      {"CreatePrompt", "note", R"({"prompt_id": "quiz", "template": "t", "note": "x*1001"})"},
      {"PromotePrompt", "name", R"({"name": "prompts/cellagent.reporter", "reason": "r"})"},
      {"PromotePrompt", "reason", R"({"name": "prompts/cellagent.reporter/versions/1"})"},
      {"PromotePrompt", "reason",
       R"({"name": "prompts/cellagent.reporter/versions/1", "reason": "x*1001"})"},
      {"PromotePrompt", "evidence",
       R"({"name": "prompts/cellagent.reporter/versions/1", "reason": "r", "evidence": "figures"})"},
      {"PromotePrompt", "evidence",
       R"({"name": "prompts/cellagent.reporter/versions/1", "reason": "r", "evidence": "tasks/t",
           "without_evidence": true})"},
      {"RollbackPrompt", "name", R"({"name": "cellagent.reporter", "reason": "r"})"},
      {"RollbackPrompt", "reason", R"({"name": "prompts/cellagent.reporter"})"},
  };
  static const auto* const all = [] {
    auto* rows = new std::vector<Row>(*table);
    // Graders are the same wherever they stand.
    const std::string graders = "spec.evaluate.graders";
    for (const Row& row : *table) {
      const size_t list = row.request.find("\"graders\": [");
      if (!row.field.starts_with(graders) || list == std::string::npos) continue;
      std::string rest = row.request.substr(list);
      rest.resize(rest.size() - 3);
      rows->push_back({row.method,
                       "spec.optimize_workflow.graders" + row.field.substr(graders.size()),
                       OptimizeOnItems(rest)});
    }
    for (auto& [field, request] : WrongWorkflows()) rows->push_back({"SubmitTask", field, request});
    for (Row& row : OptimizerRows()) rows->push_back(std::move(row));
    return rows;
  }();
  return *all;
}

// Fields in which no value is wrong by itself: free text and flags, and those that are
// checked against the task that is forked from or compared.
const std::set<std::string>& FreeFields() {
  static const auto* const fields = new std::set<std::string>{
      "SubmitTask spec.seed",
      "SubmitTask validate_only",
      "SubmitTask spec.workflow.workflow.steps.keep_error",
      "SubmitTask spec.workflow.workflow.steps.if.condition.is_set",
      "SubmitTask spec.workflow.workflow.steps.while.condition.is_set",
      "SubmitTask spec.optimize_workflow.summarize",
      "SubmitTask spec.optimize_workflow.graders.normalized.contains",
      "SubmitTask spec.optimize_workflow.graders.regex.full_match",
      "SubmitTask spec.cellagent.ask_clarification",
      "SubmitTask spec.solve.plan",
      "SubmitTask spec.evaluate.graders.normalized.contains",
      "SubmitTask spec.evaluate.graders.regex.full_match",
      "CreateDataset header.split_field",
      "CancelTask reason",
      "SubmitTask spec.cellagent.use_vision",
      "RespondToTask text",
      "DeleteTask force",
      "DiffTraces include_same",
      "DiffTraces path",
      "ForkTask text",
      "ForkTask value_json",
      "ForkTask models",
      "ForkTask prompts",
      "ForkTask seed",
      "CreatePrompt variables.required",
      "PromotePrompt etag",
      "PromotePrompt without_evidence",
      "RollbackPrompt etag",
      "Attach hello.library",
      "Attach hello.tools.read_only",
      "Attach hello.tools.idempotent",
      "Attach hello.tools.destructive",
      "Attach hello.tools.needs_approval",
      "Attach hello.environments.snapshots",
      // What is said of calls: a provider is not ended for what it says of one that nobody waits
      // for.
      "Attach progress.call_id",
      "Attach progress.text",
      "Attach progress.output",
      "Attach artifact.call_id",
      "Attach artifact.name",
      "Attach artifact.description",
      "Attach artifact.data",
      "Attach artifact.last",
      "Attach result.call_id",
      "Attach result.output.value_json",
      "Attach result.output.content.text",
      "Attach result.output.content.image.media_type",
      "Attach result.output.content.image.data",
      "Attach result.output.is_error",
      "Attach result.failure.message",
      "SubmitTask spec.optimizer_step.graph.nodes.value.bool_value",
      "SubmitTask spec.optimizer_step.graph.nodes.value.int_value",
      "SubmitTask spec.optimizer_step.graph.nodes.value.text",
      "SubmitTask spec.optimizer_step.graph.nodes.value.code",
      "Step graph.nodes.value.bool_value",
      "Step graph.nodes.value.int_value",
      "Step graph.nodes.value.text",
      "Step graph.nodes.value.code",
      "SubmitTask spec.optimizer_step.optimizer.example",
      "SubmitTask spec.optimizer_step.optimizer.keep_hidden",
      "CreateOptimizer settings.config.example",
      "CreateOptimizer settings.config.keep_hidden",
      "CreateOptimizer settings.seed",
  };
  return *fields;
}

// "x*3" as "xxx".
std::string Expanded(const std::string& text) {
  const size_t star = text.find('*');
  if (star == std::string::npos) return text;
  size_t digits = 0;
  const size_t count = std::stoul(text.substr(star + 1), &digits);
  return text.substr(0, star - 1) + std::string(count, text[star - 1]) +
         text.substr(star + 1 + digits);
}

// "spec.inputs[0].name" as "spec.inputs.name".
std::string WithoutIndices(const std::string& field) {
  std::string plain;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '[')
      i = field.find(']', i);
    else
      plain += field[i];
  }
  return plain;
}

bool IsOneValue(const Descriptor& type) {
  return type.full_name() == "google.protobuf.Duration" ||
         type.full_name() == "google.protobuf.Struct" ||
         type.full_name() == "google.protobuf.Value";
}

// The paths of all fields that hold a value. `around`: the types of the messages they are in.
void AddFields(const Descriptor& message, const std::string& prefix,
               std::vector<const Descriptor*>& around, std::set<std::string>& fields) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string path = prefix + field.name();
    const Descriptor* type = field.message_type();
    if (field.is_map()) type = type->FindFieldByName("value")->message_type();
    // Workflows are checked alike wherever they stand; what they hold is looked at once.
    const bool looked_at = type == v1::Workflow::descriptor() && path != "spec.workflow.workflow";
    if (looked_at) {
      fields.insert(path + ".steps");
    } else if (type == nullptr || IsOneValue(*type)) {
      fields.insert(path);
    } else if (std::find(around.begin(), around.end(), type) == around.end()) {
      // Not again what is within itself: steps, conditions.
      around.push_back(type);
      AddFields(*type, path + ".", around, fields);
      around.pop_back();
    }
  }
}

std::vector<const MethodDescriptor*> Methods() {
  std::vector<const MethodDescriptor*> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::SubmitTaskRequest::descriptor()->file(), v1::GetTraceRequest::descriptor()->file(),
        v1::GetToolRequest::descriptor()->file(), v1::GetPromptRequest::descriptor()->file(),
        v1::GetDatasetRequest::descriptor()->file(), v1::StepRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        methods.push_back(file->service(s)->method(m));
      }
    }
  }
  return methods;
}

const MethodDescriptor* MethodNamed(const std::string& name) {
  for (const MethodDescriptor* method : Methods()) {
    if (method->name() == name) return method;
  }
  return nullptr;
}

class WrongInputTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder();
    ServerConfig config;
    config.listen = "127.0.0.1:0";
    config.data_folder = folder_->path() / "data";
    config.toolbox_folders.push_back(std::string(TROUPE_SOURCE_DIR) + "/tests/end_to_end/toolbox");
    auto server = Server::Start(config, TROUPE_SOURCE_DIR);
    // A failed set-up would count as skipped, and so as passed.
    if (!server.ok()) {
      ADD_FAILURE() << server.status();
      std::abort();
    }
    server_ = server->release();
    // A small data set for what is checked against one.
    const grpc::Status uploaded =
        Call("CreateDataset", R"({"header": {"dataset_id": "d", "format": 1},
                                  "chunk": "eyJxdWVzdGlvbiI6ICJxIiwgImFuc3dlciI6ICJhIn0="})",
             2);
    EXPECT_TRUE(uploaded.ok()) << uploaded.error_message();
    const grpc::Status made = Call("CreateOptimizer", R"({"optimizer_id": "o"})", 2);
    EXPECT_TRUE(made.ok()) << made.error_message();
  }
  static void TearDownTestSuite() {
    delete server_;
    delete folder_;
  }

  static std::shared_ptr<grpc::Channel> Channel() {
    grpc::ChannelArguments arguments;
    return grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(),
                                     arguments);
  }

  // A call that has more than one reply, or whose one reply is wanted with its status, says `most`.
  static grpc::Status Call(const std::string& method, const std::string& json, size_t most = 1) {
    const MethodDescriptor* descriptor = MethodNamed(method);
    if (descriptor == nullptr) return grpc::Status(StatusCode::UNIMPLEMENTED, "no such method");
    const std::unique_ptr<google::protobuf::Message> request(
        google::protobuf::MessageFactory::generated_factory()
            ->GetPrototype(descriptor->input_type())
            ->New());
    const auto parsed = google::protobuf::util::JsonStringToMessage(Expanded(json), request.get());
    EXPECT_TRUE(parsed.ok()) << parsed << json;
    return RawCall(Channel(), "/" + descriptor->service()->full_name() + "/" + method,
                   request->SerializeAsString(), most)
        .status;
  }

  static TempFolder* folder_;
  static Server* server_;
};

TempFolder* WrongInputTest::folder_ = nullptr;
Server* WrongInputTest::server_ = nullptr;

TEST_F(WrongInputTest, EveryRowGetsItsCodeAndNamesItsField) {
  for (const Row& row : Table()) {
    SCOPED_TRACE(row.method + " " + row.field + " " + row.request.substr(0, 200));
    const grpc::Status status = Call(row.method, row.request);
    EXPECT_EQ(status.error_code(), row.code) << status.error_message();
    google::rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(status.error_details()));
    EXPECT_EQ(details.code(), status.error_code());
    EXPECT_EQ(details.message(), status.error_message());
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    for (const auto& detail : details.details()) {
      detail.UnpackTo(&info);
      detail.UnpackTo(&bad);
    }
    EXPECT_EQ(info.domain(), "troupe");
    EXPECT_EQ(info.reason(), row.reason);
    EXPECT_EQ(info.metadata().at("field"), row.field);
    if (row.code == StatusCode::INVALID_ARGUMENT) {
      ASSERT_EQ(bad.field_violations_size(), 1);
      EXPECT_EQ(bad.field_violations(0).field(), row.field);
    }
  }
}

TEST_F(WrongInputTest, EveryFieldOfTheContractHasARow) {
  std::set<std::string> covered = FreeFields();
  for (const Row& row : Table()) covered.insert(row.method + " " + WithoutIndices(row.field));
  for (const MethodDescriptor* method : Methods()) {
    std::set<std::string> fields;
    std::vector<const Descriptor*> around;
    AddFields(*method->input_type(), "", around, fields);
    for (const std::string& field : fields) {
      EXPECT_TRUE(covered.contains(method->name() + " " + field))
          << "no wrong value for " << method->name() << " " << field;
    }
  }
}

TEST_F(WrongInputTest, WhatIsNotThereIsNotFound) {
  for (const auto& [method, request] : std::vector<std::pair<std::string, std::string>>{
           {"GetTask", R"({"name": "tasks/none"})"},
           {"WatchTask", R"({"name": "tasks/none"})"},
           {"CancelTask", R"({"name": "tasks/none"})"},
           {"RespondToTask", R"({"name": "tasks/none", "text": "x"})"},
           {"ForkTask", R"({"name": "tasks/none"})"},
           {"ReplayTask", R"({"name": "tasks/none"})"},
           {"DeleteTask", R"({"name": "tasks/none"})"},
           {"ReadArtifact", R"({"name": "tasks/none/artifacts/report.md"})"},
           {"GetTrace", R"({"name": "tasks/none"})"},
           {"GetSpan", R"({"name": "tasks/none/spans/1"})"},
           {"ListSpans", R"({"parent": "tasks/none"})"},
           {"WatchSpans", R"({"name": "tasks/none"})"},
           {"DiffTraces", R"({"name_a": "tasks/none", "name_b": "tasks/none"})"},
           {"SearchSpans", R"({"parent": "tasks/none", "query": "x"})"},
           {"ExportTrace", R"({"name": "tasks/none"})"},
           {"ExportTrace", R"({"name": "tasks/none", "format": "FORMAT_NOTEBOOK"})"},
           {"GetUsage", R"({"parent": "tasks/none"})"},
           {"GetTool", R"({"name": "tools/none"})"},
           {"AcceptTool", R"({"name": "tools/none", "version": "x"})"},
           {"GetDataset", R"({"name": "datasets/none"})"},
           {"GetOptimizer", R"({"name": "optimizers/none"})"},
           {"DeleteOptimizer", R"({"name": "optimizers/none"})"},
           {"Step", R"({"name": "optimizers/none"})"},
           {"GetStep", R"({"name": "optimizers/none/steps/1"})"},
           {"GetStep", R"({"name": "optimizers/o/steps/1"})"},
           {"ListSteps", R"({"parent": "optimizers/none"})"},
           {"ReportScore", R"({"name": "optimizers/o/steps/1"})"},
           {"Revert", R"({"name": "optimizers/none"})"},
           {"GetBest", R"({"name": "optimizers/o"})"},
           {"ListDatasetItems", R"({"parent": "datasets/none"})"},
           {"DeleteDataset", R"({"name": "datasets/none"})"},
           {"GetPrompt", R"({"name": "prompts/none"})"},
           {"CreatePromptVersion", R"({"parent": "prompts/none", "template": "x"})"},
           {"PromotePrompt", R"({"name": "prompts/none/versions/1", "reason": "x"})"}}) {
    EXPECT_EQ(Call(method, request).error_code(), StatusCode::NOT_FOUND) << method << request;
  }
}

TEST_F(WrongInputTest, BytesThatAreNoMessageHarmNobody) {
  for (const MethodDescriptor* method : Methods()) {
    const std::string path = "/" + method->service()->full_name() + "/" + method->name();
    for (const std::string& bytes : {std::string("\xff\xff\xff\xff"), std::string(1000, '\x08'),
                                     std::string("\x0a\x02\xc3\x28", 4)}) {
      EXPECT_FALSE(RawCall(Channel(), path, bytes).status.ok()) << path;
    }
  }
  EXPECT_EQ(RawCall(Channel(), "/troupe.v1.TaskService/NoSuchMethod", "").status.error_code(),
            StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(Call("ListTasks", "{}").error_code() != StatusCode::UNAVAILABLE);
}

TEST_F(WrongInputTest, HealthAndReflectionAnswer) {
  // HealthCheckResponse {status: SERVING}
  EXPECT_EQ(RawCall(Channel(), "/grpc.health.v1.Health/Check", "").messages,
            std::vector<std::string>{std::string("\x08\x01")});
  // ServerReflectionRequest {list_services: ""}
  const auto listed =
      RawCall(Channel(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              std::string("\x3a\x00", 2));
  ASSERT_EQ(listed.messages.size(), 1u) << listed.status.error_message();
  for (const char* service :
       {"troupe.v1.TaskService", "troupe.v1.TraceService", "troupe.v1.ToolService",
        "troupe.v1.PromptService", "troupe.v1.DatasetService", "grpc.health.v1.Health"}) {
    EXPECT_NE(listed.messages[0].find(service), std::string::npos) << service;
  }
}

}  // namespace
}  // namespace troupe
