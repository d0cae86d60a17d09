#include "tools/base/error.h"

#include <absl/strings/cord.h>
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

namespace troupe {
namespace {

constexpr char kPayloadType[] = "troupe.error";
using Code = absl::StatusCode;

constexpr std::array kReasons = {
    ReasonInfo{Reason::kInvalidField, "INVALID_ARGUMENT_FIELD", Code::kInvalidArgument, false},
    ReasonInfo{Reason::kNotFound, "NOT_FOUND", Code::kNotFound, false},
    ReasonInfo{Reason::kAlreadyExists, "ALREADY_EXISTS", Code::kAlreadyExists, false},
    ReasonInfo{Reason::kRequestIdReused, "REQUEST_ID_REUSED", Code::kAlreadyExists, false},
    ReasonInfo{Reason::kTaskTerminal, "TASK_TERMINAL", Code::kFailedPrecondition, false},
    ReasonInfo{Reason::kTaskNotTerminal, "TASK_NOT_TERMINAL", Code::kFailedPrecondition, false},
    ReasonInfo{Reason::kQuestionNotPending, "QUESTION_NOT_PENDING", Code::kFailedPrecondition,
               false},
    ReasonInfo{Reason::kBudgetExceeded, "BUDGET_EXCEEDED", Code::kResourceExhausted, false},
    ReasonInfo{Reason::kDeadlineExceeded, "DEADLINE_EXCEEDED", Code::kDeadlineExceeded, false},
    ReasonInfo{Reason::kCancelled, "CANCELLED", Code::kCancelled, false},
    ReasonInfo{Reason::kDivergence, "DIVERGENCE", Code::kFailedPrecondition, false},
    ReasonInfo{Reason::kReplayMissing, "REPLAY_MISSING", Code::kFailedPrecondition, false},
    ReasonInfo{Reason::kModelUnavailable, "MODEL_UNAVAILABLE", Code::kUnavailable, true},
    ReasonInfo{Reason::kModelRejected, "MODEL_REJECTED", Code::kFailedPrecondition, false},
    ReasonInfo{Reason::kModelBadReply, "MODEL_BAD_REPLY", Code::kInternal, false},
    ReasonInfo{Reason::kRecordingExhausted, "RECORDING_EXHAUSTED", Code::kFailedPrecondition,
               false},
    ReasonInfo{Reason::kToolUnknown, "TOOL_UNKNOWN", Code::kNotFound, false},
    ReasonInfo{Reason::kToolArgumentsInvalid, "TOOL_ARGUMENTS_INVALID", Code::kInvalidArgument,
               false},
    ReasonInfo{Reason::kToolFailed, "TOOL_FAILED", Code::kInternal, false},
    ReasonInfo{Reason::kSandboxFailed, "SANDBOX_FAILED", Code::kInternal, false},
    ReasonInfo{Reason::kSandboxLimit, "SANDBOX_LIMIT", Code::kResourceExhausted, false},
    ReasonInfo{Reason::kStoreFailed, "STORE_FAILED", Code::kInternal, false},
    ReasonInfo{Reason::kStoreReadOnly, "STORE_READ_ONLY", Code::kUnavailable, true},
    ReasonInfo{Reason::kPageTokenInvalid, "PAGE_TOKEN_INVALID", Code::kInvalidArgument, false},
    ReasonInfo{Reason::kFilterInvalid, "FILTER_INVALID", Code::kInvalidArgument, false},
    ReasonInfo{Reason::kEtagMismatch, "ETAG_MISMATCH", Code::kAborted, false},
    ReasonInfo{Reason::kSequenceOutOfRange, "SEQUENCE_OUT_OF_RANGE", Code::kOutOfRange, false},
    ReasonInfo{Reason::kQueueFull, "QUEUE_FULL", Code::kResourceExhausted, true},
    ReasonInfo{Reason::kShuttingDown, "SHUTTING_DOWN", Code::kUnavailable, true},
    ReasonInfo{Reason::kPermissionDenied, "PERMISSION_DENIED", Code::kPermissionDenied, false},
    ReasonInfo{Reason::kWatcherBehind, "WATCHER_BEHIND", Code::kResourceExhausted, true},
    ReasonInfo{Reason::kToolInterrupted, "TOOL_INTERRUPTED", Code::kAborted, false},
    ReasonInfo{Reason::kNoProgress, "NO_PROGRESS", Code::kFailedPrecondition, false},
    ReasonInfo{Reason::kNoRecordedWin, "NO_RECORDED_WIN", Code::kFailedPrecondition, false},
    ReasonInfo{Reason::kNothingToRollBack, "NOTHING_TO_ROLL_BACK", Code::kFailedPrecondition,
               false},
    ReasonInfo{Reason::kLimitReached, "LIMIT_REACHED", Code::kResourceExhausted, false},
    ReasonInfo{Reason::kInternal, "INTERNAL", Code::kInternal, false},
};

const ReasonInfo* FindByName(std::string_view name) {
  for (const ReasonInfo& info : kReasons) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

nlohmann::json PayloadOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadType);
  if (!payload.has_value()) return nullptr;
  return nlohmann::json::parse(std::string(*payload), nullptr, /*allow_exceptions=*/false);
}

// Messages may quote bytes that are not UTF-8 (a tool's output); they are replaced, never thrown
// on.
std::string Dump(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

absl::Span<const ReasonInfo> AllReasons() { return kReasons; }

const ReasonInfo& InfoOf(Reason reason) { return kReasons[static_cast<size_t>(reason)]; }

absl::Status Error(Reason reason, std::string_view message, ErrorMetadata metadata) {
  const ReasonInfo& info = InfoOf(reason);
  absl::Status status(info.code, std::string(message));
  status.SetPayload(kPayloadType,
                    absl::Cord(Dump({{"reason", info.name}, {"metadata", metadata}})));
  return status;
}

std::optional<Reason> ReasonOf(const absl::Status& status) {
  const nlohmann::json payload = PayloadOf(status);
  if (!payload.is_object()) return std::nullopt;
  const ReasonInfo* info = FindByName(payload.value("reason", ""));
  if (info == nullptr) return std::nullopt;
  return info->reason;
}

ErrorMetadata MetadataOf(const absl::Status& status) {
  const nlohmann::json payload = PayloadOf(status);
  ErrorMetadata metadata;
  if (!payload.is_object() || !payload.contains("metadata")) return metadata;
  for (const auto& [key, value] : payload["metadata"].items()) {
    if (value.is_string()) metadata[key] = value.get<std::string>();
  }
  return metadata;
}

std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

bool HasReason(const absl::Status& status, Reason reason) { return ReasonOf(status) == reason; }

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), fmt::format("{}: {}", prefix, MessageOf(status)));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    annotated.SetPayload(type, payload);
  });
  return annotated;
}

std::string StatusToText(const absl::Status& status) {
  nlohmann::json text = {{"code", static_cast<int>(status.code())}, {"message", MessageOf(status)}};
  const nlohmann::json payload = PayloadOf(status);
  if (payload.is_object()) text["payload"] = payload;
  return Dump(text);
}

absl::Status StatusFromText(std::string_view text) {
  const auto value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object() || !value.contains("code") || !value["code"].is_number_integer()) {
    return Error(Reason::kInternal, "a stored error could not be read");
  }
  const auto code = static_cast<absl::StatusCode>(value["code"].get<int>());
  absl::Status status(code, value.value("message", ""));
  if (value.contains("payload")) {
    status.SetPayload(kPayloadType, absl::Cord(Dump(value["payload"])));
  }
  return status;
}

}  // namespace troupe
