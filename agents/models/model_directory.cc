#include "agents/models/model_directory.h"

#include <fmt/format.h>

#include "agents/models/anthropic_model.h"
#include "agents/models/fallback_model.h"
#include "agents/models/limited_model.h"
#include "agents/models/openai_model.h"
#include "agents/models/recording.h"
#include "agents/models/retrying_model.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr std::string_view kDefaultRole = "default";

std::unique_ptr<ChatModel> WithManners(std::unique_ptr<ChatModel> model,
                                       const ModelConfig& config) {
  // Each attempt takes a turn of its own, so that a call that waits to be retried blocks nobody.
  auto limited = std::make_unique<LimitedModel>(std::move(model), config.limits);
  return std::make_unique<RetryingModel>(std::move(limited), config.retries);
}

}  // namespace

ConfiguredModels::ConfiguredModels() = default;
ConfiguredModels::~ConfiguredModels() = default;

absl::StatusOr<std::unique_ptr<ConfiguredModels>> ConfiguredModels::Create(
    std::vector<ModelConfig> models, std::map<std::string, std::string> roles) {
  std::unique_ptr<ConfiguredModels> directory(new ConfiguredModels());
  // A chain names models that may stand after it in the file.
  for (bool chains : {false, true}) {
    for (const ModelConfig& config : models) {
      if ((config.kind == ModelKind::kFallback) == chains) RETURN_IF_ERROR(directory->Add(config));
    }
  }
  for (const auto& [role, name] : roles) {
    RETURN_IF_ERROR(Annotate(directory->Named(name).status(), fmt::format("the role '{}'", role)));
  }
  directory->roles_.insert(roles.begin(), roles.end());
  return directory;
}

absl::Status ConfiguredModels::Add(const ModelConfig& config) {
  if (models_.contains(config.name)) {
    return Error(Reason::kInvalidField, fmt::format("two models are named '{}'", config.name),
                 {{"model", config.name}});
  }
  std::unique_ptr<ChatModel> model;
  switch (config.kind) {
    case ModelKind::kOpenAi:
      model = WithManners(std::make_unique<OpenAiModel>(config, &http_), config);
      break;
    case ModelKind::kAnthropic:
      model = WithManners(std::make_unique<AnthropicModel>(config, &http_), config);
      break;
    case ModelKind::kRecorded: {
      ASSIGN_OR_RETURN(model, RecordedModel::Load(config));
      break;
    }
    case ModelKind::kFallback: {
      std::vector<ChatModel*> chain;
      for (const std::string& name : config.fallbacks) {
        ASSIGN_OR_RETURN(ChatModel * link, Named(name));
        chain.push_back(link);
      }
      if (chain.empty()) {
        return Error(Reason::kInvalidField,
                     fmt::format("the model '{}' names no fallbacks", config.name),
                     {{"model", config.name}});
      }
      model = std::make_unique<FallbackModel>(config.name, std::move(chain));
      break;
    }
  }
  if (!config.record_to.empty()) {
    ASSIGN_OR_RETURN(model, RecordingModel::Open(std::move(model), config.record_to));
  }
  models_.emplace(config.name, std::move(model));
  return absl::OkStatus();
}

absl::StatusOr<ChatModel*> ConfiguredModels::Named(std::string_view name) const {
  const auto found = models_.find(name);
  if (found != models_.end()) return found->second.get();
  std::vector<std::string_view> names;
  for (const auto& [known, model] : models_) names.push_back(known);
  return Error(Reason::kInvalidField,
               fmt::format("there is no model '{}'; the configuration has: {}", name,
                           fmt::join(names, ", ")),
               {{"model", std::string(name)}});
}

absl::StatusOr<ChatModel*> ConfiguredModels::ForRole(std::string_view role,
                                                     std::string_view override_name) const {
  if (!override_name.empty()) return Named(override_name);
  auto found = roles_.find(role);
  if (found == roles_.end()) found = roles_.find(kDefaultRole);
  if (found != roles_.end()) return Named(found->second);
  return Error(Reason::kInvalidField,
               fmt::format("no model serves the role '{}': add it, or a default, to [roles] of the "
                           "configuration",
                           role),
               {{"role", std::string(role)}});
}

}  // namespace troupe
