#include "tools/builtin/sql_tool.h"

#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/builtin/sql_session.h"
#include "tools/builtin/worker_pool.h"

namespace troupe {
namespace {

constexpr int64_t kDefaultRows = 100;
constexpr int64_t kMaxRows = 1000;
constexpr absl::Duration kQueryTimeout = absl::Seconds(30);

absl::StatusOr<SqlRows> Query(const ToolCall& call) {
  RETURN_IF_ERROR(call.context.cancel.status());
  ASSIGN_OR_RETURN(auto session, SqlSession::Open(call.context.workspace.root,
                                                  JsonString(call.arguments, "path")));
  SqlLimits limits;
  limits.rows = JsonInt(call.arguments, "limit", kDefaultRows);
  limits.deadline = call.context.deadline;
  limits.cancel = call.context.cancel;
  return session->Query(JsonString(call.arguments, "sql"), JsonArray(call.arguments, "parameters"),
                        std::move(limits));
}

std::string CellText(const Json& value) {
  return value.is_string() ? value.get<std::string>() : DumpJson(value);
}

std::string TextOf(const SqlRows& rows) {
  std::string text = fmt::format("{}\n", fmt::join(rows.columns, "\t"));
  for (const Json& row : rows.rows) {
    for (size_t i = 0; i < row.size(); ++i) text += (i > 0 ? "\t" : "") + CellText(row[i]);
    text += "\n";
  }
  text +=
      fmt::format("({} rows{})\n", rows.rows.size(), rows.truncated ? ", and there are more" : "");
  return text;
}

absl::StatusOr<ToolResult> Run(const ToolCall& call) {
  auto rows = Query(call);
  ToolResult result;
  if (rows.ok()) {
    result.content.push_back(ToolText{TextOf(*rows)});
    result.value = {{"columns", rows->columns},
                    {"rows", std::move(rows->rows)},
                    {"truncated", rows->truncated}};
    return result;
  }
  // Cancelled and late calls are the caller's; all else the agent can mend.
  RETURN_IF_ERROR(call.context.cancel.status());
  result.is_error = true;
  result.value = {{"error", MessageOf(rows.status())}};
  result.content.push_back(ToolText{std::string(MessageOf(rows.status()))});
  return result;
}

}  // namespace

SqlTool::SqlTool(std::shared_ptr<WorkerPool> pool) : pool_(std::move(pool)) {
  spec_.name = "sql_query";
  spec_.version = "1";
  spec_.brief = "Asks an SQLite file of the task's workspace, read-only.";
  spec_.description =
      "Runs one SELECT over an SQLite file of the workspace. The tables are in sqlite_schema; "
      "PRAGMA table_info(t) gives the columns of one.";
  spec_.arguments_schema = {
      {"type", "object"},
      {"properties",
       {{"path",
         {{"type", "string"},
          {"minLength", 1},
          {"maxLength", 1024},
          {"description", "The file, relative to the workspace, such as inputs/sales.db."}}},
        {"sql", {{"type", "string"}, {"minLength", 1}, {"maxLength", 100'000}}},
        {"parameters",
         {{"type", "array"},
          {"items", {{"type", {"string", "number", "boolean", "null"}}}},
          {"description", "Values for the question marks in the SQL, in order."}}},
        {"limit",
         {{"type", "integer"}, {"minimum", 1}, {"maximum", kMaxRows}, {"default", kDefaultRows}}}}},
      {"required", {"path", "sql"}},
      {"additionalProperties", false}};
  spec_.result_schema = {
      {"type", "object"},
      {"properties",
       {{"columns", {{"type", "array"}, {"items", {{"type", "string"}}}}},
        {"rows", {{"type", "array"}, {"items", {{"type", "array"}}}}},
        {"truncated", {{"type", "boolean"}, {"description", "Whether there were more rows."}}}}},
      {"required", {"columns", "rows", "truncated"}}};
  spec_.read_only = true;
  spec_.idempotent = true;
  spec_.timeout = kQueryTimeout;
}

Async<ToolResult> SqlTool::Call(ToolCall call) {
  CancelToken cancel = call.context.cancel;
  std::function<absl::StatusOr<ToolResult>()> work = [call = std::move(call)] { return Run(call); };
  co_return co_await pool_->Run<ToolResult>(std::move(work), std::move(cancel));
}

}  // namespace troupe
