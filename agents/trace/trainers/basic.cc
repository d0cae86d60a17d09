// The plain loops: forward, feedback, backward, step (Trace's basic trainer); the same on
// minibatches with an acceptance test, after which a step that did not help is taken back.
#include <fmt/format.h>

#include "agents/trace/trainers/trainer.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

class BasicTrainer : public Trainer {
 public:
  explicit BasicTrainer(bool acceptance) : acceptance_(acceptance) {}

 protected:
  class BasicRun : public Run {
   public:
    BasicRun(TrainingGround* ground, const TrainerOptions* options, TrainingCandidatePtr current,
             bool acceptance)
        : ground_(ground),
          options_(options),
          current_(std::move(current)),
          acceptance_(acceptance) {}

    Async<bool> Step(const Scope& scope, int step) override {
      const std::vector<size_t> items = BatchOf(scope, step);
      CO_ASSIGN_OR_RETURN(
          const std::vector<TriedItem> before,
          co_await ground_->Try(scope, "batch", current_, &ground_->train(), items));
      // Nothing can be learned from items that go right; others come in the next step.
      if (MeanScore(before) >= 1) co_return true;
      const std::vector<std::string> all;
      CO_ASSIGN_OR_RETURN(Proposed proposed,
                          co_await ground_->Propose(scope, "propose", current_, step, before, all));
      current_->memory = proposed.memory;
      if (proposed.finished) co_return false;
      if (!proposed.changed) co_return true;
      const TrainingCandidatePtr next = ground_->Keep(std::move(proposed.candidate));
      if (next == nullptr) co_return true;
      CO_ASSIGN_OR_RETURN(const bool accepted, co_await Accept(scope, next, items, before));
      if (!accepted) co_return true;
      next->accepted = true;
      current_ = next;
      const std::vector<size_t> whole;
      CO_RETURN_IF_ERROR(co_await ground_->Validate(scope, "validate", next, whole));
      co_return true;
    }

   private:
    // The basic trainer takes one item after the other, and then goes on from the first.
    std::vector<size_t> BatchOf(const Scope& scope, int step) const {
      const size_t size = ground_->train().size();
      if (!acceptance_) return {static_cast<size_t>(step - 1) % size};
      return TrainingGround::Draw(scope, "batch.draw", size, options_->batch);
    }

    Async<bool> Accept(const Scope& scope, TrainingCandidatePtr next, std::vector<size_t> items,
                       const std::vector<TriedItem>& before) const {
      if (!acceptance_) co_return true;
      CO_ASSIGN_OR_RETURN(
          const std::vector<TriedItem> after,
          co_await ground_->Try(scope, "accept", next, &ground_->train(), std::move(items)));
      const bool better = MeanScore(after) > MeanScore(before) + 1e-12;
      next->note = fmt::format("{:.3f} on its minibatch, where candidate {} had {:.3f}",
                               MeanScore(after), current_->number, MeanScore(before));
      co_return better;
    }

    TrainingGround* const ground_;
    const TrainerOptions* const options_;
    TrainingCandidatePtr current_;
    const bool acceptance_;
  };

  std::unique_ptr<Run> Begin(TrainingGround& ground, const TrainerOptions& options,
                             TrainingCandidatePtr seed) const override {
    return std::make_unique<BasicRun>(&ground, &options, std::move(seed), acceptance_);
  }

 private:
  const bool acceptance_;
};

}  // namespace

std::unique_ptr<const Trainer> MakeBasicTrainer(bool acceptance) {
  return std::make_unique<BasicTrainer>(acceptance);
}

}  // namespace troupe
