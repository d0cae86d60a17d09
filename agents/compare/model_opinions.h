// Opinions of the model that plays a role.
#pragma once

#include <optional>
#include <string>

#include "agents/compare/opinions.h"

namespace troupe {

struct OpinionSettings {
  // kJson: a reply by a schema, in which texts may be the same. kTags: SPO's published XML tags.
  enum class Form { kJson, kTags };
  std::string role = "evaluator";
  Form form = Form::kJson;
  std::optional<double> temperature;
};

class ModelOpinions : public Opinions {
 public:
  explicit ModelOpinions(OpinionSettings settings) : settings_(std::move(settings)) {}

  Async<Opinion> Prefer(const Scope& scope, std::string name, Matter matter, std::string first,
                        std::string second) const override;
  Async<RankingOpinion> Rank(const Scope& scope, std::string name, Matter matter,
                             std::vector<std::string> texts) const override;

 private:
  const OpinionSettings settings_;
};

// The text of the first <tag>...</tag>, without the space around it; none without one.
std::optional<std::string> TextInTag(std::string_view text, std::string_view tag);

}  // namespace troupe
