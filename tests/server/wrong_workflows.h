// Rows of wrong values for the fields of workflows, their evaluation and their optimization.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace troupe {

using WrongWorkflowRow = std::pair<std::string, std::string>;  // the field, and the request as JSON

// A workflow with one step, good but for `step`.
inline std::string WorkflowWithStep(const std::string& step) {
  return R"({"spec": {"workflow": {"workflow": {
             "parameters": {"f": {"code": {"source": "def f(x): return x"}}, "p": {"prompt": "hello"}},
             "steps": [{"name": "s", )" +
         step + "}]}}}}";
}
inline std::string WorkflowWithParameter(const std::string& parameter) {
  return R"({"spec": {"workflow": {"workflow": {"parameters": {"p": {)" + parameter +
         R"(}}, "steps": [{"name": "s", "set": "$p"}]}}}})";
}
inline std::string WorkflowWithInput(const std::string& input) {
  return R"({"spec": {"workflow": {"workflow": {"inputs": {"i": {)" + input +
         R"(}}, "steps": [{"name": "s", "set": 1}]}}}})";
}
inline std::string OptimizeWorkflow(const std::string& more) {
  return R"({"spec": {"optimize_workflow": {"workflow": {
             "inputs": {"question": {}},
             "parameters": {"p": {"prompt": "{{question}}", "trainable": true}},
             "steps": [{"name": "s", "model": {"messages": [{"prompt": "p"}]}}]}, )" +
         more + "}}}";
}
inline std::string OptimizeOnItems(const std::string& more) {
  return OptimizeWorkflow(R"("train": {"dataset": "datasets/d"}, )" + more);
}

inline std::string OptimizeByMulti(const std::string& candidates) {
  return OptimizeOnItems(R"("optimizer": "OPTIMIZER_OPTO_PRIME_MULTI", "optimizer_candidates": {)" +
                         candidates + "}");
}

inline std::vector<WrongWorkflowRow> WrongSteps() {
  const std::string step = "spec.workflow.workflow.steps[0].";
  std::vector<WrongWorkflowRow> rows = {
      {"name", R"("name": "Not a name", "set": 1)"},
      {"description", R"("description": "x*4097", "set": 1)"},
      {"set", R"("set": "$nobody")"},
      {"model.role", R"("model": {"role": "x*101", "messages": [{"text": "t"}]})"},
      {"model.messages", R"("model": {})"},
      {"model.messages[0].speaker", R"("model": {"messages": [{"speaker": 9, "text": "t"}]})"},
      {"model.messages[0].text", R"("model": {"messages": [{"text": "{{nobody}}"}]})"},
      {"model.messages[0].prompt", R"("model": {"messages": [{"prompt": "nobody"}]})"},
      {"model.messages[0].variables[v]",
       R"("model": {"messages": [{"text": "t", "variables": {"v": "$nobody"}}]})"},
      {"model.reply_schema",
       R"("model": {"messages": [{"text": "t"}], "reply_schema": {"type": 5}})"},
      {"model.temperature", R"("model": {"messages": [{"text": "t"}], "temperature": 3})"},
      {"model.max_tokens", R"("model": {"messages": [{"text": "t"}], "max_tokens": -1})"},
      {"model.tools[0]", R"("model": {"messages": [{"text": "t"}], "tools": ["nobody"]})"},
      {"model.max_rounds", R"("model": {"messages": [{"text": "t"}], "max_rounds": 101})"},
      {"tool.tool", R"("tool": {"tool": "nobody"})"},
      {"tool.arguments", R"("tool": {"tool": "write_file"})"},
      {"code.function", R"("code": {"function": "nobody"})"},
      {"code.arguments[x]", R"("code": {"function": "f", "arguments": {"x": "$nobody"}})"},
      {"code.timeout_seconds", R"("code": {"function": "f", "timeout_seconds": 601})"},
      {"task.spec", R"("task": {"spec": {}})"},
      {"task.prompts[solve.solver]",
       R"("task": {"spec": {"solve": {"request": "r"}}, "prompts": {"solve.solver": "f"}})"},
      {"if.then", R"("if": {"condition": {"value": 1, "equals": 1}})"},
      {"for.each", R"("for": {"each": "$nobody", "as": "a", "steps": [{"name": "t", "set": 1}]})"},
      {"for.as", R"("for": {"each": [], "as": "A", "steps": [{"name": "t", "set": 1}]})"},
      {"for.carry[c]", R"("for": {"each": [], "as": "a", "carry": {"c": "$nobody"},
        "steps": [{"name": "t", "set": 1}]})"},
      {"for.next[n]", R"("for": {"each": [], "as": "a", "next": {"n": 1},
        "steps": [{"name": "t", "set": 1}]})"},
      {"while.max_rounds", R"("while": {"condition": {"value": "$c", "less": 1},
        "carry": {"c": 0}, "next": {"c": 1}, "steps": [{"name": "t", "set": 1}]})"},
      {"while.carry", R"("while": {"condition": {"value": 1, "less": 1}, "max_rounds": 1,
        "next": {"c": 1}, "steps": [{"name": "t", "set": 1}]})"},
      {"while.next", R"("while": {"condition": {"value": "$c", "less": 1}, "max_rounds": 1,
        "carry": {"c": 0}, "steps": [{"name": "t", "set": 1}]})"},
      {"map.each", R"("map": {"each": "$nobody", "as": "a", "steps": [{"name": "t", "set": 1}]})"},
      {"map.as", R"("map": {"each": [], "as": "A", "steps": [{"name": "t", "set": 1}]})"},
      {"map.max_parallel",
       R"("map": {"each": [], "as": "a", "max_parallel": 65, "steps": [{"name": "t", "set": 1}]})"},
  };
  for (auto& [field, request] : rows) {
    field = step + field;
    request = field == step + "name"
                  ? R"({"spec": {"workflow": {"workflow": {"steps": [{)" + request + "}]}}}}"
                  : WorkflowWithStep(request);
  }
  return rows;
}

inline std::vector<WrongWorkflowRow> WrongConditions() {
  std::vector<WrongWorkflowRow> rows;
  const std::vector<std::pair<std::string, std::string>> conditions = {
      {"value", R"("equals": 1)"},
      {"equals", R"("value": 1, "equals": "$nobody")"},
      {"differs", R"("value": 1, "differs": "$nobody")"},
      {"less", R"("value": 1, "less": "$nobody")"},
      {"at_most", R"("value": 1, "at_most": "$nobody")"},
      {"more", R"("value": 1, "more": "$nobody")"},
      {"at_least", R"("value": 1, "at_least": "$nobody")"},
      {"contains", R"("value": 1, "contains": "$nobody")"},
      {"matches", R"("value": "t", "matches": "(")"},
  };
  for (const auto& [field, condition] : conditions) {
    rows.emplace_back("spec.workflow.workflow.steps[0].if.condition." + field,
                      WorkflowWithStep(R"("if": {"condition": {)" + condition +
                                       R"(}, "then": [{"name": "t", "set": 1}]})"));
    rows.emplace_back("spec.workflow.workflow.steps[0].while.condition." + field,
                      WorkflowWithStep(R"("while": {"condition": {)" + condition +
                                       R"(}, "max_rounds": 1, "carry": {"c": 0}, "next": {"c": 1},
                                          "steps": [{"name": "t", "set": 1}]})"));
  }
  return rows;
}

inline std::vector<WrongWorkflowRow> WrongParts() {
  const std::string place = "spec.workflow.workflow.";
  std::string many = "1";
  for (int i = 0; i < 100; ++i) many += ", 1";
  return {
      {place + "steps", R"({"spec": {"workflow": {}}})"},
      {place + "description",
       R"({"spec": {"workflow": {"workflow": {"description": "x*4097",
           "steps": [{"name": "s", "set": 1}]}}}})"},
      {place + "inputs[i].type", WorkflowWithInput(R"("type": 9)")},
      {place + "inputs[i].description", WorkflowWithInput(R"("description": "x*4097")")},
      {place + "inputs[i].default", WorkflowWithInput(R"("type": "TYPE_TEXT", "default": 1)")},
      {place + "parameters[p].description",
       WorkflowWithParameter(R"("description": "x*4097", "prompt": "t")")},
      {place + "parameters[p].trainable",
       R"({"spec": {"workflow": {"workflow": {"parameters": {"p": {"prompt": "t", "trainable": true}},
           "steps": [{"name": "s", "set": 1}]}}}})"},
      {place + "parameters[p].prompt", WorkflowWithParameter(R"("prompt": "")")},
      {place + "parameters[p].value",
       WorkflowWithParameter(R"("value": 3, "constraint": {"minimum": 5})")},
      {place + "parameters[p].code.language",
       WorkflowWithParameter(R"("code": {"language": 9, "source": "def p(): return 1"})")},
      {place + "parameters[p].code.source", WorkflowWithParameter(R"("code": {})")},
      {place + "parameters[p].constraint.minimum",
       WorkflowWithParameter(R"("prompt": "t", "constraint": {"minimum": 5})")},
      {place + "parameters[p].constraint.maximum",
       WorkflowWithParameter(R"("prompt": "t", "constraint": {"maximum": 5})")},
      {place + "parameters[p].constraint.choices",
       WorkflowWithParameter(R"("value": 1, "constraint": {"choices": [)" + many + "]}")},
      {place + "parameters[p].constraint.schema",
       WorkflowWithParameter(R"("value": 1, "constraint": {"schema": {"type": 5}})")},
      {place + "parameters[p].constraint.max_length",
       WorkflowWithParameter(R"("value": 1, "constraint": {"max_length": -1})")},
      {place + "parameters[p].registered_prompt",
       WorkflowWithParameter(R"("prompt": "t", "registered_prompt": "none.such")")},
      {place + "answer", R"({"spec": {"workflow": {"workflow": {"answer": "$nobody",
                             "steps": [{"name": "s", "set": 1}]}}}})"},
      {place + "outputs[o]", R"({"spec": {"workflow": {"workflow": {"outputs": {"o": "$nobody"},
                                 "steps": [{"name": "s", "set": 1}]}}}})"},
      {"spec.workflow.inputs[x]", R"({"spec": {"workflow": {"inputs": {"x": 1},
                                      "workflow": {"steps": [{"name": "s", "set": 1}]}}}})"},
      {"spec.workflow.values[x]", R"({"spec": {"workflow": {"values": {"x": 1},
                                      "workflow": {"steps": [{"name": "s", "set": 1}]}}}})"},
  };
}

inline std::vector<WrongWorkflowRow> WrongEvaluationsOfWorkflows() {
  const auto with = [](const std::string& more) {
    return R"({"spec": {"evaluate": {"items": {"dataset": "datasets/d"}, "workflow": {
               "workflow": {"steps": [{"name": "s", "set": 1}]}, )" +
           more + "}}}}";
  };
  return {
      {"spec.evaluate.workflow.workflow.steps",
       R"({"spec": {"evaluate": {"items": {"dataset": "datasets/d"}, "workflow": {}}}})"},
      {"spec.evaluate.workflow.inputs", with(R"("inputs": {"x": "question"})")},
      {"spec.evaluate.workflow.values[x]", with(R"("values": {"x": 1})")},
      {"spec.evaluate.workflow.parameter", with(R"("parameter": "x")")},
  };
}

inline std::vector<WrongWorkflowRow> WrongOptimizations() {
  const std::string place = "spec.optimize_workflow.";
  std::vector<WrongWorkflowRow> rows = {
      {place + "workflow.steps", R"({"spec": {"optimize_workflow": {}}})"},
      {place + "inputs", OptimizeOnItems(R"("inputs": {"x": "question"})")},
      {place + "values[x]", OptimizeOnItems(R"("values": {"x": 1})")},
      {place + "train.dataset", OptimizeWorkflow(R"("steps": 5)")},
      {place + "objective", OptimizeOnItems(R"("objective": "x*8193")")},
      {place + "trainer", OptimizeOnItems(R"("trainer": 99)")},
      {place + "optimizer", OptimizeOnItems(R"("optimizer": 99)")},
      {place + "optimizer_candidates", OptimizeOnItems(R"("optimizer_candidates": {"count": 3})")},
      {place + "optimizer_candidates.count", OptimizeByMulti(R"("count": 17)")},
      {place + "optimizer_candidates.generation", OptimizeByMulti(R"("generation": 99)")},
      {place + "optimizer_candidates.selection", OptimizeByMulti(R"("selection": 99)")},
      {place + "target_score", OptimizeOnItems(R"("target_score": 1.5)")},
      {place + "exploration", OptimizeOnItems(R"("exploration": -1)")},
      {place + "novelty", OptimizeOnItems(R"("novelty": 3)")},
  };
  for (const char* const field : {"steps", "batch", "candidates", "proposals", "validation_batch",
                                  "patience", "max_runs", "memory", "concurrency"}) {
    rows.emplace_back(place + field, OptimizeOnItems(fmt::format("\"{}\": -1", field)));
  }
  for (const char* const set : {"train", "validation", "test"}) {
    for (const auto& [field, wrong] : std::vector<WrongWorkflowRow>{
             {"dataset", R"("dataset": "datasets/none")"},
             {"split", R"("dataset": "datasets/d", "split": "none")"},
             {"limit", R"("dataset": "datasets/d", "limit": -1)"},
             {"question_field", R"("dataset": "datasets/d", "question_field": "none")"},
             {"answer_field", R"("dataset": "datasets/d", "answer_field": "none")"}}) {
      const std::string selection = fmt::format("\"{}\": {{{}}}", set, wrong);
      rows.emplace_back(
          fmt::format("{}{}.{}", place, set, field),
          std::string(set) == "train" ? OptimizeWorkflow(selection) : OptimizeOnItems(selection));
    }
  }
  return rows;
}

inline std::vector<WrongWorkflowRow> WrongWorkflows() {
  std::vector<WrongWorkflowRow> rows;
  for (const auto& part : {WrongSteps(), WrongConditions(), WrongParts(),
                           WrongEvaluationsOfWorkflows(), WrongOptimizations()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

}  // namespace troupe
