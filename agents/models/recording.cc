#include "agents/models/recording.h"

#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

ChatReply DecodeReply(const Json& stored, const ChatRequest& request, const ModelConfig& config) {
  ChatReply reply;
  reply.message = AssistantMessage(JsonString(stored, "text"));
  int number = 0;
  for (const Json& use : JsonArray(stored, "tool_uses")) {
    const std::string malformed = JsonString(use, "malformed_arguments");
    reply.message.tool_uses.push_back({fmt::format("call_{}", ++number), JsonString(use, "name"),
                                       malformed.empty() ? JsonObject(use, "arguments") : Json(),
                                       malformed});
  }
  if (!reply.message.tool_uses.empty()) reply.finish = FinishReason::kToolUse;
  if (JsonString(stored, "finish") == "length") reply.finish = FinishReason::kLength;
  const Json& usage = JsonMember(stored, "usage");
  if (usage.is_object()) {
    reply.usage.input_tokens = JsonInt(usage, "input_tokens");
    reply.usage.output_tokens = JsonInt(usage, "output_tokens");
  } else {
    reply.usage.estimated = true;
    reply.usage.input_tokens = EstimateTokens(request);
    reply.usage.output_tokens = EstimateTokens(reply.message.text());
  }
  reply.cost_microusd = CostOf(reply.usage, config.price);
  reply.model = config.name;
  return reply;
}

Json EncodeReply(const ChatReply& reply) {
  Json stored = {
      {"text", reply.message.text()},
      {"usage",
       {{"input_tokens", reply.usage.input_tokens}, {"output_tokens", reply.usage.output_tokens}}}};
  for (const ToolUse& use : reply.message.tool_uses) {
    Json call = {{"name", use.name}, {"arguments", use.arguments}};
    if (!use.malformed_arguments.empty()) call["malformed_arguments"] = use.malformed_arguments;
    stored["tool_uses"].push_back(std::move(call));
  }
  if (reply.finish == FinishReason::kLength) stored["finish"] = "length";
  return stored;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecordedModel>> RecordedModel::Load(ModelConfig config) {
  std::ifstream file(config.recording);
  if (!file) {
    return Error(
        Reason::kInvalidField,
        fmt::format("model '{}': the recording {} cannot be opened", config.name, config.recording),
        {{"file", config.recording}});
  }
  std::unique_ptr<RecordedModel> model(new RecordedModel(std::move(config)));
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty()) continue;
    const std::string where = fmt::format("{}:{}", model->config_.recording, number);
    ASSIGN_OR_RETURN(const Json entry, ParseJson(line, where));
    if (!entry.is_object() || !entry.contains("reply") || !entry["reply"].is_object() ||
        JsonString(entry, "role").empty()) {
      return Error(Reason::kInvalidField, where + ": an entry needs a role and a reply",
                   {{"file", model->config_.recording}});
    }
    const std::string task = JsonString(entry, "task");
    const std::string role = JsonString(entry, "role");
    const std::string path = JsonString(entry, "path");
    if (path.empty()) {
      model->by_order_[{task, role}].push_back(entry["reply"]);
    } else {
      model->by_path_[{task, role, path}] = entry["reply"];
    }
  }
  return model;
}

CostEstimate RecordedModel::Estimate(const ChatRequest& request) const {
  return EstimateCost(request, config_);
}

const Json* RecordedModel::Find(const std::string& task, const ChatContext& context) const {
  const auto exact = by_path_.find({task, context.role, context.path});
  if (exact != by_path_.end()) return &exact->second;
  const auto ordered = by_order_.find({task, context.role});
  if (ordered == by_order_.end() || context.role_order < 0 ||
      static_cast<size_t>(context.role_order) >= ordered->second.size()) {
    return nullptr;
  }
  return &ordered->second[static_cast<size_t>(context.role_order)];
}

Async<ChatReply> RecordedModel::Complete(ChatCallPtr call) {
  const ChatContext& context = call->context;
  CO_RETURN_IF_ERROR(context.cancel.status());
  const Json* stored = Find(context.task_label, context);
  if (stored == nullptr) stored = Find("", context);
  if (stored == nullptr) {
    co_return Error(
        Reason::kRecordingExhausted,
        fmt::format("the recording {} has no reply for call {} of the role {} (path {}, task '{}')",
                    config_.recording, context.role_order + 1, context.role, context.path,
                    context.task_label),
        {{"role", context.role},
         {"path", context.path},
         {"order", std::to_string(context.role_order)},
         {"file", config_.recording}});
  }
  ChatReply reply = DecodeReply(*stored, call->request, config_);
  if (context.on_text) context.on_text(reply.message.text());
  co_return reply;
}

absl::StatusOr<std::unique_ptr<RecordingModel>> RecordingModel::Open(
    std::unique_ptr<ChatModel> model, const std::string& file) {
  std::ofstream stream(file, std::ios::app);
  if (!stream) {
    return Error(Reason::kInvalidField,
                 fmt::format("model '{}': cannot record to {}", model->name(), file),
                 {{"file", file}});
  }
  return std::unique_ptr<RecordingModel>(new RecordingModel(std::move(model), std::move(stream)));
}

CostEstimate RecordingModel::Estimate(const ChatRequest& request) const {
  return model_->Estimate(request);
}

Async<ChatReply> RecordingModel::Complete(ChatCallPtr call) {
  CO_ASSIGN_OR_RETURN(ChatReply reply, co_await model_->Complete(call));
  const Json entry = {
      {"role", call->context.role}, {"path", call->context.path}, {"reply", EncodeReply(reply)}};
  {
    MutexLock lock(&mutex_);
    file_ << DumpJson(entry) << std::endl;
  }
  co_return reply;
}

}  // namespace troupe
