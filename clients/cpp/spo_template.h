// Task templates of SPO (YAML), read as they are:
//
//   prompt: |
//     Please think step by step.
//   requirements: |
//     Must put the final answer at the end with XML.
//   count: None
//   qa:
//     - question: |
//         ...
//       answer: |
//         ...
//
// Stateless functions.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "troupe/v1/spo.pb.h"

namespace troupe::client {

// Which fields of a data set's items are question and answer, and how many items; empty and 0: as
// the server finds.
struct QuestionFields {
  std::string question;
  std::string answer;
  int limit = 0;
};

// Sets what the template says in `spec`, over what it has. InvalidArgument, naming file and line,
// for what is no template.
absl::Status ReadSpoTemplate(const std::string& text, const std::string& file, v1::SpoSpec& spec);

// Adds the questions of a file in JSON Lines to `questions`. A question is the first there is of
// the fields question, input, prompt, text, query, instruction and request, its answer of answer,
// target, label, output, expected and solution, as in data sets. InvalidArgument, naming file and
// line.
absl::Status ReadQuestions(const std::string& text, const std::string& file,
                           google::protobuf::RepeatedPtrField<v1::SpoQuestion>& questions);

// "NAME", "NAME@DIGEST" or either with ":SPLIT" behind it, as items of a stored data set.
void SelectItems(const std::string& given, const QuestionFields& fields,
                 v1::DatasetSelection& selection);

}  // namespace troupe::client
