// Wrong values in requests of the TraceService.
#include "tests/server/wrong_input/rows.h"

namespace troupe {

std::vector<WrongInputRow> WrongTraceRows() {
  return {
      {"GetTrace", "name", R"({"name": "tasks/-"})"},
      {"GetTrace", "view", R"({"name": "tasks/t", "view": 9})"},
      {"GetTrace", "page_size", R"({"name": "tasks/t", "page_size": -1})"},
      {"GetTrace", "page_token", R"({"name": "tasks/t", "page_token": "x"})",
       grpc::StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"GetSpan", "name", R"({"name": "tasks/t"})"},
      {"ListSpans", "parent", R"({"parent": "t"})"},
      {"ListSpans", "filter", R"({"parent": "tasks/-", "filter": "cost_microusd : 3"})",
       grpc::StatusCode::INVALID_ARGUMENT, "FILTER_INVALID"},
      {"ListSpans", "page_size", R"({"parent": "tasks/-", "page_size": -1})"},
      {"ListSpans", "page_token", R"({"parent": "tasks/-", "page_token": "x"})",
       grpc::StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"DiffTraces", "name_a", R"({"name_a": "t", "name_b": "tasks/t"})"},
      {"DiffTraces", "name_b", R"({"name_a": "tasks/t", "name_b": "tasks/-"})"},
      {"DiffTraces", "page_size", R"({"name_a": "tasks/t", "name_b": "tasks/t", "page_size": -1})"},
      {"DiffTraces", "page_token",
       R"({"name_a": "tasks/t", "name_b": "tasks/t", "page_token": "x"})",
       grpc::StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"WatchSpans", "name", R"({"name": "tasks/T"})"},
      {"WatchSpans", "after_sequence", R"({"name": "tasks/t", "after_sequence": -1})"},
      {"SearchSpans", "query", R"({"query": "x*1001"})"},
      {"SearchSpans", "query", R"({"query": "\"open"})"},
      {"SearchSpans", "parent", R"({"query": "x", "parent": "t"})"},
      {"SearchSpans", "page_size", R"({"query": "x", "page_size": -1})"},
      {"SearchSpans", "page_token", R"({"query": "x", "page_token": "x"})",
       grpc::StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"ExportTrace", "name", R"({"name": "tasks"})"},
      {"ExportTrace", "format", R"({"name": "tasks/t", "format": 9})"},
      {"GetUsage", "parent", R"({"parent": "t"})"},
      {"GetUsage", "group_by", R"({"group_by": -1})"},
  };
}

}  // namespace troupe
