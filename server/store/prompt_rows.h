// The rows of the tables in which prompts are kept. Stateless functions, for StoredPrompts alone.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <utility>
#include <vector>

#include "server/store/prompt_store.h"
#include "server/store/sqlite.h"

namespace troupe {

using NamedVersion = std::pair<std::string, PromptVersionRecord>;
using NamedPromotion = std::pair<std::string, PromotionRecord>;

absl::Status InsertPrompt(Connection& connection, const PromptDefinition& prompt, absl::Time time);
// Users' prompts, by name.
absl::StatusOr<std::vector<PromptDefinition>> ReadPrompts(Connection& connection);

absl::Status InsertVersion(Connection& connection, const std::string& prompt,
                           const PromptVersionRecord& version);
// By prompt and version.
absl::StatusOr<std::vector<NamedVersion>> ReadVersions(Connection& connection);

absl::Status InsertPromotion(Connection& connection, const std::string& prompt,
                             const PromotionRecord& promotion);
// Oldest first; previous_version is not set.
absl::StatusOr<std::vector<NamedPromotion>> ReadPromotions(Connection& connection);

}  // namespace troupe
