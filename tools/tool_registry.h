// ToolRegistry: the tools of a server by name, and the one door through which they are called:
// arguments and results are validated against the tool's schemas, deadlines and output limits are
// kept. Thread-safe; tools are added before the first call and never removed.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "tools/tool.h"

namespace troupe {

class JsonSchema;

class ToolRegistry {
 public:
  ToolRegistry();
  ~ToolRegistry();
  ToolRegistry(const ToolRegistry&) = delete;
  ToolRegistry& operator=(const ToolRegistry&) = delete;

  // Fails with kAlreadyExists for a name that is taken, kInvalidField for a schema that is none.
  absl::Status Add(std::shared_ptr<Tool> tool);

  // Fails with kToolUnknown, naming the closest tools that exist.
  absl::StatusOr<Tool*> Find(std::string_view name) const;

  // Sorted by name.
  std::vector<const ToolSpec*> List() const;

  // kToolArgumentsInvalid with the place and what is accepted there, in words for an agent.
  absl::Status CheckArguments(std::string_view name, const Json& arguments) const;

  // Validates, calls with the tool's own deadline at most, validates the result, cuts what is over
  // the output limit. Fails with kToolUnknown, kToolArgumentsInvalid, kToolFailed (the tool threw
  // or returned what its schema does not allow), kDeadlineExceeded, or what the tool failed with.
  Async<ToolResult> Call(std::string name, ToolCall call) const;

  void Forget(std::string_view task_id) const;

 private:
  struct Entry;
  std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries_;
};

}  // namespace troupe
