// Tool: something an agent may call. One small class per tool, registered by name.
//
//   class Dice : public Tool {
//    public:
//     const ToolSpec& spec() const override;
//     Async<ToolResult> Call(ToolCall call) override;
//   };
//
// A tool is shared by all tasks: Call runs on many strands at once and must be thread-safe. It must
// not block its thread: slow work goes to a thread or process of the tool's own.
#pragma once

#include <absl/time/time.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tools/base/async.h"
#include "tools/base/cancel.h"
#include "tools/base/json.h"

namespace troupe {

class ToolHost;

struct ToolSpec {
  std::string name;         // [a-z][a-z0-9_.-]{0,63}
  std::string version;      // changes whenever the tool's meaning does
  std::string brief;        // one line, what a selector reads
  std::string description;  // what an agent reads before it calls
  Json arguments_schema;    // JSON Schema of an object
  Json result_schema;       // JSON Schema of ToolResult::value
  bool read_only = false;   // changes nothing
  bool idempotent = false;  // repeating a call changes nothing more; a read-only tool is idempotent
  bool destructive = false;                   // may destroy what cannot be had again
  bool needs_approval = false;                // a person is asked before each call
  int max_concurrent = 0;                     // calls at the same time; 0: no limit
  absl::Duration timeout = absl::Minutes(2);  // of one call, unless the caller sets less
  int64_t output_limit_bytes = 256 * 1024;    // of text shown to an agent; more is cut with a note
  // Who serves it: "builtin", "attached" (a client), "mcp:NAME" or "library:NAME".
  std::string provider = "builtin";
};

// A file that a call left in the task's workspace.
struct Artifact {
  std::string name;  // relative to the workspace's artifact folder, no ".."
  std::string media_type;
  std::string description;
  int64_t size_bytes = 0;
  std::string sha256;
};

struct ToolText {
  std::string text;
};
struct ToolImage {
  std::string media_type;  // image/png, image/jpeg
  std::string bytes;       // not encoded
};
using ToolContent = std::variant<ToolText, ToolImage>;

struct ToolResult {
  Json value;                        // the structured result, valid by the tool's result_schema
  std::vector<ToolContent> content;  // the same for an agent's eyes, in order
  std::vector<Artifact> artifacts;
  // The call was carried out and failed in a way the agent should see and may mend (its code
  // raised, its file is missing). A failure of the tool itself is a status instead.
  bool is_error = false;
  // What a trace shows of how the call went (who served it, attempts, times): an object or null, no
  // part of the result.
  Json notes;
};

// Where a task's files are. `root` holds inputs/ (read-only to tools), states/, artifacts/, what
// artifacts were before (versions/), and files/, which write_file makes.
struct Workspace {
  std::filesystem::path root;
  std::filesystem::path inputs() const { return root / "inputs"; }
  std::filesystem::path states() const { return root / "states"; }
  std::filesystem::path artifacts() const { return root / "artifacts"; }
  std::filesystem::path versions() const { return root / "versions"; }
};

struct ToolContext {
  std::string task_id;
  std::string path;  // of the effect, unique in the task and the same when the task is run again
  // What a tool that draws at random starts from: the same in every life of the task, and in its
  // forks, which go on from states that were made with it.
  uint64_t seed = 0;
  // Of a call that is recalled: when it ended, as a place in the task's order of events. A task may
  // repeat calls that ran side by side in another order.
  int64_t recorded_end = 0;
  // The call began in an earlier life of the task and may not be repeated: give the answer of that
  // one if it can still be had, else fail with kToolInterrupted. Only of a tool that `rejoins`.
  bool rejoin = false;
  Workspace workspace;       // where files of the call are: of the room, if it is made in one
  std::string room;          // room.h; empty: the task itself
  Workspace task_workspace;  // where the room is; without one the same as `workspace`
  CancelToken cancel;        // a call must end within a second of it
  absl::Time deadline = absl::InfiniteFuture();  // of SteadyNow; DEADLINE_EXCEEDED after it
  std::function<void(std::string_view)> progress = [](std::string_view) {};  // a line for watchers
  // Whom the tool may ask in mid-call; null: nobody. Lives until the call ends.
  ToolHost* host = nullptr;
};

struct ToolCall {
  Json arguments;  // valid by the tool's arguments_schema
  ToolContext context;
};

class Tool {
 public:
  virtual ~Tool() = default;

  // Never changes: another definition is another Tool, which replaces this one in the registry.
  virtual const ToolSpec& spec() const = 0;

  // Performs one call. A status means the tool could not do its work (kToolFailed, kSandboxFailed,
  // a cancelled or late call, kToolInterrupted if it is not known whether the call took effect); an
  // error the agent should see is a result with is_error.
  virtual Async<ToolResult> Call(ToolCall call) = 0;

  // Whether a call would find somebody to answer it. A tool that is known and not available (the
  // client that serves it is away) is found by its name, for tasks that go on, but not listed.
  virtual bool available() const { return true; }

  // Whether a call may outlive the server, so that ToolContext::rejoin has a meaning.
  virtual bool rejoins() const { return false; }

  // Tells that `call` was performed in an earlier life of the task with `result`, and is not
  // performed again. A tool that holds state per task takes note, so that it can rebuild the state
  // when a later call needs it.
  virtual void Recall(const ToolCall& call, const ToolResult& result) {
    (void)call;
    (void)result;
  }

  // Whether calls leave a state behind that is dear to rebuild, so that a task that made some keeps
  // it while it waits for a person.
  virtual bool holds_state() const { return false; }

  // Tells that the task will call no more: processes and memory held for it can go.
  virtual void Forget(std::string_view task_id) { (void)task_id; }

  // The same of a room of the task.
  virtual void ForgetRoom(std::string_view task_id, std::string_view room) {
    (void)task_id;
    (void)room;
  }
};

}  // namespace troupe
