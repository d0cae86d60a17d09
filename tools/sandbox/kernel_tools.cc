#include "tools/sandbox/kernel_tools.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "tools/artifact_file.h"
#include "tools/base/error.h"
#include "tools/base/safe_file.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int64_t kMaxArtifactBytes = int64_t{1024} * 1024 * 1024;

std::optional<std::string> FromOf(const Json& arguments) {
  if (!arguments.contains("from")) return std::nullopt;
  return JsonString(arguments, "from");
}

std::string StateOf(const ToolCall& call) {
  return JsonString(call.arguments, "state", call.context.path);
}

// What a person would read of one output; images apart.
std::string TextOf(const Json& output) {
  const std::string type = JsonString(output, "output_type");
  if (type == "stream") return JsonString(output, "text");
  if (type == "error") {
    std::string text;
    for (const Json& line : JsonArray(output, "traceback")) {
      if (line.is_string()) text += line.get<std::string>() + "\n";
    }
    if (!text.empty()) return text;
    return JsonString(output, "ename") + ": " + JsonString(output, "evalue") + "\n";
  }
  const Json data = JsonObject(output, "data");
  const std::string text = JsonString(data, "text/plain");
  return text.empty() ? "" : text + "\n";
}

}  // namespace

std::vector<ToolContent> TakeContent(Json& outputs) {
  std::vector<ToolContent> content;
  for (Json& output : outputs) {
    if (const std::string text = TextOf(output); !text.empty()) {
      auto* last = content.empty() ? nullptr : std::get_if<ToolText>(&content.back());
      if (last != nullptr) {
        last->text += text;
      } else {
        content.push_back(ToolText{text});
      }
    }
    if (!output.contains("data") || !output["data"].is_object()) continue;
    for (auto& [type, value] : output["data"].items()) {
      std::string bytes;
      if ((type != "image/png" && type != "image/jpeg") || !value.is_string()) continue;
      if (!absl::Base64Unescape(value.get<std::string>(), &bytes)) continue;
      content.push_back(ToolImage{type, std::move(bytes)});
      value = {{"content", content.size() - 1}};
    }
  }
  return content;
}

KernelTool::KernelTool(std::string language, std::shared_ptr<KernelHost> host)
    : language_(std::move(language)), host_(std::move(host)) {
  const std::string title = language_ == "r" ? "R" : "Python";
  spec_.name = language_;
  spec_.version = "1";
  spec_.brief = fmt::format("Runs {} code and shows what it prints, returns and plots.", title);
  spec_.description = fmt::format(
      "Runs {} code in a kernel of the task's own, cut off from the network, in a folder where "
      "inputs/ holds the task's files. Variables, imports and files stay from call to call; a call "
      "that fails changes nothing.",
      title);
  if (const absl::Status ready = host_->CheckLanguage(language_); !ready.ok()) {
    spec_.description = fmt::format("Cannot be used here: {}.", MessageOf(ready));
  }
  spec_.arguments_schema = {
      {"type", "object"},
      {"properties",
       {{"code", {{"type", "string"}, {"minLength", 1}}},
        {"from",
         {{"type", "string"},
          {"description",
           "An earlier state to go back to and continue from. Leave it out to continue from the "
           "newest."}}},
        {"state",
         {{"type", "string"},
          {"minLength", 1},
          {"description",
           "A name for the new state, if you may want to go back to it. Leave it out otherwise."}}},
        {"discard",
         {{"type", "array"},
          {"items", {{"type", "string"}}},
          {"description", "States that are not needed any more. Leave it out."}}}}},
      {"required", {"code"}},
      {"additionalProperties", false}};
  spec_.result_schema = {
      {"type", "object"},
      {"properties",
       {{"state", {{"type", "string"}}},
        {"status", {{"enum", {"ok", "error", "timeout", "killed"}}}},
        {"outputs", {{"type", "array"}}},
        {"from", {{"type", "string"}, {"description", "The state it continued from."}}}}},
      {"required", {"state", "status", "outputs"}}};
  // A cell that was interrupted left nothing behind: its state never came to be.
  spec_.idempotent = true;
  spec_.timeout = host_->config().cell_time + absl::Seconds(30);
  spec_.output_limit_bytes = int64_t{host_->config().output_kb} * 1024 * 2;
}

Async<ToolResult> KernelTool::Call(ToolCall call) {
  const std::string state = StateOf(call);
  for (const Json& discarded : JsonArray(call.arguments, "discard")) {
    host_->Discard(language_, call.context, discarded.get<std::string>());
  }
  std::string code = JsonString(call.arguments, "code");
  std::optional<std::string> from = FromOf(call.arguments);
  CO_ASSIGN_OR_RETURN(CellResult cell,
                      co_await host_->Run(language_, std::move(call.context), state,
                                          std::move(from), std::move(code)));
  ToolResult result;
  result.content = TakeContent(cell.outputs);
  // Else the value would be shown: with the state's name, which tells apart what is the same.
  if (result.content.empty()) result.content.push_back(ToolText{"(nothing)\n"});
  result.is_error = cell.status != "ok";
  result.value = {{"state", state}, {"status", cell.status}, {"outputs", std::move(cell.outputs)}};
  if (!result.is_error) result.value["from"] = cell.from;
  co_return result;
}

void KernelTool::Recall(const ToolCall& call, const ToolResult& result) {
  if (result.is_error) return;
  // Which state a call without "from" went on from is known by its result alone.
  std::optional<std::string> from = FromOf(call.arguments);
  if (result.value.contains("from")) from = JsonString(result.value, "from");
  host_->Recall(language_, call.context, StateOf(call), std::move(from),
                JsonString(call.arguments, "code"), call.context.recorded_end);
}

void KernelTool::Forget(std::string_view task_id) { host_->Forget(std::string(task_id)); }

void KernelTool::ForgetRoom(std::string_view task_id, std::string_view room) {
  host_->ForgetRoom(std::string(task_id), std::string(room));
}

PublishTool::PublishTool(std::shared_ptr<KernelHost> host) : host_(std::move(host)) {
  spec_.name = "publish";
  spec_.version = "1";
  spec_.brief = "Hands out files that code has made.";
  spec_.description =
      "Hands files that code wrote out to the user, as artifacts of the task. Print shows text, "
      "and "
      "plots are shown by themselves: only what is published reaches the user as a file.";
  spec_.arguments_schema = {
      {"type", "object"},
      {"properties",
       {{"state",
         {{"type", "string"},
          {"description", "The state whose files are meant. Leave it out for the newest."}}},
        {"files",
         {{"type", "array"},
          {"maxItems", 200},
          {"items",
           {{"type", "object"},
            {"properties",
             {{"file",
               {{"type", "string"},
                {"minLength", 1},
                {"description", "Its path, as the code wrote it."}}},
              {"description", {{"type", "string"}}}}},
            {"required", {"file"}}}}}}}},
      {"required", {"files"}}};
  spec_.result_schema = {{"type", "object"},
                         {"properties", {{"missing", {{"type", "array"}}}}},
                         {"required", {"missing"}}};
  spec_.idempotent = true;
}

Async<ToolResult> PublishTool::Call(ToolCall call) {
  CO_ASSIGN_OR_RETURN(const std::filesystem::path folder,
                      co_await host_->FolderOf(call.context, JsonString(call.arguments, "state")));
  ToolResult result;
  result.value = {{"missing", Json::array()}};
  std::string shown;
  for (const Json& entry : call.arguments["files"]) {
    const std::string file = JsonString(entry, "file");
    const auto bytes = ReadBeneath(folder, file, kMaxArtifactBytes);
    if (!bytes.ok()) {
      result.value["missing"].push_back(file);
      continue;
    }
    std::string name = std::filesystem::path(file).filename().string();
    CO_ASSIGN_OR_RETURN(Artifact artifact, PutArtifact(call.context.workspace, std::move(name),
                                                       JsonString(entry, "description"), *bytes));
    shown += fmt::format("handed out {} ({} bytes)\n", artifact.name, artifact.size_bytes);
    result.artifacts.push_back(std::move(artifact));
  }
  for (const Json& file : result.value["missing"]) {
    shown += fmt::format("there is no file {}\n", file.get<std::string>());
  }
  result.content.push_back(ToolText{std::move(shown)});
  co_return result;
}

}  // namespace troupe
