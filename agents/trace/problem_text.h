// A Problem as text for a model: OptoPrime's sections, or tags as in its second version. Long
// programs are cut to a budget that keeps what is near the outputs; what may be changed is always
// shown whole.
//
// Stateless functions.
#pragma once

#include <set>
#include <string>

#include "agents/trace/problem.h"

namespace troupe {

enum class Section {
  kInstruction,
  kCode,
  kDocumentation,
  kVariables,
  kConstraints,
  kInputs,
  kOthers,
  kOutputs,
  kFeedback
};

struct ProblemLayout {
  // Bytes of one value at most that cannot be changed; of a longer one the beginning and the end
  // are shown. 0: no limit.
  size_t value_bytes = 0;
  // Bytes of code, of inputs and of intermediate values at most, each; those nearest to the outputs
  // are kept. 0: no limit.
  size_t section_bytes = 0;
  // Sections that are left empty: without code, documentation, inputs and others, the ablation
  // "without trace".
  std::set<Section> masked;
};

// The text under each heading.
struct ProblemSections {
  std::string instruction, code, documentation, variables, constraints, inputs, others, outputs,
      feedback;
};

// As published: "(int) x0=1", "(code) f0:def f(x): ...", values as Python prints them.
ProblemSections SectionsOf(const Problem& problem, const ProblemLayout& layout = {});

// "#Instruction", "#Code" ... with their texts.
std::string SectionText(const ProblemSections& sections);

// The same in tags, with each variable's constraint inside of it, and values that are no text as
// JSON.
std::string TaggedText(const Problem& problem, const ProblemLayout& layout = {});

// A value as sections show it; of one that is over `bytes` (0: no limit) the beginning and the end.
std::string ShownValue(const GraphValue& value, size_t bytes);

}  // namespace troupe
