// What a provider offers, checked, as the server's own types, and how a tool's definition is kept.
// Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "tools/environment.h"
#include "tools/tool.h"
#include "troupe/v1/attach.pb.h"

namespace troupe {

struct Offers {
  std::vector<ToolSpec> tools;
  std::vector<EnvironmentSpec> environments;
};

// kInvalidField, naming the field, for what is no offer.
absl::StatusOr<Offers> ReadOffers(const v1::ProviderHello& hello);

// kInvalidField for a provider's id that is none; an empty one is fine.
absl::Status CheckProviderId(const std::string& id);

// A definition as JSON, equal for equal definitions, and back.
Json SpecJson(const ToolSpec& spec);
absl::StatusOr<ToolSpec> SpecFromJson(const Json& json);
Json SpecJson(const EnvironmentSpec& spec);

// "dice@1": what names one version of a tool.
std::string PinnedName(const ToolSpec& spec);

}  // namespace troupe
