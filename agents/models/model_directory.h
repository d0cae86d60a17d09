// The models of a server, built from its configuration. Thread-safe once it is set up.
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

  // As HttpClient has them: the executor's threads read the replies of models, and calls that are
  // under way end.
  void RunOn(const asio::any_io_executor& executor) { http_.RunOn(executor); }
  void Stop() { http_.Stop(); }

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
