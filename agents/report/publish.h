// Puts a report among a task's artifacts.
#pragma once

#include <string>
#include <vector>

#include "agents/runtime/scope.h"
#include "tools/tool.h"

namespace troupe {

struct ReportFile {
  std::string name;  // of the artifact
  std::string description;
  std::string text;
};

// In a span "report" of the task, limits or not: what was paid for is told. A file that cannot be
// written is left out, so that the result is kept; a status is the task's own end (a person who
// cancels, a store that takes no writes).
Async<std::vector<Artifact>> PublishReport(const Scope& task, std::vector<ReportFile> files);

}  // namespace troupe
