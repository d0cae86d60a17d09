// Documents in YAML (of which JSON is a part) as messages, strictly: what is not a field is an
// error, and errors name their lines. Stateless functions.
#pragma once

#include <absl/status/status.h>
#include <google/protobuf/message.h>

#include <map>
#include <string>

namespace troupe::client {

// Where the fields of a message are in the document: "steps[0].model.role" to a line, from 1.
using DocumentLines = std::map<std::string, int>;

// Reads `text` into `message` by its descriptor. Names of enum values may be given short and in
// lower case ("python"). Fails with a line "FILE:LINE: what" for each error, at most 20.
absl::Status ReadYamlMessage(const std::string& text, const std::string& file,
                             google::protobuf::Message& message, DocumentLines& lines);

// The line of a field, or of the closest part around it that has one; 0: none.
int LineOf(const DocumentLines& lines, std::string field);

}  // namespace troupe::client
