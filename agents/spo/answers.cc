#include "agents/spo/answers.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/runtime/branches.h"
#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxParallel = 16;
constexpr size_t kShownBytes = 16 * 1024;  // of one answer

Async<std::string> Answer(const Target* executor, Scope scope, Item item, PromptUnderTest prompt) {
  auto answer = co_await executor->Run(scope, std::move(item), std::move(prompt));
  scope.End(answer.status());
  if (answer.ok()) co_return std::move(answer->text);
  if (!IsFailureOfRun(answer.status())) co_return answer.status();
  co_return fmt::format("(There is no answer: {})", MessageOf(answer.status()));
}

}  // namespace

int64_t AnswerBook::Missing(const std::vector<int>& prompts, const Items& items) const {
  int64_t missing = 0;
  for (const int prompt : prompts) {
    for (const Item* item : items) missing += answers_.contains({prompt, item->id}) ? 0 : 1;
  }
  return missing;
}

AsyncStatus AnswerBook::Fill(const Scope& scope, std::map<int, std::string> texts, Items items) {
  std::vector<NamedBranch<std::string>> branches;
  std::vector<std::pair<int, std::string>> keys;
  for (const auto& [number, text] : texts) {
    const PromptUnderTest prompt = PlainPrompt(text);
    for (const Item* item : items) {
      if (answers_.contains({number, item->id})) continue;
      keys.emplace_back(number, item->id);
      const Target* const executor = executor_;
      branches.push_back({"answer", fmt::format("answer:{}.{}", number, item->id), "",
                          [executor, item, prompt](Scope branch) {
                            return Answer(executor, std::move(branch), *item, prompt);
                          }});
    }
  }
  auto answers = co_await All(scope, std::move(branches), kMaxParallel);
  absl::Status first;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].ok()) {
      answers_[keys[i]] = *std::move(answers[i]);
    } else if (first.ok()) {
      first = answers[i].status();
    }
  }
  co_return first;
}

const std::string& AnswerBook::Of(int prompt, const Item& item) const {
  static const std::string* const none = new std::string();
  const auto found = answers_.find({prompt, item.id});
  return found == answers_.end() ? *none : found->second;
}

Matter MatterOf(const std::string& requirements, const Items& items) {
  Matter matter;
  matter.requirements = requirements;
  bool references = false;
  std::string reference;
  for (size_t i = 0; i < items.size(); ++i) {
    matter.question += fmt::format("Question {}:\n{}\n\n", i + 1, items[i]->question);
    references = references || !items[i]->answer.empty();
    reference += fmt::format("Answer {}:\n{}\n\n", i + 1, items[i]->answer);
  }
  if (references) matter.reference = std::move(reference);
  return matter;
}

std::string SheetOf(const AnswerBook& book, int prompt, const Items& items) {
  std::string sheet;
  for (size_t i = 0; i < items.size(); ++i) {
    sheet +=
        fmt::format("Answer {}:\n{}\n\n", i + 1, Elide(book.Of(prompt, *items[i]), kShownBytes));
  }
  return sheet;
}

std::vector<Answered> AnsweredBy(const AnswerBook& book, int prompt, const Items& items) {
  std::vector<Answered> answered;
  for (const Item* item : items) {
    answered.push_back({item->question, Elide(book.Of(prompt, *item), kShownBytes), item->answer});
  }
  return answered;
}

}  // namespace troupe
