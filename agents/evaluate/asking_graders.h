// The graders that ask the sandbox or a model. kInvalidField says what of a spec is wrong, without
// its place.
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "agents/evaluate/grader.h"

namespace troupe {

// The role whose model grades by a rubric, by the prompt evaluate.grader.
inline constexpr char kGraderRole[] = "grader";

// The effect is "code" in its scope, a call of the tool python. Its cell always ends with an
// exception, which carries the verdict: so it leaves no state behind that would be kept.
absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeCodeGrader(const v1::CodeGrader& spec);

// The effects are "vote:1" ... in its scope.
absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeModelGrader(const v1::ModelGrader& spec);

}  // namespace troupe
