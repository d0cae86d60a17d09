#include "agents/trace/trainers/explore.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/runtime/branches.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// What one parent brought.
struct Brood {
  std::vector<Proposed> proposed;
};

Async<Brood> ExploreOne(Scope scope, TrainingGround* ground, const TrainerOptions* options,
                        int step, TrainingCandidatePtr parent) {
  Brood brood;
  std::vector<size_t> items =
      TrainingGround::Draw(scope, "batch.draw", ground->train().size(), options->batch);
  CO_ASSIGN_OR_RETURN(
      const std::vector<TriedItem> tried,
      co_await ground->Try(scope, "batch", parent, &ground->train(), std::move(items)));
  const TrainingCandidatePtr from = std::make_shared<TrainingCandidate>(*parent);
  const std::vector<std::string> all;
  for (size_t i = 1; i <= options->proposals; ++i) {
    CO_ASSIGN_OR_RETURN(
        Proposed proposed,
        co_await ground->Propose(scope, fmt::format("propose:{}", i), from, step, tried, all));
    // The next one is not to be the same again.
    from->memory = proposed.memory;
    if (proposed.changed) from->proposals.push_back(proposed.candidate.values);
    brood.proposed.push_back(std::move(proposed));
  }
  scope.End();
  co_return brood;
}

Async<bool> ValidateOne(Scope scope, TrainingGround* ground, TrainingCandidatePtr candidate,
                        std::vector<size_t> items) {
  const absl::Status done =
      co_await ground->Validate(scope, "validate", std::move(candidate), std::move(items));
  scope.End(done);
  CO_RETURN_IF_ERROR(done);
  co_return true;
}

}  // namespace

Async<Explored> Explore(const Scope& scope, TrainingGround& ground, const TrainerOptions& options,
                        int step, std::vector<TrainingCandidatePtr> parents) {
  std::vector<NamedBranch<Brood>> branches;
  for (const TrainingCandidatePtr& parent : parents) {
    TrainingGround* const shared = &ground;
    const TrainerOptions* const settings = &options;
    const auto run = [shared, settings, step, parent](Scope own) {
      return ExploreOne(std::move(own), shared, settings, step, parent);
    };
    branches.push_back({"explore", fmt::format("explore:{}", parent->number),
                        fmt::format("From candidate {}", parent->number), run});
  }
  auto broods = co_await All(scope, std::move(branches));
  Explored explored;
  for (size_t i = 0; i < broods.size(); ++i) {
    CO_RETURN_IF_ERROR(broods[i].status());
    bool finished = false;
    for (Proposed& proposed : broods[i]->proposed) {
      parents[i]->memory = proposed.memory;
      finished = finished || proposed.finished;
      if (!proposed.changed) continue;
      if (TrainingCandidatePtr made = ground.Keep(std::move(proposed.candidate))) {
        explored.made.push_back(std::move(made));
      }
    }
    if (finished) ++explored.finished;
  }
  co_return explored;
}

AsyncStatus ValidateAll(const Scope& scope, TrainingGround& ground,
                        std::vector<TrainingCandidatePtr> candidates, std::vector<size_t> items) {
  std::vector<NamedBranch<bool>> branches;
  for (const TrainingCandidatePtr& candidate : candidates) {
    TrainingGround* const shared = &ground;
    const auto run = [shared, candidate, items](Scope own) {
      return ValidateOne(std::move(own), shared, candidate, items);
    };
    branches.push_back({"validate", fmt::format("validate:{}", candidate->number),
                        fmt::format("Candidate {}", candidate->number), run});
  }
  const auto done = co_await All(scope, std::move(branches));
  for (const auto& each : done) CO_RETURN_IF_ERROR(each.status());
  co_return absl::OkStatus();
}

std::vector<size_t> FirstLook(const Scope& scope, const TrainingGround& ground,
                              const TrainerOptions& options) {
  const size_t size = ground.validation().size();
  if (options.validation_batch == 0 || options.validation_batch >= size) return {};
  return TrainingGround::Draw(scope, "validation.draw", size, options.validation_batch);
}

AsyncStatus CompleteBest(const Scope& scope, TrainingGround& ground, size_t count) {
  std::vector<TrainingCandidatePtr> best;
  for (const TrainingCandidatePtr& candidate : ground.candidates()) {
    if (!candidate->validation.empty()) best.push_back(candidate);
  }
  std::stable_sort(best.begin(), best.end(),
                   [](const TrainingCandidatePtr& a, const TrainingCandidatePtr& b) {
                     return a->ValidationScore() > b->ValidationScore();
                   });
  if (best.size() > count) best.resize(count);
  std::vector<NamedBranch<bool>> branches;
  for (const TrainingCandidatePtr& candidate : best) {
    std::vector<size_t> missing;
    for (size_t i = 0; i < ground.validation().size(); ++i) {
      if (!candidate->validation.contains(i)) missing.push_back(i);
    }
    if (missing.empty()) continue;
    TrainingGround* const shared = &ground;
    const auto run = [shared, candidate, missing](Scope own) {
      return ValidateOne(std::move(own), shared, candidate, missing);
    };
    branches.push_back({"validate", fmt::format("complete:{}", candidate->number),
                        fmt::format("Candidate {}", candidate->number), run});
  }
  const auto done = co_await All(scope, std::move(branches));
  for (const auto& each : done) CO_RETURN_IF_ERROR(each.status());
  co_return absl::OkStatus();
}

}  // namespace troupe
