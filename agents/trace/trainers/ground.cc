#include "agents/trace/trainers/ground.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "agents/evaluate/statistics.h"
#include "agents/evaluate/workflow_target.h"
#include "agents/runtime/branches.h"
#include "agents/runtime/task_result.h"
#include "agents/runtime/text.h"
#include "agents/trace/graph_picture.h"
#include "agents/trace/propagate.h"
#include "agents/trace/trainers/tape_graph.h"
#include "agents/workflow/check.h"
#include "agents/workflow/parameter.h"
#include "agents/workflow/run_workflow.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxAnswer = 2000;
constexpr size_t kMaxFeedback = 4000;
constexpr size_t kMaxReason = 1000;
constexpr size_t kMaxTitle = 80;
constexpr size_t kMaxPictures = 16;

}  // namespace

TrainingGround::TrainingGround(GroundOptions options, const GraphOptimizer* optimizer,
                               const WorkflowServices* services)
    : options_(std::move(options)), optimizer_(optimizer), services_(services) {
  for (const auto& [name, parameter] : options_.workflow.parameters()) {
    if (parameter.trainable()) components_.push_back(name);
  }
  std::sort(components_.begin(), components_.end());
}

TrainingCandidatePtr TrainingGround::Keep(TrainingCandidate candidate) {
  if (!known_.insert(Sha256Hex(DumpJson(candidate.values))).second) return nullptr;
  candidate.number = static_cast<int>(candidates_.size()) + 1;
  candidates_.push_back(std::make_shared<TrainingCandidate>(std::move(candidate)));
  return candidates_.back();
}

TrainingCandidatePtr TrainingGround::AddSeed() {
  TrainingCandidate seed;
  for (const std::string& name : components_) {
    const auto fixed = options_.fixed_values.find(name);
    seed.values[name] = fixed != options_.fixed_values.end()
                            ? *fixed
                            : InitialValue(options_.workflow.parameters().at(name));
  }
  seed.accepted = true;
  return Keep(std::move(seed));
}

Json TrainingGround::AllValues(const TrainingCandidate& candidate) const {
  Json values = options_.fixed_values;
  values.update(candidate.values);
  return values;
}

std::string TrainingGround::FeedbackOf(const Item& item, const std::vector<GivenGrade>& grades,
                                       double score) const {
  std::string text = score >= 1 ? "The answer is right." : fmt::format("Score {:.2f} of 1.", score);
  for (const GivenGrade& grade : grades) {
    if (grade.passed && grade.reason.empty()) continue;
    text += fmt::format(" {}: {}{}{}", grade.grader, grade.passed ? "passed" : "not passed",
                        grade.reason.empty() ? "" : ", ", Elide(grade.reason, kMaxReason));
  }
  // Graders that quote what was expected have said it.
  const bool quoted = text.find(fmt::format("'{}'", item.answer)) != std::string::npos;
  if (score < 1 && !item.answer.empty() && !quoted) {
    text += fmt::format(" Expected: {}", Elide(item.answer, kMaxReason));
  }
  return text;
}

Async<TriedItem> TrainingGround::TryOne(Scope scope, TrainingCandidatePtr candidate,
                                        const std::vector<Item>* set, size_t place) {
  // What one run leaves behind, no other finds: else scores would hang on what ran before.
  scope.UseRoom();
  const Item& item = (*set)[place];
  TriedItem tried;
  tried.item = place;
  WorkflowInputs inputs;
  CO_ASSIGN_OR_RETURN(inputs.inputs, InputsOfItem(options_.input_fields, item));
  inputs.values = AllValues(*candidate);
  Scope run = scope.Open("workflow", "workflow", "");
  auto outcome = co_await RunWorkflow(run, options_.workflow, inputs, *services_);
  run.End(outcome.ok() ? outcome->failure : outcome.status());
  CO_RETURN_IF_ERROR(outcome.status());
  tried.answer_id = outcome->answer_id;
  if (outcome->failure.ok()) {
    const std::string answer = AnswerText(outcome->answer);
    tried.answer = Elide(answer, kMaxAnswer);
    auto grades = co_await options_.graders.Judge(scope, item, answer);
    if (!grades.ok() && !IsFailureOfRun(grades.status())) co_return grades.status();
    if (grades.ok()) {
      tried.score = options_.graders.ScoreOf(*grades);
      tried.passed = options_.graders.PassOf(*grades);
      tried.feedback = Elide(FeedbackOf(item, *grades, tried.score), kMaxFeedback);
      tried.grades = *std::move(grades);
    } else {
      tried.error = Elide(MessageOf(grades.status()), kMaxReason);
      tried.feedback = "The answer could not be judged: " + tried.error;
    }
  } else {
    tried.error = Elide(MessageOf(outcome->failure), kMaxReason);
    // How is told by the output, which is the operation that failed.
    tried.feedback =
        tried.answer_id > 0 ? "The workflow failed." : "The workflow failed: " + tried.error;
    if (!item.answer.empty()) tried.feedback += " Expected: " + Elide(item.answer, kMaxReason);
  }
  tried.tape = std::make_shared<const WorkflowTape>(std::move(outcome->tape));
  scope.Note("score", tried.score);
  scope.End();
  co_return tried;
}

Async<std::vector<TriedItem>> TrainingGround::Try(const Scope& scope, std::string name,
                                                  TrainingCandidatePtr candidate,
                                                  const std::vector<Item>* set,
                                                  std::vector<size_t> items) {
  Scope span = scope.Open("try", std::move(name), fmt::format("Candidate {}", candidate->number));
  span.HideBudgetLeft();
  std::vector<NamedBranch<TriedItem>> branches;
  branches.reserve(items.size());
  for (const size_t item : items) {
    const auto run = [this, candidate, set, item](Scope own) {
      return TryOne(std::move(own), candidate, set, item);
    };
    branches.push_back({"item", fmt::format("item:{}", item + 1),
                        TruncateUtf8((*set)[item].question, kMaxTitle), run});
  }
  runs_ += static_cast<int64_t>(items.size());
  auto results = co_await All(span, std::move(branches), static_cast<size_t>(options_.concurrency));
  std::vector<TriedItem> tried;
  absl::Status failure;
  for (auto& result : results) {
    if (failure.ok()) failure = result.status();
    if (result.ok()) tried.push_back(*std::move(result));
  }
  if (failure.ok()) span.Note("score", MeanScore(tried));
  span.End(failure);
  CO_RETURN_IF_ERROR(failure);
  co_return tried;
}

AsyncStatus TrainingGround::Validate(const Scope& scope, std::string name,
                                     TrainingCandidatePtr candidate, std::vector<size_t> items) {
  if (items.empty()) {
    items.resize(validation().size());
    std::iota(items.begin(), items.end(), size_t{0});
  }
  CO_ASSIGN_OR_RETURN(
      const std::vector<TriedItem> tried,
      co_await Try(scope, std::move(name), candidate, &validation(), std::move(items)));
  for (const TriedItem& each : tried) {
    ItemScore& score = candidate->validation[each.item];
    score.sum += each.score;
    ++score.tries;
  }
  co_return absl::OkStatus();
}

Json TrainingGround::Applied(Json values, const std::vector<Change>& changes,
                             const std::map<std::string, std::string>& names,
                             std::vector<Refusal>& refused) const {
  for (const Change& change : changes) {
    const auto name = names.find(change.name);
    if (name == names.end()) continue;
    const v1::WorkflowParameter& parameter = options_.workflow.parameters().at(name->second);
    Json changed = values;
    changed[name->second] = PutIntoRange(parameter, ParameterValueOf(change.value));
    absl::Status possible = CheckValue(name->second, parameter, changed[name->second]);
    if (possible.ok()) {
      // A template is held against the names that its messages see.
      possible = CheckWorkflow(WithValues(options_.workflow, changed), *services_, "workflow");
    }
    if (possible.ok()) {
      values = std::move(changed);
      continue;
    }
    const std::string text = changed[name->second].is_string()
                                 ? changed[name->second].get<std::string>()
                                 : DumpJson(changed[name->second]);
    refused.push_back(
        {change.name, Elide(text, kMaxReason), Elide(MessageOf(possible), kMaxReason)});
  }
  return values;
}

Async<Proposed> TrainingGround::Propose(const Scope& scope, std::string name,
                                        TrainingCandidatePtr parent, int step,
                                        std::vector<TriedItem> tried,
                                        std::vector<std::string> components) {
  Proposed proposed;
  // Others may ask from the same parent at the same time.
  proposed.memory = parent->memory;
  TapeGraph tapes(&options_.workflow);
  std::vector<std::pair<NodeId, std::string>> outputs;
  for (const TriedItem& each : tried) {
    const NodeId output = tapes.Add(*each.tape, each.answer_id);
    if (output != kNoNode) outputs.emplace_back(output, each.feedback);
  }
  Propagation propagation(tapes.graph());
  for (auto& [output, feedback] : outputs) {
    const std::string error = ErrorFeedback(tapes.graph().node(output));
    if (!error.empty()) feedback = error + "\n" + feedback;
    // Runs share their parameters alone, which may be gone through again.
    CO_RETURN_IF_ERROR(propagation.Backward(output, std::move(feedback)));
  }
  if (components.empty()) components = components_;
  std::vector<NodeId> wanted;
  std::map<std::string, std::string> names;  // what the optimizer calls them, to theirs
  for (const std::string& component : components) {
    const NodeId node = tapes.parameters().at(component);
    wanted.push_back(node);
    names[tapes.graph().node(node).identifier] = component;
  }
  const Subgraph subgraph = propagation.SubgraphOf(wanted);
  if (subgraph.empty()) co_return proposed;
  ProblemOptions problem_options;
  problem_options.objective = options_.objective;
  Problem problem = MakeProblem(tapes.graph(), subgraph, problem_options);
  // The others are what the workflow is given here.
  std::vector<ProblemValue> variables;
  for (ProblemValue& variable : problem.variables) {
    (names.contains(variable.name) ? variables : problem.inputs).push_back(std::move(variable));
  }
  problem.variables = std::move(variables);
  if (problem.variables.empty()) co_return proposed;
  OptimizerState state = proposed.memory;
  const std::string before = ProposedBefore(*parent, candidates_);
  if (!before.empty()) state.context += (state.context.empty() ? "" : "\n\n") + before;
  CO_ASSIGN_OR_RETURN(GraphProposal proposal,
                      co_await optimizer_->Propose(scope, std::move(name), problem, state));
  TrainingCandidate& made = proposed.candidate;
  made.parent = parent->number;
  made.step = step;
  made.origin = TrainingCandidate::Origin::kProposed;
  made.reasoning = proposal.reasoning;
  made.picture = GraphPictureSvg(
      problem, fmt::format("What candidate {} did in step {}, as the optimizer was shown it",
                           parent->number, step));
  made.values = Applied(parent->values, proposal.changes, names, proposal.refused);
  Remember(problem, proposal, options_.memory, proposed.memory);
  made.memory = proposed.memory;
  proposed.changed = made.values != parent->values;
  proposed.finished = proposal.finished;
  co_return proposed;
}

TrainingCandidatePtr TrainingGround::Merge(const TrainingCandidate& one,
                                           const TrainingCandidate& other, int step, Json values) {
  if (!CheckWorkflow(WithValues(options_.workflow, values), *services_, "workflow").ok()) {
    return nullptr;
  }
  TrainingCandidate made;
  made.parent = one.number;
  made.other_parent = other.number;
  made.step = step;
  made.origin = TrainingCandidate::Origin::kMerged;
  made.values = std::move(values);
  made.memory = one.memory;
  return Keep(std::move(made));
}

TrainingCandidatePtr TrainingGround::Best() const {
  TrainingCandidatePtr best;
  for (const TrainingCandidatePtr& candidate : candidates_) {
    if (candidate->validation.size() < validation().size()) continue;
    if (best == nullptr || candidate->ValidationScore() > best->ValidationScore() + 1e-12) {
      best = candidate;
    }
  }
  return best;
}

void TrainingGround::KeepPicturesOfTheBest() {
  std::vector<TrainingCandidate*> drawn;
  for (const TrainingCandidatePtr& candidate : candidates_) {
    if (!candidate->picture.empty()) drawn.push_back(candidate.get());
  }
  if (drawn.size() <= kMaxPictures) return;
  std::stable_sort(drawn.begin(), drawn.end(),
                   [](const TrainingCandidate* a, const TrainingCandidate* b) {
                     return a->ValidationScore() > b->ValidationScore();
                   });
  for (size_t i = kMaxPictures; i < drawn.size(); ++i) drawn[i]->picture = std::string();
}

void TrainingGround::Report(const Scope& task, int step) {
  KeepPicturesOfTheBest();
  const TrainingCandidatePtr best = Best();
  TrainingPoint point;
  point.step = step;
  point.runs = runs_;
  point.cost_microusd = task.usage().cost_microusd;
  if (best != nullptr) {
    const auto interval = MeanScoreInterval(best->ValidationScores(), options_.confidence,
                                            task.Random(fmt::format("curve:{}", step)));
    point.best = best->number;
    point.score = interval.value;
    point.low = interval.low;
    point.high = interval.high;
  }
  curve_.push_back(point);
  task.Progress(
      fmt::format("Step {}: best is candidate {} of {} with {:.3f} on validation, after "
                  "{} runs",
                  step, point.best, candidates_.size(), point.score, runs_));
}

std::vector<size_t> TrainingGround::Draw(const Scope& scope, const std::string& name, size_t size,
                                         size_t count) {
  std::vector<size_t> places(size);
  std::iota(places.begin(), places.end(), size_t{0});
  std::mt19937_64 random(scope.Random(name));
  // Not std::shuffle, whose draws are another library's own.
  for (size_t i = size; i > 1; --i) std::swap(places[i - 1], places[random() % i]);
  places.resize(std::min(size, count));
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace troupe
