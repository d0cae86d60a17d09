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
constexpr size_t kFewer = 4;               // times fewer runs at once after some were refused
constexpr int64_t kFirstRuns = 3;          // if all fail there is no use in more
constexpr size_t kShownBytes = 16 * 1024;  // of one answer
constexpr size_t kShownQuestion = 80;      // in a title

}  // namespace

Async<AnswerBook::Run> AnswerBook::Answer(const Target* executor, Scope scope, Item item,
                                          PromptUnderTest prompt) {
  scope.UseRoom();  // an agent finds nothing of what others left
  auto answer = co_await executor->Run(scope, std::move(item), std::move(prompt));
  scope.End(answer.status());
  if (answer.ok()) co_return Run{std::move(answer->text), scope.usage().model_calls, {}};
  if (!IsFailureOfRun(answer.status())) co_return answer.status();
  co_return Run{fmt::format("(There is no answer: {})", MessageOf(answer.status())),
                scope.usage().model_calls, answer.status()};
}

int64_t AnswerBook::CallsPerRun() const {
  return runs_ == 0 ? 1 : std::max<int64_t>(1, (calls_ + runs_ - 1) / runs_);
}

int64_t AnswerBook::Missing(const std::vector<int>& prompts, const Items& items) const {
  int64_t missing = 0;
  for (const int prompt : prompts) {
    for (const Item* item : items) missing += answers_.contains({prompt, item->id}) ? 0 : 1;
  }
  return missing;
}

AsyncStatus AnswerBook::Fill(const Scope& scope, std::map<int, std::string> texts, Items items) {
  size_t at_once = kMaxParallel;
  for (int again = 0;; ++again) {
    std::vector<NamedBranch<Run>> branches;
    std::vector<std::pair<int, std::string>> keys;
    for (const auto& [number, text] : texts) {
      const PromptUnderTest prompt = PlainPrompt(text);
      for (const Item* item : items) {
        if (answers_.contains({number, item->id})) continue;
        keys.emplace_back(number, item->id);
        std::string name = fmt::format("answer:{}.{}", number, item->id);
        if (again > 0) name += fmt::format(".again:{}", again);
        const Target* const executor = executor_;
        branches.push_back(
            {"answer", std::move(name),
             fmt::format("prompt {}: {}", number, TruncateUtf8(item->question, kShownQuestion)),
             [executor, item, prompt](Scope branch) {
               return Answer(executor, std::move(branch), *item, prompt);
             }});
      }
    }
    auto answers = co_await All(scope, std::move(branches), at_once);
    absl::Status first;
    absl::Status failure;
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].ok()) {
        ++runs_;
        calls_ += answers[i]->model_calls;
        if (!answers[i]->failure.ok()) {
          ++failed_;
          failure = answers[i]->failure;
        }
        answers_[keys[i]] = std::move(answers[i]->answer);
      } else if (first.ok()) {
        first = answers[i].status();
      }
    }
    if (failed_ == runs_ && runs_ >= kFirstRuns) {
      co_return Annotate(failure, "the first answers all failed");
    }
    if (!HasReason(first, Reason::kBudgetExceeded) || at_once == 1) co_return first;
    at_once = std::max<size_t>(1, at_once / kFewer);
  }
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
