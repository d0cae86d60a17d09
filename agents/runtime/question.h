// A question to a person: what is asked, how it is stored, and which answers fit it. Stateless
// functions.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

enum class QuestionKind { kClarification = 1, kApproval, kInterruptedCall };

struct Question {
  QuestionKind kind = QuestionKind::kClarification;
  std::string prompt;
  std::vector<std::string> choices;  // the answer must be one of them; empty: any
  Json schema;                       // of the answer; null: a string
  Json detail;                       // what it is about, for people and programs
};

// The request of a question's effect, and the question that such a request asks.
Json QuestionJson(const Question& question);
Question QuestionOf(const Json& request);

// kInvalidField (field "answer") for an answer that the question does not take.
absl::Status CheckAnswer(const Question& question, const Json& answer);

}  // namespace troupe
