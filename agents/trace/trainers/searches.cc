// Searches that go on from several candidates: beam search, which keeps the best of each step, and
// UCB search, which weighs what is known of a candidate against what is not known yet.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "agents/trace/trainers/explore.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kBuffer = 10;

class BeamSearch : public Trainer {
 protected:
  class BeamRun : public Run {
   public:
    BeamRun(TrainingGround* ground, const TrainerOptions* options, TrainingCandidatePtr seed)
        : ground_(ground), options_(options), beam_{std::move(seed)} {}

    Async<bool> Step(const Scope& scope, int step) override {
      CO_ASSIGN_OR_RETURN(const Explored explored,
                          co_await Explore(scope, *ground_, *options_, step, beam_));
      std::vector<size_t> items = FirstLook(scope, *ground_, *options_);
      CO_RETURN_IF_ERROR(co_await ValidateAll(scope, *ground_, explored.made, std::move(items)));
      const bool finished = explored.made.empty() && explored.finished == beam_.size();
      beam_.insert(beam_.end(), explored.made.begin(), explored.made.end());
      std::stable_sort(beam_.begin(), beam_.end(),
                       [](const TrainingCandidatePtr& a, const TrainingCandidatePtr& b) {
                         return a->ValidationScore() > b->ValidationScore();
                       });
      if (beam_.size() > options_->candidates) beam_.resize(options_->candidates);
      for (const TrainingCandidatePtr& candidate : beam_) candidate->accepted = true;
      CO_RETURN_IF_ERROR(co_await CompleteBest(scope, *ground_, 1));
      co_return !finished;
    }

   private:
    TrainingGround* const ground_;
    const TrainerOptions* const options_;
    std::vector<TrainingCandidatePtr> beam_;
  };

  std::unique_ptr<Run> Begin(TrainingGround& ground, const TrainerOptions& options,
                             TrainingCandidatePtr seed) const override {
    return std::make_unique<BeamRun>(&ground, &options, std::move(seed));
  }
};

class UcbSearch : public Trainer {
 protected:
  class UcbRun : public Run {
   public:
    UcbRun(TrainingGround* ground, const TrainerOptions* options, TrainingCandidatePtr seed)
        : ground_(ground), options_(options), buffer_{std::move(seed)} {}

    Async<bool> Step(const Scope& scope, int step) override {
      const TrainingCandidatePtr chosen = *Highest();
      std::vector<TrainingCandidatePtr> parents;
      parents.push_back(chosen);
      CO_ASSIGN_OR_RETURN(const Explored explored,
                          co_await Explore(scope, *ground_, *options_, step, parents));
      // Those that were known are looked at again with the new ones: so that luck evens out.
      std::vector<TrainingCandidatePtr> looked = explored.made;
      looked.push_back(chosen);
      std::vector<size_t> items = FirstLook(scope, *ground_, *options_);
      CO_RETURN_IF_ERROR(
          co_await ValidateAll(scope, *ground_, std::move(looked), std::move(items)));
      for (const TrainingCandidatePtr& made : explored.made) {
        made->accepted = true;
        buffer_.push_back(made);
      }
      while (buffer_.size() > kBuffer) buffer_.erase(Lowest());
      CO_RETURN_IF_ERROR(co_await CompleteBest(scope, *ground_, 1));
      co_return !(explored.made.empty() && explored.finished > 0 && buffer_.size() == 1);
    }

   private:
    double Bound(const TrainingCandidatePtr& candidate) const {
      int all = 0;
      for (const TrainingCandidatePtr& each : buffer_) all += each->ValidationTries();
      const double tries = std::max(1, candidate->ValidationTries());
      return candidate->ValidationScore() +
             options_->exploration * std::sqrt(std::log(std::max(2, all)) / tries);
    }
    std::vector<TrainingCandidatePtr>::iterator Highest() {
      return std::max_element(buffer_.begin(), buffer_.end(),
                              [this](const TrainingCandidatePtr& a, const TrainingCandidatePtr& b) {
                                return Bound(a) < Bound(b);
                              });
    }
    std::vector<TrainingCandidatePtr>::iterator Lowest() {
      return std::min_element(buffer_.begin(), buffer_.end(),
                              [this](const TrainingCandidatePtr& a, const TrainingCandidatePtr& b) {
                                return Bound(a) < Bound(b);
                              });
    }

    TrainingGround* const ground_;
    const TrainerOptions* const options_;
    std::vector<TrainingCandidatePtr> buffer_;
  };

  std::unique_ptr<Run> Begin(TrainingGround& ground, const TrainerOptions& options,
                             TrainingCandidatePtr seed) const override {
    return std::make_unique<UcbRun>(&ground, &options, std::move(seed));
  }
};

}  // namespace

std::unique_ptr<const Trainer> MakeBeamSearch() { return std::make_unique<BeamSearch>(); }
std::unique_ptr<const Trainer> MakeUcbSearch() { return std::make_unique<UcbSearch>(); }

}  // namespace troupe
