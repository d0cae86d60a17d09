#include "tools/builtin/file_tools.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/safe_file.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int64_t kMaxFileBytes = 64 * 1024 * 1024;
constexpr int kMaxListed = 1000;
constexpr char kFilesFolder[] = "files";
const char* const kFolders[] = {"inputs", kFilesFolder, "artifacts"};

const Json kPath = {{"type", "string"}, {"minLength", 1}, {"maxLength", 1024}};

// What went wrong, for the agent: it may choose another path.
ToolResult AsAgentError(const absl::Status& status) {
  ToolResult result;
  result.is_error = true;
  result.content.push_back(ToolText{std::string(MessageOf(status))});
  return result;
}

absl::Status CheckFolder(const std::string& path) {
  for (const char* folder : kFolders) {
    if (path.starts_with(std::string(folder) + "/")) return absl::OkStatus();
  }
  return Error(Reason::kPermissionDenied,
               fmt::format("'{}' is not below inputs/, files/ or artifacts/", path),
               {{"file", path}});
}

class ListFilesTool : public Tool {
 public:
  ListFilesTool() {
    spec_.name = "list_files";
    spec_.version = "1";
    spec_.brief = "Lists the files of the task's workspace.";
    spec_.description = "Lists all files below inputs/, files/ and artifacts/ with their sizes.";
    spec_.arguments_schema = {{"type", "object"}, {"additionalProperties", false}};
    spec_.result_schema = {{"type", "object"},
                           {"properties", {{"files", {{"type", "array"}}}}},
                           {"required", {"files"}}};
    spec_.read_only = true;
  }
  const ToolSpec& spec() const override { return spec_; }

  Async<ToolResult> Call(ToolCall call) override {
    ToolResult result;
    result.value = {{"files", Json::array()}};
    std::string text;
    for (const char* folder : kFolders) {
      const auto root = call.context.workspace.root / folder;
      std::error_code error;
      auto entry = std::filesystem::recursive_directory_iterator(root, error);
      for (; !error && entry != std::filesystem::recursive_directory_iterator();
           entry.increment(error)) {
        struct stat info;
        if (lstat(entry->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
        if (result.value["files"].size() >= kMaxListed) break;
        const std::string path =
            std::filesystem::path(folder) / entry->path().lexically_relative(root);
        result.value["files"].push_back({{"path", path}, {"size_bytes", info.st_size}});
        text += fmt::format("{} ({} bytes)\n", path, info.st_size);
      }
    }
    result.content.push_back(ToolText{text.empty() ? "There are no files." : text});
    co_return result;
  }

 private:
  ToolSpec spec_;
};

class ReadFileTool : public Tool {
 public:
  ReadFileTool() {
    spec_.name = "read_file";
    spec_.version = "1";
    spec_.brief = "Reads a text file of the task's workspace.";
    spec_.description =
        "Reads a file below inputs/, files/ or artifacts/, from a byte offset, at most `limit` "
        "bytes.";
    spec_.arguments_schema = {{"type", "object"},
                              {"properties",
                               {{"path", kPath},
                                {"offset", {{"type", "integer"}, {"minimum", 0}}},
                                {"limit", {{"type", "integer"}, {"minimum", 1}}}}},
                              {"required", {"path"}},
                              {"additionalProperties", false}};
    spec_.result_schema = {{"type", "object"},
                           {"properties", {{"size_bytes", {{"type", "integer"}}}}},
                           {"required", {"size_bytes"}}};
    spec_.read_only = true;
  }
  const ToolSpec& spec() const override { return spec_; }

  Async<ToolResult> Call(ToolCall call) override {
    const std::string path = JsonString(call.arguments, "path");
    if (const absl::Status allowed = CheckFolder(path); !allowed.ok()) {
      co_return AsAgentError(allowed);
    }
    const auto bytes = ReadBeneath(call.context.workspace.root, path, kMaxFileBytes);
    if (!bytes.ok()) co_return AsAgentError(bytes.status());
    const size_t offset =
        std::min(bytes->size(), static_cast<size_t>(JsonInt(call.arguments, "offset")));
    const auto limit = static_cast<size_t>(JsonInt(call.arguments, "limit", kMaxFileBytes));
    ToolResult result;
    result.value = {{"size_bytes", bytes->size()}};
    result.content.push_back(ToolText{bytes->substr(offset, limit)});
    co_return result;
  }

 private:
  ToolSpec spec_;
};

class WriteFileTool : public Tool {
 public:
  WriteFileTool() {
    spec_.name = "write_file";
    spec_.version = "1";
    spec_.brief = "Writes a text file of the task's workspace.";
    spec_.description = "Writes a file below files/, replacing what was there.";
    spec_.arguments_schema = {{"type", "object"},
                              {"properties", {{"path", kPath}, {"text", {{"type", "string"}}}}},
                              {"required", {"path", "text"}},
                              {"additionalProperties", false}};
    spec_.result_schema = {{"type", "object"},
                           {"properties", {{"size_bytes", {{"type", "integer"}}}}},
                           {"required", {"size_bytes"}}};
    spec_.idempotent = true;
  }
  const ToolSpec& spec() const override { return spec_; }

  Async<ToolResult> Call(ToolCall call) override {
    const std::string path = JsonString(call.arguments, "path");
    const std::string prefix = std::string(kFilesFolder) + "/";
    if (!path.starts_with(prefix)) {
      co_return AsAgentError(Error(Reason::kPermissionDenied,
                                   fmt::format("'{}': only files/ can be written to", path)));
    }
    const auto folder = call.context.workspace.root / kFilesFolder;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    const std::string text = JsonString(call.arguments, "text");
    const absl::Status written = WriteBeneath(folder, path.substr(prefix.size()), text);
    if (!written.ok()) co_return AsAgentError(written);
    ToolResult result;
    result.value = {{"size_bytes", text.size()}};
    result.content.push_back(ToolText{fmt::format("{} bytes written to {}", text.size(), path)});
    co_return result;
  }

 private:
  ToolSpec spec_;
};

}  // namespace

std::vector<std::shared_ptr<Tool>> MakeFileTools() {
  return {std::make_shared<ListFilesTool>(), std::make_shared<ReadFileTool>(),
          std::make_shared<WriteFileTool>()};
}

}  // namespace troupe
