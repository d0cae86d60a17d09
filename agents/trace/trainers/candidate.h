// TrainingCandidate: values of a workflow's trainable parameters, where they came from and how they
// did.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/evaluate/grader.h"
#include "agents/trace/graph_optimizer.h"
#include "agents/workflow/tape.h"
#include "tools/base/json.h"

namespace troupe {

// Scores of a candidate on one item, over the times that it was tried on it.
struct ItemScore {
  double sum = 0;
  int tries = 0;
  double mean() const { return tries > 0 ? sum / tries : 0; }
};

struct TrainingCandidate {
  enum class Origin { kSeed, kProposed, kMerged };

  int number = 0;        // from 1, in the order in which they were made; the seed is 1
  int parent = 0;        // the candidate it was made from; 0: none
  int other_parent = 0;  // of a merged one
  int step = 0;          // in which it was made, from 1; 0: the seed
  Origin origin = Origin::kSeed;
  Json values = Json::object();  // of all trainable parameters, by name
  std::string reasoning;         // of the optimizer
  OptimizerState memory;         // what the optimizer knows when it goes on from here
  std::vector<Json> proposals;   // values that were proposed from here in this step, not kept yet
  bool accepted = false;         // it took the place of another, or was kept
  std::string note;              // what became of it, for people
  // What the optimizer was shown when it made this one, as SVG. Only of the candidates that are
  // among the best; empty of others.
  std::string picture;

  std::map<size_t, ItemScore> validation;  // by place in the validation set

  // The mean over the items that it was tried on; 0 without any.
  double ValidationScore() const;
  int ValidationTries() const;
  // The mean of each item, in order.
  std::vector<double> ValidationScores() const;
};

using TrainingCandidatePtr = std::shared_ptr<TrainingCandidate>;

// What one run of a candidate on an item came to.
struct TriedItem {
  size_t item = 0;  // place in its set
  double score = 0;
  bool passed = false;
  std::vector<GivenGrade> grades;
  std::string answer;    // its beginning
  std::string feedback;  // for the optimizer: what the graders say, or how it failed
  std::string error;     // why it failed; empty: it did not
  std::shared_ptr<const WorkflowTape> tape;
  ValueId answer_id = 0;
};

// For the optimizer: what was proposed from `parent` before and what came of it, the last few, so
// that it is not proposed again. Empty: nothing was.
std::string ProposedBefore(const TrainingCandidate& parent,
                           const std::vector<TrainingCandidatePtr>& candidates);

double MeanScore(const std::vector<TriedItem>& tried);

}  // namespace troupe
