// Trainers: in which order candidates are made, tried and kept.
#pragma once

#include <memory>
#include <string>

#include "agents/trace/trainers/ground.h"

namespace troupe {

enum class TrainerKind { kPrioritySearch, kBasic, kMinibatch, kBeamSearch, kUcbSearch, kGepa };

struct TrainerOptions {
  TrainerKind kind = TrainerKind::kPrioritySearch;
  int steps = 10;               // at most
  size_t batch = 3;             // items of the training set that are tried for a proposal
  size_t candidates = 3;        // that are gone on from in a step; the width of a beam
  size_t proposals = 1;         // from each of them in a step
  size_t validation_batch = 0;  // items of the validation set for a first look; 0: all
  int patience = 4;        // steps in a row without a better one on validation, after which it ends
  double target = 1;       // the mean on validation at which it ends
  double exploration = 1;  // of UCB: the weight of what is not known yet
  double novelty =
      0.1;  // of the epsilon-net: candidates that are nearer to a known one are left out
  bool summarize = false;  // whether a model sums up for the optimizer what was tried
};

enum class TrainingEnd { kSteps, kNoGain, kTarget, kRuns, kFinished, kLimit };

struct TrainingOutcome {
  TrainingEnd end = TrainingEnd::kSteps;
  absl::Status stopped;  // the limit of the task that was reached; OkStatus: none
  int steps = 0;
};

class Trainer {
 public:
  virtual ~Trainer() = default;

  // Trains until its steps are over, the target is reached, nothing is gained any more or a limit
  // is reached; all candidates are on the ground, the best of which is its result. A status is a
  // failure of the task that is no limit.
  Async<TrainingOutcome> Train(const Scope& task, TrainingGround& ground,
                               const TrainerOptions& options) const;

 protected:
  // What one step may do; `step` is from 1. False: nothing is left to do.
  class Run {
   public:
    virtual ~Run() = default;
    virtual Async<bool> Step(const Scope& scope, int step) = 0;
  };
  virtual std::unique_ptr<Run> Begin(TrainingGround& ground, const TrainerOptions& options,
                                     TrainingCandidatePtr seed) const = 0;
};

std::unique_ptr<const Trainer> MakeTrainer(TrainerKind kind);
// trainers of one file each
std::unique_ptr<const Trainer> MakeBasicTrainer(bool acceptance);
std::unique_ptr<const Trainer> MakeBeamSearch();
std::unique_ptr<const Trainer> MakeUcbSearch();
std::unique_ptr<const Trainer> MakePrioritySearch();
std::unique_ptr<const Trainer> MakeGepa();

// "priority_search" ...
std::string_view TrainerName(TrainerKind kind);

}  // namespace troupe
