// The models of a server, built from its configuration. Immutable after Create and thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/models/chat_model.h"
#include "agents/models/model_config.h"

namespace troupe {

class ConfiguredModels : public ModelDirectory {
 public:
  // `roles` maps a role to a model's name; the role "default" serves all others.
  // kInvalidField for a name used twice or not known, and for a recording that cannot be read.
  static absl::StatusOr<std::unique_ptr<ConfiguredModels>> Create(
      std::vector<ModelConfig> models, std::map<std::string, std::string> roles);
  ~ConfiguredModels() override;

  absl::StatusOr<ChatModel*> ForRole(std::string_view role,
                                     std::string_view override_name) const override;

  // kInvalidField, listing the names that exist, if there is no such model.
  absl::StatusOr<ChatModel*> Named(std::string_view name) const;

 private:
  ConfiguredModels();
  absl::Status Add(const ModelConfig& config);

  HttpClient http_;
  std::map<std::string, std::unique_ptr<ChatModel>, std::less<>> models_;
  std::map<std::string, std::string, std::less<>> roles_;
};

}  // namespace troupe
