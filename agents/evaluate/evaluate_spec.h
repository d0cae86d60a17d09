// What an EvaluateSpec says, checked and compiled. Stateless functions; kInvalidField names the
// field below "spec.evaluate".
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "agents/evaluate/agent_target.h"
#include "agents/evaluate/evaluate.h"
#include "agents/prompts/prompt_library.h"
#include "agents/workflow/workflow_services.h"
#include "troupe/v1/evaluate.pb.h"

namespace troupe {

absl::Status WrongEvaluate(std::string_view field, std::string_view what);

// The number and text fields, and what of the whole must fit together.
absl::Status CheckEvaluateSpec(const v1::EvaluateSpec& spec);

// The target, over items with these fields.
absl::StatusOr<std::shared_ptr<const Target>> MakeTarget(const v1::EvaluateSpec& spec,
                                                         const std::vector<std::string>& known,
                                                         const WorkflowServices& services);

// The graders, "normalized" where the spec names none.
absl::StatusOr<GraderSet> MakeGraders(const v1::EvaluateSpec& spec);

// The texts of registered variants as they are now, to be fixed: an array of {"prompt", "version",
// "text"} for each variant, null for one that is not registered.
absl::StatusOr<Json> ReadRegistered(const v1::EvaluateSpec& spec, const PromptSource& prompts);

// The variants with these texts, each compiled; at least one.
absl::StatusOr<std::vector<EvaluatedVariant>> MakeVariants(const v1::EvaluateSpec& spec,
                                                           const Json& registered,
                                                           const std::vector<std::string>& known,
                                                           const PromptSource& prompts);

// "prompts/NAME" or "prompts/NAME/versions/N" in its parts; the version may be empty.
struct RegisteredName {
  std::string prompt;
  std::string version;
};
absl::StatusOr<RegisteredName> ParseRegistered(const std::string& name);

}  // namespace troupe
