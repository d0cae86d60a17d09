// Waiting for time to pass, in a coroutine, until cancelled.
#pragma once

#include <absl/time/time.h>

#include "tools/base/async.h"
#include "tools/base/cancel.h"

namespace troupe {

// OkStatus after `duration`, or at once the token's status when it is cancelled.
AsyncStatus Pause(absl::Duration duration, CancelToken cancel);

}  // namespace troupe
