#include "agents/runtime/task_result.h"

#include "agents/runtime/task_kind.h"
#include "tools/base/error.h"

namespace troupe {

bool IsLimit(const absl::Status& status) {
  return HasReason(status, Reason::kBudgetExceeded) || HasReason(status, Reason::kDeadlineExceeded);
}

bool IsFailureOfRun(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kCancelled) return false;
  const auto reason = ReasonOf(status);
  if (!reason.has_value()) return false;
  switch (*reason) {
    case Reason::kInvalidField:
    case Reason::kNotFound:
    case Reason::kModelUnavailable:
    case Reason::kModelRejected:
    case Reason::kModelBadReply:
    case Reason::kToolUnknown:
    case Reason::kToolArgumentsInvalid:
    case Reason::kToolFailed:
    case Reason::kSandboxFailed:
    case Reason::kSandboxLimit:
    case Reason::kPermissionDenied:
    case Reason::kNoProgress:
      return true;
    default:
      return false;
  }
}

v1::TaskResult::StopReason StopReasonOf(const absl::Status& stopped) {
  if (stopped.ok()) return v1::TaskResult::STOP_REASON_COMPLETED;
  return HasReason(stopped, Reason::kDeadlineExceeded) ? v1::TaskResult::STOP_REASON_TIMEOUT
                                                       : v1::TaskResult::STOP_REASON_BUDGET;
}

absl::Status ErrorOf(v1::TaskResult::StopReason reason) {
  if (reason == v1::TaskResult::STOP_REASON_NO_PROGRESS) {
    return Error(
        Reason::kNoProgress,
        "the agent made no progress and was asked for what it had; say more in the request, "
        "or give it other tools");
  }
  return Error(
      Reason::kBudgetExceeded,
      "the budget was nearly used up: its rest was for the answer, or not enough for more of the "
      "work; raise the budget to go further");
}

std::vector<SpecProblem> TaskKind::FindSpecProblems(const v1::TaskSpec& spec) const {
  const absl::Status valid = Validate(spec);
  if (valid.ok()) return {};
  const ErrorMetadata metadata = MetadataOf(valid);
  const auto field = metadata.find("field");
  return {{field == metadata.end() ? "spec" : field->second, std::string(MessageOf(valid))}};
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
