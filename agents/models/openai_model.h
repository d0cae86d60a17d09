// A model behind an OpenAI-compatible server: OpenAI, llama.cpp, vLLM, Ollama and others.
// Thread-safe.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "agents/models/chat_model.h"
#include "agents/models/model_config.h"
#include "tools/base/mutex.h"

namespace troupe {

// Sends each request once, and once more, with its schema in the prompt, if the server refuses it
// for its schema; see retrying_model.h and limited_model.h for what goes around it.
class OpenAiModel : public ChatModel {
 public:
  // `http` outlives the model.
  OpenAiModel(ModelConfig config, HttpClient* http);

  const std::string& name() const override { return config_.name; }
  const ModelCapabilities& capabilities() const override { return config_.capabilities; }
  CostEstimate Estimate(const ChatRequest& request) const override;
  Async<ChatReply> Complete(ChatCallPtr call) override;

 private:
  HttpRequest Post(SharedText body) const;
  // Without the schema, said in the prompt, where the backend knows none.
  Async<ChatReply> SendWithSchema(ChatCallPtr call);
  Async<ChatReply> Send(ChatCallPtr call);
  bool HasRefused(const std::string& schema) const;
  void NoteRefused(const std::string& schema);

  const ModelConfig config_;
  HttpClient* http_;
  mutable Mutex mutex_;
  // Names of the schemas that the server did not take: these go into the prompt.
  std::set<std::string> refused_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
