// Wrong values in requests of the ToolService.
#include "tests/server/wrong_input/rows.h"

namespace troupe {
namespace {

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

}  // namespace

std::vector<WrongInputRow> WrongToolRows() {
  return {
      {"ListTools", "page_size", R"({"page_size": -1})"},
      {"ListTools", "page_token", R"({"page_token": "x"})", grpc::StatusCode::INVALID_ARGUMENT,
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
       grpc::StatusCode::ALREADY_EXISTS, "ALREADY_EXISTS"},
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
  };
}

}  // namespace troupe
