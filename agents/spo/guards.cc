#include "agents/spo/guards.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace troupe {
namespace {

// Words in a row that are no accident: what a prompt has of them in common with one question alone
// it has from there.
constexpr size_t kRunWords = 8;
constexpr size_t kShortestText = 24;  // bytes; "yes" in a prompt is no leak
constexpr size_t kPlainBytes = 400;   // a prompt of this length costs nothing
constexpr double kPenaltyOfDoubling = 0.1;
constexpr double kPenaltyOfRepetition = 1;
constexpr double kPenaltyOfGap = 0.5;
constexpr size_t kSentenceBytes = 20;

std::vector<std::string> WordsOf(const std::string& normalized) {
  return absl::StrSplit(normalized, ' ', absl::SkipEmpty());
}

std::set<size_t> RunsOf(const std::string& normalized) {
  const std::vector<std::string> words = WordsOf(normalized);
  std::set<size_t> runs;
  for (size_t i = 0; i + kRunWords <= words.size(); ++i) {
    const auto begin = words.begin() + static_cast<std::ptrdiff_t>(i);
    runs.insert(std::hash<std::string>()(
        fmt::format("{}", fmt::join(begin, begin + static_cast<std::ptrdiff_t>(kRunWords), " "))));
  }
  return runs;
}

// The part of its sentences that a text says again.
double Repetition(const std::string& prompt) {
  const std::vector<std::string> sentences = absl::StrSplit(prompt, absl::ByAnyChar(".!?\n;"));
  std::set<std::string> said;
  double all = 0;
  double again = 0;
  for (const std::string& sentence : sentences) {
    const std::string normalized = NormalizedPrompt(sentence);
    if (normalized.size() < kSentenceBytes) continue;
    all += 1;
    if (!said.insert(normalized).second) again += 1;
  }
  return all == 0 ? 0 : again / all;
}

bool HasGap(const std::string& normalized) {
  for (const std::string_view gap : {"[insert", "<insert", "[your ", "todo:", "lorem ipsum"}) {
    if (normalized.find(gap) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

std::string NormalizedPrompt(std::string_view text) {
  const std::vector<std::string> words =
      absl::StrSplit(std::string(text), absl::ByAnyChar(" \t\r\n\f\v"), absl::SkipEmpty());
  return absl::AsciiStrToLower(fmt::format("{}", fmt::join(words, " ")));
}

Guards::Guards(Limits limits, const std::vector<const Item*>& items,
               const std::vector<std::string>& allowed)
    : limits_(limits) {
  std::set<size_t> open;
  std::string open_text;
  for (const std::string& text : allowed) {
    const std::string normalized = NormalizedPrompt(text);
    open.merge(RunsOf(normalized));
    open_text += normalized + "\n";
  }
  std::map<size_t, int> owners;
  std::map<std::string, int> texts;
  for (const Item* item : items) {
    std::set<size_t> runs;
    for (const std::string* text : {&item->question, &item->answer}) {
      const std::string normalized = NormalizedPrompt(*text);
      runs.merge(RunsOf(normalized));
      if (WordsOf(normalized).size() < kRunWords && normalized.size() >= kShortestText) {
        ++texts[normalized];
      }
    }
    for (const size_t run : runs) ++owners[run];
  }
  for (const auto& [run, count] : owners) {
    if (count == 1 && !open.contains(run)) own_runs_.insert(run);
  }
  for (const auto& [text, count] : texts) {
    if (count == 1 && open_text.find(text) == std::string::npos) short_texts_.push_back(text);
  }
}

bool Guards::Leaks(const std::string& normalized) const {
  for (const size_t run : RunsOf(normalized)) {
    if (own_runs_.contains(run)) return true;
  }
  return std::any_of(short_texts_.begin(), short_texts_.end(),
                     [&normalized](const std::string& text) {
                       return normalized.find(text) != std::string::npos;
                     });
}

std::string Guards::WhyRefused(const std::string& prompt,
                               const std::set<std::string>& known) const {
  const std::string normalized = NormalizedPrompt(prompt);
  if (normalized.empty()) return "It is empty.";
  if (known.contains(normalized)) return "It is the same as an earlier one.";
  if (limits_.bytes > 0 && prompt.size() > limits_.bytes) {
    return fmt::format("It has {} bytes; {} are allowed.", prompt.size(), limits_.bytes);
  }
  const size_t words = WordsOf(normalized).size();
  if (limits_.words > 0 && words > static_cast<size_t>(limits_.words)) {
    return fmt::format("It has {} words; {} are allowed.", words, limits_.words);
  }
  if (Leaks(normalized)) return "It gives away a question or an answer.";
  return "";
}

double PenaltyOf(const std::string& prompt, const std::string& first) {
  const double free = static_cast<double>(std::max(kPlainBytes, 2 * first.size()));
  const double doublings = std::log2(std::max(1.0, static_cast<double>(prompt.size()) / free));
  double penalty = kPenaltyOfDoubling * doublings + kPenaltyOfRepetition * Repetition(prompt);
  if (HasGap(NormalizedPrompt(prompt))) penalty += kPenaltyOfGap;
  return penalty;
}

}  // namespace troupe
