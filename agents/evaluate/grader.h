// Graders: what an answer is worth, from 0 to 1. Immutable and shared by all branches of a task.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "agents/evaluate/item.h"
#include "agents/runtime/scope.h"
#include "tools/base/async.h"
#include "troupe/v1/evaluate.pb.h"

namespace troupe {

struct GivenGrade {
  std::string grader;
  double score = 0;  // 0 to 1
  bool passed = false;
  std::string reason;
  std::string judged;  // what of the answer counted, shortened; empty: all of it
};

// kInvalidField of a part of a grader's spec, named below it: "numeric.absolute_tolerance".
absl::Status WrongGrader(std::string_view field, std::string_view what);

class AnswerGrader {
 public:
  virtual ~AnswerGrader() = default;

  // Judges `answer`; what it asks outside is below `scope`, which outlives it. A status is a
  // failure of grading itself (the sandbox, the model), of the run or of the task as a target's is.
  virtual Async<GivenGrade> Judge(const Scope& scope, Item item, std::string answer) const = 0;
};

// A grader with what the spec says of every one. Use MakeGraders.
class GraderSet {
 public:
  // kInvalidField, naming the field below `field`, for graders that cannot be. `fields` are the
  // data set's; `has_answers`: whether items have an expected answer.
  static absl::StatusOr<GraderSet> Make(const google::protobuf::RepeatedPtrField<v1::Grader>& specs,
                                        const std::string& field);

  struct Entry {
    std::string name;
    double weight = 1;
    bool needs_answer = false;  // the expected one
    std::string needed_field;   // of items; empty: none
    std::shared_ptr<const AnswerGrader> grader;
  };
  const std::vector<Entry>& entries() const { return entries_; }

  // kInvalidField if items of these fields cannot be judged.
  absl::Status CheckItems(const std::vector<std::string>& fields, bool have_answers) const;

  // Every grader's judgement, in order, one after another below `scope`.
  Async<std::vector<GivenGrade>> Judge(const Scope& scope, Item item, std::string answer) const;

  // The mean score by weight, and whether all whose weight is not 0 let it pass.
  double ScoreOf(const std::vector<GivenGrade>& grades) const;
  bool PassOf(const std::vector<GivenGrade>& grades) const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace troupe
