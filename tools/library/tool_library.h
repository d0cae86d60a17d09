// Tools from shared objects, by the C entry point of troupe_tool.h.
#pragma once

#include <absl/status/status.h>

#include <memory>
#include <string>

namespace troupe {

class ToolRegistry;
class WorkerPool;

// Loads the shared object at `path` and adds its tools, whose provider is "library:NAME" after the
// file. It stays loaded until the process ends; calls run on `threads`. kInvalidField (field
// "tools.libraries") for what is no such shared object or a tool that is none; kAlreadyExists.
absl::Status LoadToolLibrary(const std::string& path, std::shared_ptr<WorkerPool> threads,
                             ToolRegistry& registry);

}  // namespace troupe
