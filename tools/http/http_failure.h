// What is known of a request over HTTP that failed. Stateless functions.
#pragma once

#include <absl/status/status.h>

namespace troupe {

// Whether it failed before any of it was sent, so that it cannot have had an effect.
bool WasNotSent(const absl::Status& failure);

}  // namespace troupe
