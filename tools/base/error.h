// Errors with a machine-readable reason. An error is an absl::Status whose message says what was
// wrong, where, and what to do, and whose payload carries the reason and the dynamic parts, from
// which the gRPC edge makes google.rpc details.
//
//   return Error(Reason::kInvalidField, "max_steps is -1: give 1 to 64, or 0 for the default",
//                {{"field", "spec.cellagent.max_steps"}});
//
// One table (error.cc) maps a reason to its name on the wire, its status code and whether a caller
// may retry. Stateless and thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/types/span.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

enum class Reason {
  kInvalidField,
  kNotFound,
  kAlreadyExists,
  kRequestIdReused,
  kTaskTerminal,
  kTaskNotTerminal,
  kQuestionNotPending,
  kBudgetExceeded,
  kDeadlineExceeded,
  kCancelled,
  kDivergence,
  kReplayMissing,
  kModelUnavailable,
  kModelRejected,
  kModelBadReply,
  kRecordingExhausted,
  kToolUnknown,
  kToolArgumentsInvalid,
  kToolFailed,
  kSandboxFailed,
  kSandboxLimit,
  kStoreFailed,
  kStoreReadOnly,
  kPageTokenInvalid,
  kFilterInvalid,
  kEtagMismatch,
  kSequenceOutOfRange,
  kQueueFull,
  kShuttingDown,
  kPermissionDenied,
  kWatcherBehind,
  kToolInterrupted,
  kNoProgress,
  kNoRecordedWin,
  kNothingToRollBack,
  kLimitReached,
  kInternal,
};

struct ReasonInfo {
  Reason reason;
  std::string_view name;  // UPPER_SNAKE, as in troupe.v1.ErrorReason without its prefix
  absl::StatusCode code;
  bool retryable;
};

// Every reason once, in the order of the enum.
absl::Span<const ReasonInfo> AllReasons();
const ReasonInfo& InfoOf(Reason reason);

using ErrorMetadata = std::map<std::string, std::string>;

// Makes a status of the reason's code. `metadata` repeats every dynamic part of the message; the
// key "field" names the request field at fault.
absl::Status Error(Reason reason, std::string_view message, ErrorMetadata metadata = {});

// The reason of `status`; none if it was not made by Error().
std::optional<Reason> ReasonOf(const absl::Status& status);
ErrorMetadata MetadataOf(const absl::Status& status);
bool HasReason(const absl::Status& status, Reason reason);

// The message as a std::string_view: Abseil as Debian packages it has a string_view of its own,
// which is why the project formats text with fmt::format and not with absl::StrCat.
std::string_view MessageOf(const absl::Status& status);

// The same error with `prefix` before its message, reason and metadata kept.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

// For the journal: text that StatusFromText turns back into an equal status.
std::string StatusToText(const absl::Status& status);
absl::Status StatusFromText(std::string_view text);

}  // namespace troupe
