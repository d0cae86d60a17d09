// Graders as options of a command line.
#pragma once

#include <string>

#include "troupe/v1/evaluate.pb.h"

namespace troupe::client {

inline constexpr char kGraderHelp[] =
    "exact, normalized, contains, numeric[=TOLERANCE], choice[=N], regex[=RE2], schema=FILE, "
    "code=FILE, tests=FIELD or rubric=TEXT; several count alike. Without, normalized";

// "numeric=0.01" and so on; throws CLI's error, which is printed as a usage error.
v1::Grader GraderOf(const std::string& text);

}  // namespace troupe::client
