#include "agents/evaluate/target.h"

#include <fmt/format.h>

#include <set>

#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kIdDigits = 12;
constexpr char kQuestion[] = "question";

std::string ContentId(const std::string& text) {
  return "sha256:" + Sha256Hex(text).substr(0, kIdDigits);
}

// What a template may call a variable; fields of other names are not for templates.
bool IsVariableName(const std::string& name) {
  if (name.empty() || !(name[0] >= 'a' && name[0] <= 'z')) return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

}  // namespace

PromptUnderTest PlainPrompt(std::string text) {
  std::string id = ContentId(text);
  return {std::move(id), std::move(text), nullptr};
}

absl::StatusOr<PromptUnderTest> TemplatePrompt(std::string text,
                                               const std::vector<std::string>& known) {
  std::set<std::string> variables = {kQuestion};
  for (const std::string& field : known) {
    if (IsVariableName(field)) variables.insert(field);
  }
  ASSIGN_OR_RETURN(PromptTemplate compiled, PromptTemplate::Parse(text, variables));
  std::string id = ContentId(text);
  return PromptUnderTest{std::move(id), std::move(text),
                         std::make_shared<const PromptTemplate>(std::move(compiled))};
}

absl::StatusOr<std::string> FillPrompt(const PromptUnderTest& prompt, const Item& item) {
  if (prompt.compiled == nullptr) {
    // One empty line between them, whether the text's last line has an end or not.
    std::string_view text = prompt.text;
    while (text.ends_with('\n')) text.remove_suffix(1);
    return text.empty() ? item.question : fmt::format("{}\n\n{}", text, item.question);
  }
  Json values = Json::object();
  for (const std::string& name : prompt.compiled->used()) {
    if (name == item.answer_field) {
      return Error(Reason::kInvalidField,
                   fmt::format("the prompt {} uses '{}', the answer that is expected: whoever "
                               "answers must not see it",
                               prompt.id, name),
                   {{"variable", name}});
    }
    if (name == kQuestion) {
      values[name] = item.question;
    } else if (item.fields.contains(name)) {
      values[name] = item.fields[name];
    } else {
      return Error(Reason::kInvalidField,
                   fmt::format("item {} has no field '{}', which the prompt {} uses", item.id, name,
                               prompt.id),
                   {{"variable", name}, {"item", item.id}});
    }
  }
  ASSIGN_OR_RETURN(std::string text, prompt.compiled->Render(values));
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

Async<TargetAnswer> PromptTarget::Run(const Scope& scope, Item item, PromptUnderTest prompt) const {
  CO_ASSIGN_OR_RETURN(std::string message, FillPrompt(prompt, item));
  ChatRequest request;
  request.prompt = prompt.id;
  request.messages.push_back(UserMessage(std::move(message)));
  request.temperature = options_.temperature;
  request.max_tokens = options_.max_tokens;
  CO_ASSIGN_OR_RETURN(const ChatReply reply,
                      co_await scope.Chat("call", options_.role, std::move(request)));
  co_return TargetAnswer{reply.message.text(), scope.usage()};
}

}  // namespace troupe
