// A cell's outputs as its kernel reports them. The code of a cell runs in the same process as the
// kernel and can forge what it reports: nothing of it is believed beyond its form. Stateless.
#pragma once

#include "tools/base/json.h"
#include "tools/sandbox/sandbox_config.h"

namespace troupe {

// The outputs of nbformat 4 that are among `reported`, within the limits on text and figures. An
// honest kernel, which keeps the limits itself, gets back what it reported.
Json CheckedOutputs(const Json& reported, const SandboxConfig& config);

}  // namespace troupe
