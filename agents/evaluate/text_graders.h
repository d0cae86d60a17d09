// The graders that need nothing but the answer. Each is made from its part of the spec;
// kInvalidField says what of it is wrong, without its place.
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "agents/evaluate/grader.h"

namespace troupe {

std::shared_ptr<const AnswerGrader> MakeExactGrader();
std::shared_ptr<const AnswerGrader> MakeNormalizedGrader(const v1::NormalizedGrader& spec);
absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeNumericGrader(
    const v1::NumericGrader& spec);
absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeChoiceGrader(const v1::ChoiceGrader& spec);
absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeRegexGrader(const v1::RegexGrader& spec);
absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeSchemaGrader(const v1::SchemaGrader& spec);

// Judges with `inner` the part of the answer that the spec's answer_tag or answer_pattern marks; an
// answer without one scores 0.
absl::StatusOr<std::shared_ptr<const AnswerGrader>> OfMarkedPart(
    const v1::Grader& spec, std::shared_ptr<const AnswerGrader> inner);

}  // namespace troupe
