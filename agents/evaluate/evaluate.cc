#include "agents/evaluate/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "agents/evaluate/run_forecast.h"
#include "agents/runtime/branches.h"
#include "agents/runtime/task_result.h"
#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kFirstRuns = 3;
constexpr size_t kShownQuestion = 300;
constexpr size_t kMaxTitle = 80;
constexpr size_t kMaxError = 500;
constexpr size_t kMostAnswer = 16 * 1024;
constexpr size_t kLeastAnswer = 256;
constexpr size_t kAllAnswers = 32 * 1024 * 1024;  // of a task, in memory and in its artifact
constexpr size_t kProgressLines = 20;
constexpr size_t kFewer = 2;  // times fewer runs at once after one was refused

// One unit of work, by its place in the order of items, variants and repeats.
struct Unit {
  size_t place = 0;
  size_t item = 0;
  size_t variant = 0;
  int repeat = 1;
};

struct DoneUnit {
  size_t place = 0;
  EvaluatedRun run;
  absl::Status failure;  // of the run
};

class Evaluation {
 public:
  Evaluation(Scope* task, std::shared_ptr<ItemReader> items, const EvaluateOptions* options)
      : task_(task), items_(std::move(items)), options_(options) {
    units_ = items_->numbers().size() * options_->variants.size() *
             static_cast<size_t>(options_->repeats);
    runs_.resize(units_);
    answer_bytes_ = std::clamp(kAllAnswers / units_, kLeastAnswer, kMostAnswer);
  }

  // With a budget in waves, of as many runs as it is good for by what the runs before them cost:
  // one that is begun is not to be cut off. While no branch is at work what is left is the same in
  // every life of the task, and so are the waves. What a call may cost at most is held while it is
  // made, so a run may be refused although it would fit alone: it is tried again beside fewer.
  AsyncStatus Run() {
    const std::function<Async<std::optional<NamedBranch<DoneUnit>>>()> next = [this] {
      return NextBranch();
    };
    const std::function<absl::Status(absl::StatusOr<DoneUnit>)> take =
        [this](absl::StatusOr<DoneUnit> done) { return Take(std::move(done)); };
    auto at_once = static_cast<size_t>(options_->concurrency);
    while (next_ < units_ || !refused_.empty()) {
      const size_t fit = forecast_.Fit(task_->Left(""), units_ - next_ + refused_.size());
      if (fit == 0) co_return NotOneMore();
      BeginWave(fit);
      CO_RETURN_IF_ERROR(co_await ForEachBranch<DoneUnit>(*task_, next, take, at_once));
      if (refused_.empty()) continue;
      if (at_once == 1) co_return refusal_;
      at_once = std::max<size_t>(1, at_once / kFewer);
    }
    co_return absl::OkStatus();
  }

  std::vector<EvaluatedRun> TakeRuns() {
    std::vector<EvaluatedRun> done;
    for (auto& run : runs_) {
      if (run.has_value()) done.push_back(*std::move(run));
    }
    return done;
  }

 private:
  // What was refused comes first.
  void BeginWave(size_t size) {
    wave_.clear();
    std::sort(refused_.begin(), refused_.end());
    for (const size_t place : refused_) {
      if (wave_.size() < size) wave_.push_back(place);
    }
    refused_.erase(refused_.begin(), refused_.begin() + static_cast<int64_t>(wave_.size()));
    while (wave_.size() < size && next_ < units_) wave_.push_back(next_++);
    at_ = 0;
  }

  absl::Status NotOneMore() const {
    const std::string why = fmt::format(
        "what is left of the budget is not enough for another run: one took {} on average; raise "
        "the budget to go further",
        forecast_.AverageText());
    task_->Progress(fmt::format("Ended after {} of {} runs: {}", done_, units_, why));
    return Error(Reason::kBudgetExceeded, why);
  }

  Unit UnitAt(size_t place) const {
    const auto repeats = static_cast<size_t>(options_->repeats);
    const size_t variants = options_->variants.size();
    return {place, place / repeats / variants, place / repeats % variants,
            static_cast<int>(place % repeats) + 1};
  }

  Async<std::optional<NamedBranch<DoneUnit>>> NextBranch() {
    std::optional<NamedBranch<DoneUnit>> branch;
    if (at_ == wave_.size()) co_return branch;
    const Unit unit = UnitAt(wave_[at_++]);
    if (!item_.has_value() || item_index_ != unit.item) {
      auto item = co_await items_->Read(*task_, unit.item);
      // An item without a question is a run that fails, and others go on.
      if (!item.ok() && !HasReason(item.status(), Reason::kInvalidField)) co_return item.status();
      item_ = std::move(item);
      item_index_ = unit.item;
    }
    const absl::StatusOr<Item> item = *item_;
    const auto run = [this, unit, item](Scope scope) {
      return RunUnit(std::move(scope), unit, item);
    };
    const std::string title = item.ok() ? TruncateUtf8(item->question, kMaxTitle) : "";
    branch.emplace();
    branch->type = "run";
    branch->name = NameOf(unit);
    branch->title = title;
    branch->run = run;
    co_return branch;
  }

  std::string NameOf(const Unit& unit) {
    std::string name = fmt::format("item:{}", items_->numbers()[unit.item]);
    if (options_->variants.size() > 1) name += fmt::format(".v{}", unit.variant + 1);
    if (options_->repeats > 1) name += fmt::format(".r{}", unit.repeat);
    const auto refusals = refusals_.find(unit.place);
    if (refusals != refusals_.end()) name += fmt::format(".again:{}", refusals->second);
    return name;
  }

  Async<DoneUnit> RunUnit(Scope scope, Unit unit, absl::StatusOr<Item> item) {
    // What one run leaves behind, no other finds: else answers would hang on what ran before.
    scope.UseRoom();
    DoneUnit done;
    done.place = unit.place;
    done.run.variant = unit.variant;
    done.run.repeat = unit.repeat;
    done.run.item_number = items_->numbers()[unit.item];
    done.run.path = scope.path();
    done.failure = item.status();
    if (item.ok()) done.failure = co_await TryItem(scope, *item, done.run);
    const bool refused = HasReason(done.failure, Reason::kBudgetExceeded);
    if (!done.failure.ok() && !refused && !IsFailureOfRun(done.failure)) {
      scope.End(done.failure);
      co_return done.failure;
    }
    if (!done.failure.ok()) done.run.error = Elide(MessageOf(done.failure), kMaxError);
    scope.Note("score", done.run.score);
    scope.End(done.failure);
    co_return done;
  }

  // Fills in `run`; the status is the run's failure, or the task's.
  AsyncStatus TryItem(const Scope& scope, const Item& item, EvaluatedRun& run) {
    run.item_id = TruncateUtf8(item.id, kMaxTitle);
    run.question = Elide(item.question, kShownQuestion);
    run.expected = Elide(item.answer, kShownQuestion);
    const PromptUnderTest& prompt = options_->variants[run.variant].prompt;
    auto answer = co_await options_->target->Run(scope, item, prompt);
    run.usage = scope.usage();
    CO_RETURN_IF_ERROR(answer.status());
    run.answer = Elide(answer->text, answer_bytes_);
    run.artifacts = std::move(answer->artifacts);
    auto grades = co_await options_->graders.Judge(scope, item, answer->text);
    run.grading = scope.usage();
    run.grading -= run.usage;
    if (!grades.ok()) co_return Annotate(grades.status(), "grading");
    run.score = options_->graders.ScoreOf(*grades);
    run.passed = options_->graders.PassOf(*grades);
    run.grades = *std::move(grades);
    co_return absl::OkStatus();
  }

  absl::Status Take(absl::StatusOr<DoneUnit> done) {
    RETURN_IF_ERROR(done.status());
    if (HasReason(done->failure, Reason::kBudgetExceeded)) {
      refused_.push_back(done->place);
      ++refusals_[done->place];
      refusal_ = done->failure;
      return absl::OkStatus();
    }
    ++done_;
    Usage cost = done->run.usage;
    cost += done->run.grading;
    forecast_.Add(cost);
    if (done->run.passed) ++passed_;
    if (!done->run.error.empty()) ++failed_;
    const bool first_failed = done->place < kFirstRuns && !done->failure.ok();
    runs_[done->place] = std::move(done->run);
    Report();
    if (first_failed && ++first_failures_ == std::min(kFirstRuns, units_)) {
      return Annotate(done->failure, "the first runs all failed");
    }
    return absl::OkStatus();
  }

  void Report() {
    const size_t step = std::max<size_t>(1, units_ / kProgressLines);
    if (done_ % step != 0 && done_ != units_) return;
    std::string line =
        fmt::format("{} of {} runs: {:.1f} % passed", done_, units_,
                    100.0 * static_cast<double>(passed_) / static_cast<double>(done_));
    if (failed_ > 0) line += fmt::format(", {} failed", failed_);
    task_->Progress(line);
  }

  Scope* const task_;
  const std::shared_ptr<ItemReader> items_;
  const EvaluateOptions* const options_;
  size_t units_ = 0;
  size_t next_ = 0;
  std::vector<size_t> wave_;  // places of the units that are to be run now
  size_t at_ = 0;             // of the next of them
  std::vector<size_t> refused_;
  std::map<size_t, int> refusals_;  // how often each was
  absl::Status refusal_;            // the last
  RunForecast forecast_;
  size_t answer_bytes_ = 0;
  std::optional<absl::StatusOr<Item>> item_;  // the last that was read
  size_t item_index_ = 0;
  std::vector<std::optional<EvaluatedRun>> runs_;
  size_t done_ = 0;
  size_t passed_ = 0;
  size_t failed_ = 0;
  size_t first_failures_ = 0;
};

}  // namespace

Async<EvaluateOutcome> RunEvaluation(Scope& task, std::shared_ptr<ItemReader> items,
                                     EvaluateOptions options) {
  Evaluation evaluation(&task, std::move(items), &options);
  const absl::Status ended = co_await evaluation.Run();
  if (!IsLimit(ended)) CO_RETURN_IF_ERROR(ended);
  EvaluateOutcome outcome = SumUpRuns(evaluation.TakeRuns(), options, task.Random("bootstrap"));
  outcome.stopped = ended;
  co_return outcome;
}

}  // namespace troupe
