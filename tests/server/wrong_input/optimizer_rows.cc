// Wrong values in requests of the OptimizerService, and in the specs of its steps.
#include "tests/server/wrong_input/rows.h"

namespace troupe {
namespace {

// What may be wrong with how an optimizer works, in any message that has it at `field`; `request`
// is what is behind and before it.
void AddConfigRows(const std::string& method, const std::string& field,
                   const std::function<std::string(const std::string&)>& request,
                   std::vector<WrongInputRow>& rows) {
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
                  std::vector<WrongInputRow>& rows) {
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

}  // namespace

std::vector<WrongInputRow> WrongOptimizerRows() {
  std::vector<WrongInputRow> rows = {
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
      {"ListOptimizers", "page_token", R"({"page_token": "x"})", grpc::StatusCode::INVALID_ARGUMENT,
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
       grpc::StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
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

}  // namespace troupe
