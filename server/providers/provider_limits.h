// How many providers there may be and how much each may ask of the server.
#pragma once

#include <absl/time/time.h>

#include <cstddef>
#include <cstdint>

namespace troupe {

struct ProviderLimits {
  int max_providers = 64;                    // attached or expected back
  absl::Duration grace = absl::Seconds(30);  // for a provider whose stream broke
  absl::Duration heartbeat = absl::Seconds(10);
  int max_waiting_calls = 10'000;  // for a provider that has room
};

inline constexpr int kMissedHeartbeats = 3;
inline constexpr size_t kMaxSilentStreams = 256;  // that have said no hello yet
inline constexpr absl::Duration kMostSilence = absl::Seconds(30);
inline constexpr size_t kMaxCallId = 64;
inline constexpr int kMaxToolsPerProvider = 256;
inline constexpr int kMaxEnvironmentsPerProvider = 64;
inline constexpr int kMaxCallsPerProvider = 1024;
inline constexpr int kUsualCallsPerProvider = 64;
inline constexpr int kMaxHeldCalls = 4096;
inline constexpr size_t kMaxKnownTools = 4096;  // served now or before
inline constexpr int64_t kMaxAttachMessageBytes = int64_t{4} * 1024 * 1024;
inline constexpr size_t kMaxArgumentsBytes = 1024 * 1024;
inline constexpr int64_t kMaxOutboxBytes =
    int64_t{8} * 1024 * 1024;  // then a provider counts as full
inline constexpr int64_t kMaxArtifactBytes = int64_t{64} * 1024 * 1024;   // all files of one call
inline constexpr int64_t kMaxBufferedBytes = int64_t{256} * 1024 * 1024;  // files of all calls
inline constexpr size_t kMaxFilesPerCall = 32;
inline constexpr size_t kMaxPartialOutput = 1024 * 1024;
inline constexpr int kMaxCallAttempts = 3;
inline constexpr size_t kMaxInstances = 10'000;  // of one environment

}  // namespace troupe
