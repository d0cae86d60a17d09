#include "agents/prompts/overlay.h"

#include <memory>
#include <utility>

#include "agents/prompts/prompt_library.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// Some prompts of its own, the others from `below`. Immutable.
class PromptOverlay : public PromptSource {
 public:
  PromptOverlay(std::shared_ptr<const PromptSource> below,
                std::map<std::string, PromptVersion> replaced,
                std::map<std::string, std::string> texts)
      : below_(std::move(below)), replaced_(std::move(replaced)), texts_(std::move(texts)) {}

  absl::StatusOr<PromptVersion> Get(const std::string& name,
                                    const std::string& version) const override {
    const auto found = replaced_.find(name);
    if (found != replaced_.end()) return found->second;
    return below_->Get(name, version);
  }
  absl::StatusOr<PromptTemplate> Compile(const std::string& name,
                                         const std::string& text) const override {
    return below_->Compile(name, text);
  }
  absl::StatusOr<PromptText> TextOf(const std::string& name,
                                    const std::string& version) const override {
    const auto found = texts_.find(name);
    if (found != texts_.end()) return PromptText{0, found->second};
    return below_->TextOf(name, version);
  }
  std::string BriefOf(const std::string& name) const override { return below_->BriefOf(name); }
  std::map<std::string, int> ActiveVersions() const override { return below_->ActiveVersions(); }

 private:
  const std::shared_ptr<const PromptSource> below_;
  const std::map<std::string, PromptVersion> replaced_;
  const std::map<std::string, std::string> texts_;
};

}  // namespace

absl::Status OverlayPrompts(Scope& scope, const std::map<std::string, std::string>& texts) {
  const std::shared_ptr<const PromptSource>& below = scope.prompts();
  std::map<std::string, PromptVersion> replaced;
  Json digests = Json::object();
  for (const auto& [name, text] : texts) {
    ASSIGN_OR_RETURN(PromptTemplate compiled, below->Compile(name, text));
    PromptVersion& version = replaced[name];
    version.prompt = name;
    version.version = 0;
    version.compiled = std::make_shared<const PromptTemplate>(std::move(compiled));
    version.sha256 = Sha256Hex(text);
    digests[name] = version.sha256;
  }
  if (replaced.empty()) return absl::OkStatus();
  scope.UsePrompts(std::make_shared<const PromptOverlay>(below, std::move(replaced), texts));
  scope.Note(kPromptOverlay, std::move(digests));
  return absl::OkStatus();
}

}  // namespace troupe
