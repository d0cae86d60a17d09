// Wrong values in the specs of evaluations, and in graders wherever they stand.
#include "tests/server/wrong_input/rows.h"
#include "tests/server/wrong_workflows.h"

namespace troupe {
namespace {

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

}  // namespace

std::vector<WrongInputRow> WrongEvaluateRows() {
  std::vector<WrongInputRow> rows = {
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
  };
  // Graders are the same wherever they stand.
  const std::string graders = "spec.evaluate.graders";
  for (size_t i = 0, count = rows.size(); i < count; ++i) {
    const size_t list = rows[i].request.find("\"graders\": [");
    if (!rows[i].field.starts_with(graders) || list == std::string::npos) continue;
    std::string rest = rows[i].request.substr(list);
    rest.resize(rest.size() - 3);
    rows.push_back({rows[i].method,
                    "spec.optimize_workflow.graders" + rows[i].field.substr(graders.size()),
                    OptimizeOnItems(rest)});
  }
  return rows;
}

std::vector<WrongInputRow> WrongWorkflowRows() {
  std::vector<WrongInputRow> rows;
  for (auto& [field, request] : WrongWorkflows()) rows.push_back({"SubmitTask", field, request});
  return rows;
}

}  // namespace troupe
