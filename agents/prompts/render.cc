#include "agents/prompts/render.h"

#include <utility>

#include "agents/prompts/prompt_library.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {

absl::StatusOr<RenderedPrompt> RenderPrompt(const Scope& scope, const std::string& prompt,
                                            const Json& values) {
  const auto& chosen = scope.options().prompts;
  const auto fixed = chosen.find(prompt);
  ASSIGN_OR_RETURN(
      const PromptVersion version,
      scope.prompts()->Get(prompt, fixed == chosen.end() ? std::string() : fixed->second));
  auto text = version.compiled->Render(values);
  if (!text.ok()) return Annotate(text.status(), "prompt " + prompt);
  while (text->ends_with('\n')) text->pop_back();
  return RenderedPrompt{version.id(), *std::move(text)};
}

absl::StatusOr<ChatRequest> PromptRequest(const Scope& scope, const std::string& prompt,
                                          const Json& values) {
  ASSIGN_OR_RETURN(RenderedPrompt rendered, RenderPrompt(scope, prompt, values));
  ChatRequest request;
  request.prompt = std::move(rendered.id);
  request.messages.push_back(UserMessage(std::move(rendered.text)));
  return request;
}

}  // namespace troupe
