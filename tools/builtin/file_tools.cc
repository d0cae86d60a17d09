#include "tools/builtin/file_tools.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/safe_file.h"
#include "tools/base/status_macros.h"
#include "tools/builtin/folder_listing.h"
#include "tools/builtin/worker_pool.h"

namespace troupe {
namespace {

constexpr size_t kMaxListed = 1000;
constexpr int64_t kMaxReadBytes = 64 * 1024 * 1024;
constexpr int64_t kMaxImageBytes = 4 * 1024 * 1024;
constexpr int64_t kMaxWriteBytes = 16 * 1024 * 1024;
constexpr int64_t kDefaultLines = 200;
constexpr size_t kMaxTextBytes = 200 * 1024;
constexpr std::string_view kOwnPrefix = "files/";
const char* const kUsualFolders[] = {"inputs", "files", "artifacts"};

Json PathSchema(std::string_view description) {
  return {{"type", "string"}, {"minLength", 1}, {"maxLength", 1024}, {"description", description}};
}

// What the agent got wrong is shown to the agent; anything else is the tool's failure.
absl::StatusOr<ToolResult> ShowOrFail(const absl::Status& status) {
  const auto reason = ReasonOf(status);
  if (reason != Reason::kNotFound && reason != Reason::kPermissionDenied &&
      reason != Reason::kInvalidField) {
    return status;
  }
  ToolResult result;
  result.is_error = true;
  result.value = {{"error", MessageOf(status)}};
  result.content.push_back(ToolText{std::string(MessageOf(status))});
  return result;
}

// The same text with what is not UTF-8 (an old file's accents) replaced.
std::string Utf8(const std::string& text) {
  auto parsed = ParseJson(DumpJson(text), "text");
  return parsed.ok() ? parsed->get<std::string>() : "";
}

// What is in `folder`; without one, in all folders but the states.
absl::StatusOr<std::vector<ListedFile>> Files(const Workspace& workspace, const std::string& folder,
                                              bool recursive) {
  const size_t limit = kMaxListed + 1;
  if (!folder.empty()) return ListBeneath(workspace.root, folder, recursive, limit);
  std::vector<ListedFile> files;
  for (const char* usual : kUsualFolders) {
    auto more = ListBeneath(workspace.root, usual, recursive, limit - files.size());
    if (HasReason(more.status(), Reason::kNotFound)) continue;
    RETURN_IF_ERROR(more.status());
    files.insert(files.end(), more->begin(), more->end());
    if (files.size() >= limit) break;
  }
  return files;
}

absl::StatusOr<ToolResult> List(const Workspace& workspace, const std::string& folder,
                                bool recursive) {
  auto listed = Files(workspace, folder, recursive);
  if (!listed.ok()) return ShowOrFail(listed.status());
  const bool truncated = listed->size() > kMaxListed;
  if (truncated) listed->resize(kMaxListed);
  ToolResult result;
  result.value = {{"files", Json::array()}, {"truncated", truncated}};
  std::string text;
  for (const ListedFile& file : *listed) {
    result.value["files"].push_back(
        {{"path", file.path}, {"type", file.type}, {"size", file.size_bytes}});
    text += file.type == "file" ? fmt::format("{}  {} bytes\n", file.path, file.size_bytes)
                                : fmt::format("{}  ({})\n", file.path, file.type);
  }
  if (text.empty()) text = "(empty)\n";
  if (truncated) text += fmt::format("(cut after {}: list a folder below)\n", kMaxListed);
  result.content.push_back(ToolText{std::move(text)});
  return result;
}

// The lines from `first` (counted from 1) on, `count` at most.
ToolResult ShowLines(const std::string& path, const std::string& bytes, int64_t first,
                     int64_t count) {
  size_t begin = 0;
  for (int64_t line = 1; line < first && begin < bytes.size(); ++line) {
    const size_t newline = bytes.find('\n', begin);
    begin = newline == std::string::npos ? bytes.size() : newline + 1;
  }
  size_t end = begin;
  int64_t shown = 0;
  while (shown < count && end < bytes.size()) {
    const size_t newline = bytes.find('\n', end);
    const size_t next = newline == std::string::npos ? bytes.size() : newline + 1;
    if (next - begin > kMaxTextBytes && shown > 0) break;
    end = next;
    ++shown;
  }
  const size_t kept = std::min(end - begin, kMaxTextBytes);
  const size_t cut = end - begin - kept;
  std::string text = Utf8(bytes.substr(begin, kept));
  if (cut > 0) text += fmt::format("\n[{} more bytes of this line are left out]\n", cut);
  const bool at_end = end >= bytes.size();
  ToolResult result;
  result.value = {{"path", path}, {"size", bytes.size()}, {"media_type", MediaTypeOf(path)},
                  {"text", text}, {"first_line", first},  {"lines", shown},
                  {"end", at_end}};
  if (!at_end) text += fmt::format("[more from line {} on]\n", first + shown);
  if (text.empty()) text = "(nothing)\n";
  result.content.push_back(ToolText{std::move(text)});
  return result;
}

absl::StatusOr<ToolResult> Read(const Workspace& workspace, const std::string& path, int64_t first,
                                int64_t count) {
  auto bytes = ReadBeneath(workspace.root, path, kMaxReadBytes);
  if (!bytes.ok()) return ShowOrFail(bytes.status());
  const std::string media_type = MediaTypeOf(path);
  const bool picture = media_type == "image/png" || media_type == "image/jpeg";
  if (picture && static_cast<int64_t>(bytes->size()) <= kMaxImageBytes) {
    ToolResult result;
    result.value = {{"path", path}, {"size", bytes->size()}, {"media_type", media_type},
                    {"text", ""},   {"first_line", 1},       {"lines", 0},
                    {"end", true}};
    result.content.push_back(ToolImage{media_type, *std::move(bytes)});
    return result;
  }
  // Text has no zero bytes, and compressed or numeric data soon have one.
  if (bytes->substr(0, 64 * 1024).find('\0') != std::string::npos) {
    return ShowOrFail(Error(Reason::kInvalidField,
                            fmt::format("'{}' is no text ({}, {} bytes): read it with code", path,
                                        media_type, bytes->size())));
  }
  return ShowLines(path, *bytes, first, count);
}

absl::StatusOr<ToolResult> Write(const Workspace& workspace, const std::string& path,
                                 const std::string& text) {
  if (!path.starts_with(kOwnPrefix) || path.size() == kOwnPrefix.size()) {
    return ShowOrFail(Error(
        Reason::kPermissionDenied,
        fmt::format("'{}' cannot be written: give a path below files/. Inputs are the user's, and "
                    "the files of a state are made by its code",
                    path)));
  }
  const std::filesystem::path folder = workspace.root / "files";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Error(Reason::kToolFailed, "the folder files/: " + error.message());
  const absl::Status written = WriteBeneath(folder, path.substr(kOwnPrefix.size()), text);
  if (!written.ok()) return ShowOrFail(written);
  ToolResult result;
  result.value = {{"path", path}, {"size", text.size()}};
  result.content.push_back(ToolText{fmt::format("wrote {} bytes to {}\n", text.size(), path)});
  return result;
}

}  // namespace

ListFilesTool::ListFilesTool(std::shared_ptr<WorkerPool> pool) : pool_(std::move(pool)) {
  spec_.name = "list_files";
  spec_.version = "1";
  spec_.brief = "Lists files of the task's workspace.";
  spec_.description =
      "Lists what is in the workspace: inputs (given by the user), files (written by agents), "
      "artifacts (handed out); or in one folder of it, such as states (of the code that ran).";
  const Json folder = PathSchema("Relative to the workspace.");
  spec_.arguments_schema = {
      {"type", "object"},
      {"properties", {{"folder", folder}, {"recursive", {{"type", "boolean"}, {"default", true}}}}},
      {"additionalProperties", false}};
  spec_.result_schema = {{"type", "object"},
                         {"properties",
                          {{"files",
                            {{"type", "array"},
                             {"items",
                              {{"type", "object"},
                               {"properties",
                                {{"path", {{"type", "string"}}},
                                 {"type", {{"enum", {"file", "folder", "link", "other"}}}},
                                 {"size", {{"type", "integer"}}}}},
                               {"required", {"path", "type", "size"}}}}}},
                           {"truncated", {{"type", "boolean"}}}}},
                         {"required", {"files", "truncated"}}};
  spec_.read_only = true;
  spec_.idempotent = true;
}

Async<ToolResult> ListFilesTool::Call(ToolCall call) {
  CancelToken cancel = call.context.cancel;
  std::function<absl::StatusOr<ToolResult>()> work = [call = std::move(call)] {
    return List(call.context.workspace, JsonString(call.arguments, "folder"),
                JsonBool(call.arguments, "recursive", true));
  };
  co_return co_await pool_->Run<ToolResult>(std::move(work), std::move(cancel));
}

ReadFileTool::ReadFileTool(std::shared_ptr<WorkerPool> pool) : pool_(std::move(pool)) {
  spec_.name = "read_file";
  spec_.version = "1";
  spec_.brief = "Reads lines of a text file, or shows a picture, of the task's workspace.";
  spec_.description =
      "Reads a text file of the workspace, some lines at a time, or shows a PNG or JPEG picture. "
      "Other binary files (h5ad, gz, xlsx) are for code.";
  spec_.arguments_schema = {
      {"type", "object"},
      {"properties",
       {{"path", PathSchema("Relative to the workspace, as list_files gives it.")},
        {"first_line", {{"type", "integer"}, {"minimum", 1}, {"default", 1}}},
        {"lines",
         {{"type", "integer"}, {"minimum", 1}, {"maximum", 5000}, {"default", kDefaultLines}}}}},
      {"required", {"path"}},
      {"additionalProperties", false}};
  spec_.result_schema = {
      {"type", "object"},
      {"properties",
       {{"path", {{"type", "string"}}},
        {"size", {{"type", "integer"}}},
        {"media_type", {{"type", "string"}}},
        {"text", {{"type", "string"}}},
        {"first_line", {{"type", "integer"}}},
        {"lines", {{"type", "integer"}, {"description", "How many lines are in text."}}},
        {"end", {{"type", "boolean"}, {"description", "Whether the file ends with them."}}}}},
      {"required", {"path", "size", "media_type", "text", "first_line", "lines", "end"}}};
  spec_.read_only = true;
  spec_.idempotent = true;
}

Async<ToolResult> ReadFileTool::Call(ToolCall call) {
  CancelToken cancel = call.context.cancel;
  std::function<absl::StatusOr<ToolResult>()> work = [call = std::move(call)] {
    return Read(call.context.workspace, JsonString(call.arguments, "path"),
                JsonInt(call.arguments, "first_line", 1),
                JsonInt(call.arguments, "lines", kDefaultLines));
  };
  co_return co_await pool_->Run<ToolResult>(std::move(work), std::move(cancel));
}

WriteFileTool::WriteFileTool(std::shared_ptr<WorkerPool> pool) : pool_(std::move(pool)) {
  spec_.name = "write_file";
  spec_.version = "1";
  spec_.brief = "Writes a text file of the task's workspace.";
  spec_.description = "Writes a text file below files/, replacing what was there.";
  spec_.arguments_schema = {{"type", "object"},
                            {"properties",
                             {{"path", PathSchema("Below files/, such as files/notes.md.")},
                              {"text", {{"type", "string"}, {"maxLength", kMaxWriteBytes}}}}},
                            {"required", {"path", "text"}},
                            {"additionalProperties", false}};
  spec_.result_schema = {
      {"type", "object"},
      {"properties", {{"path", {{"type", "string"}}}, {"size", {{"type", "integer"}}}}},
      {"required", {"path", "size"}}};
  spec_.idempotent = true;
}

Async<ToolResult> WriteFileTool::Call(ToolCall call) {
  CancelToken cancel = call.context.cancel;
  std::function<absl::StatusOr<ToolResult>()> work = [call = std::move(call)] {
    return Write(call.context.workspace, JsonString(call.arguments, "path"),
                 JsonString(call.arguments, "text"));
  };
  co_return co_await pool_->Run<ToolResult>(std::move(work), std::move(cancel));
}

void WriteFileTool::Recall(const ToolCall& call, const ToolResult& result) {
  if (result.is_error) return;
  const std::string path = JsonString(call.arguments, "path");
  const std::string text = JsonString(call.arguments, "text");
  const auto there = ReadBeneath(call.context.workspace.root, path, kMaxReadBytes);
  if (there.ok() && *there == text) return;
  // Where that fails, whoever reads the file is told that it is not there.
  Write(call.context.workspace, path, text).status().IgnoreError();
}

}  // namespace troupe
