#include "agents/report/publish.h"

#include <string>
#include <utility>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// Whether the tool could not do its work, and the task can go on without it.
bool IsOfTheTool(const absl::Status& status) {
  const auto reason = ReasonOf(status);
  return reason == Reason::kToolFailed || reason == Reason::kToolUnknown ||
         reason == Reason::kToolArgumentsInvalid;
}

}  // namespace

Async<std::vector<Artifact>> PublishReport(const Scope& task, std::vector<ReportFile> files) {
  Scope scope = task.ForClosing().Open("report", "report", "Write the report");
  std::vector<Artifact> artifacts;
  for (ReportFile& file : files) {
    const std::string effect = "write " + file.name;
    Json arguments = {
        {"name", file.name}, {"description", file.description}, {"text", std::move(file.text)}};
    auto written = co_await scope.CallTool(effect, "write_artifact", std::move(arguments));
    if (!written.ok() && IsOfTheTool(written.status())) continue;
    CO_RETURN_IF_ERROR(written.status());
    artifacts.insert(artifacts.end(), written->artifacts.begin(), written->artifacts.end());
  }
  scope.End();
  co_return artifacts;
}

}  // namespace troupe
