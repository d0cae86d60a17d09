// Wrong values in requests of the PromptService.
#include "tests/server/wrong_input/rows.h"

namespace troupe {
namespace {

std::string PromptVersion(const std::string& more) {
  return R"({"parent": "prompts/cellagent.reporter", "template": "y", )" + more + "}";
}

}  // namespace

std::vector<WrongInputRow> WrongPromptRows() {
  return {
      {"ListPrompts", "page_size", R"({"page_size": -1})"},
      {"ListPrompts", "page_token", R"({"page_token": "x"})", grpc::StatusCode::INVALID_ARGUMENT,
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
       grpc::StatusCode::ALREADY_EXISTS, "ALREADY_EXISTS"},
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
}

}  // namespace troupe
