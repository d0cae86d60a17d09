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

// Sets what the template says in `spec`, over what it has. InvalidArgument, naming file and line,
// for what is no template.
absl::Status ReadSpoTemplate(const std::string& text, const std::string& file, v1::SpoSpec& spec);

// Adds the questions of a file in JSON Lines, each with "question" and perhaps "answer", to
// `questions`. InvalidArgument, naming file and line.
absl::Status ReadQuestions(const std::string& text, const std::string& file,
                           google::protobuf::RepeatedPtrField<v1::SpoQuestion>& questions);

}  // namespace troupe::client
