#include "agents/runtime/task_result.h"

#include "tools/base/error.h"

namespace troupe {

bool IsLimit(const absl::Status& status) {
  return HasReason(status, Reason::kBudgetExceeded) || HasReason(status, Reason::kDeadlineExceeded);
}

v1::TaskResult::StopReason StopReasonOf(const absl::Status& stopped) {
  if (stopped.ok()) return v1::TaskResult::STOP_REASON_COMPLETED;
  return HasReason(stopped, Reason::kDeadlineExceeded) ? v1::TaskResult::STOP_REASON_TIMEOUT
                                                       : v1::TaskResult::STOP_REASON_BUDGET;
}

void AddArtifacts(const std::vector<Artifact>& artifacts, v1::TaskResult& result) {
  for (const Artifact& artifact : artifacts) {
    v1::Artifact* message = result.add_artifacts();
    message->set_name(artifact.name);
    message->set_media_type(artifact.media_type);
    message->set_description(artifact.description);
    message->set_size_bytes(artifact.size_bytes);
    message->set_sha256(artifact.sha256);
  }
}

}  // namespace troupe
