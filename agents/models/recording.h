// A recording of model replies: one JSON object a line,
//   {"task": "", "role": "planner", "path": "plan/propose", "reply": {"text": "...",
//    "tool_uses": [{"name", "arguments"}], "usage": {"input_tokens", "output_tokens"}}}
// where "task" and "path" may be left out. A line with a path answers the call at that path; lines
// without one answer the calls of their role in order.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "agents/models/chat_model.h"
#include "agents/models/model_config.h"
#include "tools/base/mutex.h"

namespace troupe {

// Answers from a recording in a model's place. Stateless after loading, so that a task that is run
// again gets the same replies. Thread-safe.
class RecordedModel : public ChatModel {
 public:
  // kInvalidField, naming file and line, for a recording that cannot be read.
  static absl::StatusOr<std::unique_ptr<RecordedModel>> Load(ModelConfig config);

  const std::string& name() const override { return config_.name; }
  const ModelCapabilities& capabilities() const override { return config_.capabilities; }
  CostEstimate Estimate(const ChatRequest& request) const override;
  // kRecordingExhausted, naming role, path and order, if the recording has no reply for the call.
  Async<ChatReply> Complete(ChatCallPtr call) override;

 private:
  explicit RecordedModel(ModelConfig config) : config_(std::move(config)) {}
  const Json* Find(const std::string& task, const ChatContext& context) const;

  const ModelConfig config_;
  std::map<std::tuple<std::string, std::string, std::string>, Json> by_path_;  // task, role, path
  std::map<std::pair<std::string, std::string>, std::vector<Json>> by_order_;  // task, role
};

// Appends every reply of the wrapped model to a recording. Thread-safe.
class RecordingModel : public ChatModel {
 public:
  static absl::StatusOr<std::unique_ptr<RecordingModel>> Open(std::unique_ptr<ChatModel> model,
                                                              const std::string& file);

  const std::string& name() const override { return model_->name(); }
  const ModelCapabilities& capabilities() const override { return model_->capabilities(); }
  CostEstimate Estimate(const ChatRequest& request) const override;
  Async<ChatReply> Complete(ChatCallPtr call) override;

 private:
  RecordingModel(std::unique_ptr<ChatModel> model, std::ofstream file)
      : model_(std::move(model)), file_(std::move(file)) {}

  std::unique_ptr<ChatModel> model_;
  Mutex mutex_;
  std::ofstream file_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
