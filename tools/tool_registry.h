// ToolRegistry: the tools of a server by name, and the one door through which they are called:
// arguments and results are validated against the tool's schemas, deadlines and output limits are
// kept, a failed call is repeated if that changes nothing more. Tools come and go while the server
// runs; a call keeps the tool it began with until it ends. Thread-safe.
//
// One who serves a tool may serve several versions of it: NAME@VERSION names one of them, NAME the
// newest that is available.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "tools/base/mutex.h"
#include "tools/tool.h"

namespace troupe {

class JsonSchema;

class ToolRegistry {
 public:
  ToolRegistry();
  ~ToolRegistry();
  ToolRegistry(const ToolRegistry&) = delete;
  ToolRegistry& operator=(const ToolRegistry&) = delete;

  // Fails with kAlreadyExists for a name that is taken (but not by another version of the same
  // provider), kInvalidField for a schema that is none.
  absl::Status Add(std::shared_ptr<Tool> tool);
  // Takes the place of all tools of that name, if there are any; kInvalidField.
  absl::Status Replace(std::shared_ptr<Tool> tool);
  // The same, but leaves other versions alone. kAlreadyExists if the name is another provider's.
  absl::Status ReplaceVersion(std::shared_ptr<Tool> tool);
  // All versions of NAME, or NAME@VERSION. False if there was no such tool. Calls that run go on.
  bool Remove(std::string_view name);

  // Fails with kToolUnknown, naming the closest tools that exist.
  absl::StatusOr<std::shared_ptr<Tool>> Find(std::string_view name) const;

  // What is available, the newest version of each, sorted by name.
  std::vector<std::shared_ptr<const ToolSpec>> List() const;

  // kToolArgumentsInvalid with the place and what is accepted there, in words for an agent.
  absl::Status CheckArguments(std::string_view name, const Json& arguments) const;

  // Validates, calls with the tool's own deadline at most, validates the result, cuts what is over
  // the output limit. Fails with kToolUnknown, kToolArgumentsInvalid, kToolFailed (the tool threw
  // or returned what its schema does not allow), kDeadlineExceeded, or what the tool failed with.
  // What is over the output limit becomes an artifact of the task, of which the agent sees the
  // beginning and the end.
  Async<ToolResult> Call(std::string name, ToolCall call) const;
  // The same with a tool that was found before, be it replaced or removed since.
  Async<ToolResult> Call(std::shared_ptr<Tool> tool, ToolCall call) const;

  void Forget(std::string_view task_id) const;
  // The same of a room of the task.
  void ForgetRoom(std::string_view task_id, std::string_view room) const;

 private:
  struct Entry;
  using EntryPtr = std::shared_ptr<const Entry>;

  // A tool with its schemas compiled.
  static absl::StatusOr<EntryPtr> Compile(std::shared_ptr<Tool> tool);
  absl::StatusOr<EntryPtr> FindEntry(std::string_view name) const;
  // Puts `entry` among the versions of its name; it holds what it replaced then.
  absl::Status Insert(EntryPtr& entry, bool may_replace) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null if there is none.
  EntryPtr Look(std::string_view name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static Async<ToolResult> CallEntry(EntryPtr entry, ToolCall call);
  std::vector<EntryPtr> AllEntries() const;

  mutable Mutex mutex_;
  // All versions of a name, the newest first; never empty.
  std::map<std::string, std::vector<EntryPtr>, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
