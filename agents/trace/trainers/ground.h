// TrainingGround: what trainers stand on: candidates are tried on items, side by side, and an
// optimizer proposes new ones from what they did. It counts what training costs and keeps every
// candidate. Thread-confined to the task's strand; what it refers to outlives it.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agents/evaluate/grader.h"
#include "agents/evaluate/item.h"
#include "agents/runtime/scope.h"
#include "agents/trace/graph_optimizer.h"
#include "agents/trace/trainers/candidate.h"
#include "agents/workflow/workflow_services.h"
#include "tools/base/async.h"
#include "troupe/v1/workflow.pb.h"

namespace troupe {

struct GroundOptions {
  v1::Workflow workflow;
  std::map<std::string, std::string> input_fields;  // of items, by input
  Json fixed_values = Json::object();               // of parameters that are not trained
  GraderSet graders;
  std::string objective;  // empty: the optimizer's own
  int concurrency = 16;
  size_t memory = 5;     // past proposals that the optimizer is shown
  int64_t max_runs = 0;  // of the workflow in training and validation; 0: no limit
  std::vector<Item> train;
  std::vector<Item> validation;
  double confidence = 0.95;
};

// A moment of training, for the curve.
struct TrainingPoint {
  int step = 0;
  int best = 0;      // number of the best candidate
  double score = 0;  // its mean on validation
  double low = 0;    // of the interval
  double high = 0;
  int64_t runs = 0;  // of the workflow by then
  int64_t cost_microusd = 0;
};

// What came of asking the optimizer.
struct Proposed {
  TrainingCandidate candidate;
  bool changed = false;   // whether its values are others than the parent's
  bool finished = false;  // the optimizer says that nothing is left to change
  // What the optimizer knows by now: the parent's, for the next time.
  OptimizerState memory;
};

class TrainingGround {
 public:
  TrainingGround(GroundOptions options, const GraphOptimizer* optimizer,
                 const WorkflowServices* services);

  const GroundOptions& options() const { return options_; }
  const std::vector<Item>& train() const { return options_.train; }
  const std::vector<Item>& validation() const { return options_.validation; }
  const std::vector<TrainingCandidatePtr>& candidates() const { return candidates_; }
  const std::vector<TrainingPoint>& curve() const { return curve_; }
  // Names of the trainable parameters, sorted.
  const std::vector<std::string>& components() const { return components_; }
  int64_t runs() const { return runs_; }
  // Whether the limit of runs leaves room for more.
  bool MayGoOn() const { return options_.max_runs == 0 || runs_ < options_.max_runs; }

  // The candidate of what the document says. Once.
  TrainingCandidatePtr AddSeed();

  // Tries a candidate on items of a set, in the span `name` of `scope`; what it did, in their
  // order.
  Async<std::vector<TriedItem>> Try(const Scope& scope, std::string name,
                                    TrainingCandidatePtr candidate, const std::vector<Item>* set,
                                    std::vector<size_t> items);
  // The same on `items` of the validation set, which the candidate's scores grow by; with none on
  // all.
  AsyncStatus Validate(const Scope& scope, std::string name, TrainingCandidatePtr candidate,
                       std::vector<size_t> items);
  // What the optimizer makes of what `parent` did. Only the parameters in `components` are shown as
  // ones that may change; empty: all. May run side by side with others.
  Async<Proposed> Propose(const Scope& scope, std::string name, TrainingCandidatePtr parent,
                          int step, std::vector<TriedItem> tried,
                          std::vector<std::string> components);
  // Takes a candidate up; null if its values were those of an earlier one. To be called in an order
  // that is the same in every life.
  TrainingCandidatePtr Keep(TrainingCandidate candidate);
  // A candidate with these values of two others; null if there was such a one, or it cannot be.
  TrainingCandidatePtr Merge(const TrainingCandidate& one, const TrainingCandidate& other, int step,
                             Json values);

  // The candidate with the best mean on validation, of those that were tried on all of it; of
  // equals the earliest. Null if there is none.
  TrainingCandidatePtr Best() const;
  // Notes how training stands after a step, and tells watchers. Pictures of candidates that are not
  // among the best are given up.
  void Report(const Scope& task, int step);

  // `count` places of a set of `size`, drawn without repetition by `scope` and `name`, ascending.
  static std::vector<size_t> Draw(const Scope& scope, const std::string& name, size_t size,
                                  size_t count);

 private:
  Async<TriedItem> TryOne(Scope scope, TrainingCandidatePtr candidate, const std::vector<Item>* set,
                          size_t item);
  std::string FeedbackOf(const Item& item, const std::vector<GivenGrade>& grades,
                         double score) const;
  // `values` with the changes that can be made; what cannot is among the refusals.
  Json Applied(Json values, const std::vector<Change>& changes,
               const std::map<std::string, std::string>& names,
               std::vector<Refusal>& refused) const;
  Json AllValues(const TrainingCandidate& candidate) const;
  void KeepPicturesOfTheBest();

  const GroundOptions options_;
  const GraphOptimizer* const optimizer_;
  const WorkflowServices* const services_;
  std::vector<std::string> components_;
  std::vector<TrainingCandidatePtr> candidates_;
  std::set<std::string> known_;  // digests of values
  std::vector<TrainingPoint> curve_;
  int64_t runs_ = 0;
};

}  // namespace troupe
