// What makes a task this one and no other: its id, its seed, and the hash by which a request that
// is sent twice is known. Stateless functions.
#pragma once

#include <absl/time/time.h>
#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <string>

namespace troupe {

// Sortable by time of submission, and unguessable enough not to collide.
std::string NewTaskId(absl::Time now);

uint64_t RandomBits();

// The same for equal requests, maps included.
std::string RequestHash(const google::protobuf::MessageLite& request);

}  // namespace troupe
