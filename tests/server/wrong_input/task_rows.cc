// Wrong values in requests of the TaskService, but for what is of one kind of task.
#include "tests/server/wrong_input/rows.h"

namespace troupe {
namespace {

// The spec of a good task with `more` beside its request.
std::string Spec(const std::string& more) {
  return R"({"spec": {"cellagent": {"request": "r", "toolbox": "plain"}, )" + more + "}}";
}

std::string ManyRoles() {
  std::string roles;
  for (int i = 0; i < 33; ++i) roles += i == 0 ? "\"r\"" : ", \"r\"";
  return Spec(R"("permissions": [{"decision": 1, "roles": [)" + roles + "]}]");
}

}  // namespace

std::vector<WrongInputRow> WrongTaskRows() {
  return {
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
       Spec(R"("inputs": [{"name": "a", "path": "/etc/passwd"}])"),
       grpc::StatusCode::PERMISSION_DENIED, "PERMISSION_DENIED"},
      {"GetTask", "name", R"({"name": "tasks/.."})"},
      {"ListTasks", "page_size", R"({"page_size": -1})"},
      {"ListTasks", "page_token", R"({"page_token": "x"})", grpc::StatusCode::INVALID_ARGUMENT,
       "PAGE_TOKEN_INVALID"},
      {"ListTasks", "filter", R"({"filter": "colour = red"})", grpc::StatusCode::INVALID_ARGUMENT,
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
  };
}

}  // namespace troupe
