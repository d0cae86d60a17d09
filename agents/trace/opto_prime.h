// OptoPrime: one call of a model a step, which sees the problem and suggests new values (arXiv
// 2406.16218, section 3.3). Against the published program: values are typed by a schema and never
// cast, code is parsed before it is taken, TERMINATE is the whole answer and not a word somewhere
// in it, suggestions that cannot be used are told to the model once, and in the next step.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agents/models/chat.h"
#include "agents/trace/graph_optimizer.h"
#include "agents/trace/problem_text.h"

namespace troupe {

// The role whose model optimizes.
inline constexpr char kTraceOptimizer[] = "optimizer";

struct OptoPrimeOptions {
  enum class Form {
    kSections,  // #Code, #Variables ..., as published
    kTags,      // as its second version
  };
  Form form = Form::kSections;
  ProblemLayout layout{.value_bytes = 2000, .section_bytes = 48'000};
  bool example = false;  // whether a worked example is shown
  std::optional<double> temperature;
  std::optional<int64_t> max_tokens;
  int corrections =
      1;  // times that the model is told of suggestions that cannot be used, in one step
  ValueRules rules;
};

// How one call differs from the plain one: what OptoPrimeMulti varies.
struct OptoPrimeVariation {
  std::optional<double> temperature;  // over the options'
  std::string persona;                // who the model is to be
  std::vector<std::string> earlier;   // answers of others, as JSON
  enum class Earlier { kNone, kRefine, kDiffer, kMerge } use = Earlier::kNone;
};

class OptoPrime : public GraphOptimizer {
 public:
  explicit OptoPrime(OptoPrimeOptions options) : options_(std::move(options)) {}

  Async<GraphProposal> Propose(const Scope& scope, std::string name, const Problem& problem,
                               const OptimizerState& state) const override;

  // One proposal by one call, corrections apart.
  Async<GraphProposal> ProposeAs(const Scope& scope, std::string name, const Problem& problem,
                                 const OptimizerState& state, OptoPrimeVariation variation) const;

  const OptoPrimeOptions& options() const { return options_; }

 private:
  absl::StatusOr<ChatRequest> RequestFor(const Scope& scope, const Problem& problem,
                                         const OptimizerState& state,
                                         const OptoPrimeVariation& variation) const;

  const OptoPrimeOptions options_;
};

// Whether such a reply says that nothing is left to change: its whole answer is TERMINATE.
bool SaysTerminate(const Json& reply);

// {"reasoning", "answer", "suggestion"} for the variables of the problem.
ReplySchema OptoPrimeReply(const Problem& problem);

// The values that a prompt of the family has for what was remembered: lists of {"number",
// "variables", "feedback"} and of {"name", "suggested", "why"}.
Json MemoryValues(const OptimizerState& state);
Json RefusalValues(const std::vector<Refusal>& refused);

// A proposal as JSON: what candidates are shown as.
Json ProposalJson(const GraphProposal& proposal);

}  // namespace troupe
