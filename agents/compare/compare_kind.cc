#include "agents/compare/compare_kind.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "agents/compare/agreement.h"
#include "agents/compare/messages.h"
#include "agents/compare/model_opinions.h"
#include "agents/runtime/task_result.h"
#include "tools/base/error.h"
#include "tools/base/signed_text.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxText = 64 * 1024;
constexpr size_t kMaxCandidateBytes = 256 * 1024;
constexpr size_t kMaxName = 200;
constexpr int kMaxCandidates = 16;
constexpr int kMaxVotes = 15;

absl::Status Wrong(std::string_view field, std::string_view what) {
  const std::string full = fmt::format("spec.compare.{}", field);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

absl::Status CheckCandidates(const v1::CompareSpec& spec) {
  const int count = spec.candidates_size();
  if (count < 2 || count > kMaxCandidates) return Wrong("candidates", "give 2 to 16");
  std::set<std::string_view> names;
  size_t bytes = 0;
  for (int i = 0; i < count; ++i) {
    const v1::CompareCandidate& candidate = spec.candidates(i);
    const std::string field = fmt::format("candidates[{}]", i);
    if (candidate.name().empty() || candidate.name().size() > kMaxName) {
      return Wrong(field + ".name", "give 1 to 200 bytes");
    }
    if (!names.insert(candidate.name()).second) return Wrong(field + ".name", "is there twice");
    if (candidate.text().empty()) return Wrong(field + ".text", "give the text to compare");
    if (candidate.has_truth() && !std::isfinite(candidate.truth())) {
      return Wrong(field + ".truth", "give a finite number");
    }
    bytes += candidate.text().size();
  }
  if (bytes > kMaxCandidateBytes) return Wrong("candidates", "at most 256 KiB of text together");
  return absl::OkStatus();
}

Preference TruthOf(const v1::CompareCandidate& left, const v1::CompareCandidate& right) {
  if (!left.has_truth() || !right.has_truth() || left.truth() == right.truth()) {
    return Preference::kNeutral;
  }
  return left.truth() > right.truth() ? Preference::kLeft : Preference::kRight;
}

// The comparisons as they are made, in the order of the candidates.
struct Made {
  size_t left = 0;
  size_t right = 0;
  Judgement verdict;
};

struct Comparing {
  std::vector<Made> made;
  absl::Status stopped;  // by a limit, with what was made by then
};

Async<Comparing> ComparePairs(const Scope& scope, Jury& jury, Matter matter,
                              std::vector<std::string> texts) {
  std::vector<Contest> contests;
  std::vector<Made> pairs;
  for (size_t left = 0; left < texts.size(); ++left) {
    for (size_t right = left + 1; right < texts.size(); ++right) {
      contests.push_back({matter, texts[left], texts[right]});
      pairs.push_back({left, right, {}});
    }
  }
  auto verdicts = co_await jury.Compare(scope, std::move(contests));
  Comparing comparing;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (verdicts[i].ok()) {
      pairs[i].verdict = *std::move(verdicts[i]);
      comparing.made.push_back(std::move(pairs[i]));
    } else if (IsLimit(verdicts[i].status())) {
      comparing.stopped = verdicts[i].status();
    } else {
      co_return verdicts[i].status();
    }
  }
  co_return comparing;
}

Async<Comparing> RankAll(const Scope& scope, Jury& jury, Matter matter,
                         std::vector<std::string> texts) {
  auto ranking = co_await jury.Rank(scope, std::move(matter), std::move(texts));
  Comparing comparing;
  if (IsLimit(ranking.status())) comparing.stopped = ranking.status();
  if (!comparing.stopped.ok()) co_return comparing;
  CO_RETURN_IF_ERROR(ranking.status());
  for (Ranking::Pair& pair : ranking->pairs) {
    comparing.made.push_back({pair.left, pair.right, std::move(pair.verdict)});
  }
  co_return comparing;
}

void FillAgreement(const std::vector<JudgedPair>& judged, v1::CompareResult& result) {
  const Agreement agreement = AgreementOf(judged);
  if (agreement.comparisons == 0) return;
  v1::JudgeAgreement& message = *result.mutable_agreement();
  message.set_comparisons(agreement.comparisons);
  message.set_agreed(agreement.agreed);
  message.set_opposed(agreement.opposed);
  message.set_neutral(agreement.neutral);
  message.set_rate(agreement.rate);
  message.set_low(agreement.low);
  message.set_high(agreement.high);
}

absl::Status FillResult(const v1::CompareSpec& spec, const Comparing& comparing,
                        v1::CompareResult& result) {
  std::vector<std::string> names;
  for (const v1::CompareCandidate& candidate : spec.candidates()) names.push_back(candidate.name());
  std::vector<PairResult> results;
  std::vector<JudgedPair> judged;
  for (const Made& made : comparing.made) {
    v1::Comparison& message = *result.add_comparisons();
    message.set_left(names[made.left]);
    message.set_right(names[made.right]);
    message.set_outcome(OutcomeOf(made.verdict.preference));
    for (const Vote& vote : made.verdict.votes) FillVote(vote, *message.add_votes());
    results.push_back(ResultOf(made.left, made.right, made.verdict.preference));
    judged.push_back(
        {made.verdict.preference, TruthOf(spec.candidates(static_cast<int>(made.left)),
                                          spec.candidates(static_cast<int>(made.right)))});
  }
  ASSIGN_OR_RETURN(const BradleyTerryFit fit, FitBradleyTerry(names.size(), results));
  FillStrengths(fit, results, names, *result.mutable_ranking());
  FillAgreement(judged, result);
  return absl::OkStatus();
}

}  // namespace

std::string CompareKind::TitleOf(const v1::TaskSpec& spec) const {
  const v1::CompareSpec& compare = spec.compare();
  return fmt::format("Compare {} texts: {}", compare.candidates_size(),
                     compare.question().empty() ? compare.requirements() : compare.question());
}

absl::Status CompareKind::Validate(const v1::TaskSpec& spec) const {
  const v1::CompareSpec& compare = spec.compare();
  if (compare.requirements().empty()) {
    return Wrong("requirements", "say what makes one better than another");
  }
  if (compare.requirements().size() > kMaxText) return Wrong("requirements", "at most 64 KiB");
  if (compare.question().size() > kMaxText) return Wrong("question", "at most 64 KiB");
  if (compare.reference().size() > kMaxText) return Wrong("reference", "at most 64 KiB");
  RETURN_IF_ERROR(CheckCandidates(compare));
  const int votes = compare.votes();
  if (votes != 0 && (votes < 0 || votes > kMaxVotes || votes % 2 == 0)) {
    return Wrong("votes", "give an odd number from 1 to 15, or 0 for 3");
  }
  if (!v1::CompareSpec::Form_IsValid(compare.form())) {
    return Wrong("form", "give FORM_PAIRS or FORM_RANKING, or leave it out");
  }
  return absl::OkStatus();
}

Async<v1::TaskResult> CompareKind::Run(Scope& scope, v1::TaskSpec spec) const {
  const v1::CompareSpec& compare = spec.compare();
  const Matter matter{compare.question(), compare.requirements(), compare.reference()};
  std::vector<std::string> texts;
  for (const v1::CompareCandidate& candidate : compare.candidates()) {
    texts.push_back(candidate.text());
  }
  const ModelOpinions opinions({});
  JurySettings settings;
  if (compare.votes() > 0) settings.votes = compare.votes();
  Jury jury(&opinions, settings);
  absl::StatusOr<Comparing> comparing;
  if (compare.form() == v1::CompareSpec::FORM_RANKING) {
    comparing = co_await RankAll(scope, jury, matter, std::move(texts));
  } else {
    comparing = co_await ComparePairs(scope, jury, matter, std::move(texts));
  }
  CO_RETURN_IF_ERROR(comparing.status());
  v1::TaskResult result;
  result.set_stop_reason(StopReasonOf(comparing->stopped));
  CO_RETURN_IF_ERROR(FillResult(compare, *comparing, *result.mutable_compare()));
  int place = 0;
  for (const v1::CompareStrength& row : result.compare().ranking()) {
    *result.mutable_text() +=
        fmt::format("{}. {} ({}, {} to {})\n", ++place, row.name(), SignedText(row.strength(), 2),
                    SignedText(row.low(), 2), SignedText(row.high(), 2));
  }
  co_return result;
}

}  // namespace troupe
