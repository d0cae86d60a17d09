// What the commands that take workflows share.
#pragma once

#include <string>

#include "clients/cpp/yaml_message.h"
#include "troupe/v1/workflow.pb.h"

namespace troupe::client {

// The workflow in a file; throws CLI's error with the line of each fault, which is printed as a
// usage error.
v1::Workflow ReadWorkflowFile(const std::string& file, DocumentLines& lines);

// A value given on the command line: JSON, or else text; "@FILE": what is in the file.
google::protobuf::Value GivenValue(const std::string& given);

}  // namespace troupe::client
