// Wrong values in the specs of tasks of the kinds cellagent, chat, solve, spo and compare.
#include "tests/server/wrong_input/rows.h"

namespace troupe {
namespace {

std::string CellAgent(const std::string& more) {
  return R"({"spec": {"cellagent": {"request": "r", "toolbox": "plain", )" + more + "}}}";
}

std::string Chat(const std::string& more) {
  return R"({"spec": {"chat": {"turns": ["hello"], )" + more + "}}}";
}

std::string Solve(const std::string& more) {
  return R"({"spec": {"solve": {"request": "r", )" + more + "}}}";
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

}  // namespace

std::vector<WrongInputRow> WrongKindRows() {
  return {
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
      {"SubmitTask", "spec.spo.challengers", Spo(R"("challengers": 15)")},
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
  };
}

}  // namespace troupe
