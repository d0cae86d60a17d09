// What an agent sees of a tool's output that is over the limit: its beginning and its end, and
// where all of it is. Stateless.
#pragma once

#include <string>

#include "tools/tool.h"

namespace troupe {

// Cuts the text in `result` to spec.output_limit_bytes. What is cut is an artifact of the workspace
// then, named by the tool and by `path`, the call's place in the task; without a workspace, or if
// it cannot be written, it is left out. A result without content gets its value as text.
void LimitOutput(const ToolSpec& spec, const Workspace& workspace, const std::string& path,
                 ToolResult& result);

}  // namespace troupe
