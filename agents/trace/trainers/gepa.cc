// GEPA (arXiv 2507.19457): a parent is drawn from the Pareto front of the validation items, one of
// its components is rewritten from what it did on a minibatch, and the child is kept only if it
// does better on that minibatch; then it is tried on all of validation. Now and then two lineages
// are merged.
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>

#include "agents/trace/trainers/pareto.h"
#include "agents/trace/trainers/trainer.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int kMaxMerges = 5;
constexpr int kMergeEvery = 3;  // accepted candidates

class Gepa : public Trainer {
 protected:
  class GepaRun : public Run {
   public:
    GepaRun(TrainingGround* ground, const TrainerOptions* options, TrainingCandidatePtr seed)
        : ground_(ground), options_(options), pool_{std::move(seed)} {}

    Async<bool> Step(const Scope& scope, int step) override {
      if (merges_ < kMaxMerges && accepted_ >= kMergeEvery * (merges_ + 1)) {
        ++merges_;
        CO_RETURN_IF_ERROR(co_await TryMerge(scope, step));
      }
      std::mt19937_64 random(scope.Random("parent"));
      const TrainingCandidatePtr parent = pool_[DrawFromFront(pool_, random)];
      const std::vector<size_t> items =
          TrainingGround::Draw(scope, "batch.draw", ground_->train().size(), options_->batch);
      CO_ASSIGN_OR_RETURN(const std::vector<TriedItem> before,
                          co_await ground_->Try(scope, "batch", parent, &ground_->train(), items));
      if (MeanScore(before) >= 1) co_return true;
      const std::vector<std::string> component = NextComponent();
      CO_ASSIGN_OR_RETURN(Proposed proposed, co_await ground_->Propose(scope, "propose", parent,
                                                                       step, before, component));
      parent->memory = proposed.memory;
      if (!proposed.changed) co_return true;
      const TrainingCandidatePtr child = ground_->Keep(std::move(proposed.candidate));
      if (child == nullptr) co_return true;
      CO_ASSIGN_OR_RETURN(const std::vector<TriedItem> after,
                          co_await ground_->Try(scope, "accept", child, &ground_->train(), items));
      child->note = fmt::format("{:.3f} on its minibatch, where candidate {} had {:.3f}",
                                MeanScore(after), parent->number, MeanScore(before));
      if (MeanScore(after) <= MeanScore(before) + 1e-12) co_return true;
      CO_RETURN_IF_ERROR(co_await Admit(scope, "validate", child));
      co_return true;
    }

   private:
    AsyncStatus Admit(const Scope& scope, std::string name, TrainingCandidatePtr candidate) {
      candidate->accepted = true;
      ++accepted_;
      const std::vector<size_t> all;
      CO_RETURN_IF_ERROR(co_await ground_->Validate(scope, std::move(name), candidate, all));
      pool_.push_back(candidate);
      co_return absl::OkStatus();
    }

    // One component after the other.
    std::vector<std::string> NextComponent() {
      const auto& components = ground_->components();
      return {components[next_component_++ % components.size()]};
    }

    AsyncStatus TryMerge(const Scope& scope, int step) {
      const auto pair = MergeablePair(pool_);
      if (!pair.has_value()) co_return absl::OkStatus();
      const TrainingCandidate& one = *pool_[pair->first];
      const TrainingCandidate& other = *pool_[pair->second];
      const TrainingCandidatePtr merged =
          ground_->Merge(one, other, step, MergedValues(pool_, *pair));
      if (merged == nullptr) co_return absl::OkStatus();
      co_return co_await Admit(scope, "merged", merged);
    }

    TrainingGround* const ground_;
    const TrainerOptions* const options_;
    std::vector<TrainingCandidatePtr> pool_;
    size_t next_component_ = 0;
    int accepted_ = 0;
    int merges_ = 0;
  };

  std::unique_ptr<Run> Begin(TrainingGround& ground, const TrainerOptions& options,
                             TrainingCandidatePtr seed) const override {
    return std::make_unique<GepaRun>(&ground, &options, std::move(seed));
  }
};

}  // namespace

std::unique_ptr<const Trainer> MakeGepa() { return std::make_unique<Gepa>(); }

}  // namespace troupe
