// Scope: what an algorithm knows of the world. It opens child spans, performs effects, notes
// attributes. Every effect has a path (the names on the way down to it), is recorded before the
// algorithm sees its result, and is answered from the record when the task is run again.
//
//   Async<std::string> Improve(Scope& task, std::string text) {
//     Scope round = task.Open("round", "round:1", "First round");
//     CO_ASSIGN_OR_RETURN(ChatReply reply, co_await round.Chat("rewrite", "optimizer", request));
//     round.Note("length", reply.message.text().size());
//     round.End();
//     co_return reply.message.text();
//   }
//
// Names within one parent are unique and the same in every run: derive them from the algorithm's
// own counters. Thread-confined to the task's strand. A Scope may be moved; the moved-from one is
// empty.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agents/models/chat.h"
#include "agents/models/chat_model.h"
#include "agents/runtime/task_run.h"
#include "tools/base/async.h"
#include "tools/tool.h"

namespace troupe {

class PromptSource;

class Scope {
 public:
  // The root of a task's tree.
  static Scope Root(std::shared_ptr<TaskRun> run, std::string type, std::string title);

  Scope(Scope&&) noexcept = default;
  Scope& operator=(Scope&&) noexcept = delete;
  // A scope that was not ended is ended as cancelled.
  ~Scope();

  const std::string& path() const;
  const RunOptions& options() const;
  // OkStatus while the task may go on.
  absl::Status cancelled() const;

  // Where the prompts of this scope come from.
  const std::shared_ptr<const PromptSource>& prompts() const;
  // Replaces it for this scope and for all that is opened below it from now on. What `prompts` says
  // must follow from the record alone (agents/prompts/overlay.h).
  void UsePrompts(std::shared_ptr<const PromptSource> prompts);
  // Hides from Left, in this scope and in all that is opened below it from now on, what the budget
  // still allows: beside branches at work it would be another in every run. Limits hold all the
  // same.
  void HideBudgetLeft();
  // Gives this scope, and all that is opened below it from now on, a room of its own: files and
  // states of kernels that the rest of the task does not see, with the task's inputs. The states go
  // when the scope ends. For runs of agents side by side.
  void UseRoom();
  // Its name (tools/room.h); empty: the task itself.
  const std::string& room() const;
  // What a tool says of itself; kToolUnknown.
  absl::StatusOr<std::shared_ptr<const ToolSpec>> ToolNamed(std::string_view tool) const;
  // The tools that the server has now, by name.
  std::vector<std::shared_ptr<const ToolSpec>> Tools() const;
  // Whether the model that serves `role` takes images.
  bool CanSeeImages(std::string_view role) const;
  // What the model that serves `role` can do, and tokens that a reply of it has at most. By the
  // server's configuration, which may be another in the task's next life: Fix what follows from it.
  absl::StatusOr<ModelCapabilities> CapabilitiesOf(std::string_view role) const;
  absl::StatusOr<int64_t> MaxReplyTokens(std::string_view role) const;
  // What is left of the task's budget, for calls of `role`. While no other branch of the task is at
  // work this is the same in every run.
  BudgetLeft Left(const std::string& role) const;
  // What the task's calls of `role` have cost; likewise.
  Usage SpentBy(const std::string& role) const;
  // What the effects of this span and of all below it used so far, the recorded ones included.
  const Usage& usage() const;

  // Opens a child span. `name` is unique in this scope, [A-Za-z0-9_.:-]+.
  Scope Open(std::string type, std::string name, std::string title) const;
  // Ends the span, with the state of `status`. Later calls change nothing.
  void End(const absl::Status& status = absl::OkStatus());
  // Sets an attribute of the span; it is stored when the span ends.
  void Note(std::string key, Json value);
  // A line for watchers. Not repeated when the task is run again up to here.
  void Progress(std::string text) const;

  // --- effects ---
  // Calls the model that serves `role`.
  Async<ChatReply> Chat(std::string name, std::string role, ChatRequest request) const;
  // The same, with the reply valid by request.reply_schema, which must be set. A reply that is not
  // gets one repair request that quotes what is wrong (name + ".repair"); then kModelBadReply.
  Async<Json> ChatJson(std::string name, std::string role, ChatRequest request) const;
  // Calls a tool for the agent that plays `role` (empty: for the algorithm itself). The task's
  // permissions are kept: where they say so a person is asked first (name + ".approval"), who may
  // change the arguments; a call that is not allowed is a result with is_error that tells the agent
  // why. An interrupted call that may not be repeated asks a person.
  Async<ToolResult> CallTool(std::string name, std::string tool, Json arguments,
                             std::string role = "") const;
  // Asks a person and waits. The answer is text unless the question has a schema.
  Async<Json> Ask(std::string name, Question question) const;
  // The time, the same in every run.
  Async<absl::Time> Now(std::string name) const;

  // `value`, or what an earlier life recorded at `name`: for what is read from the server's
  // settings, which may change between two lives of a task.
  Async<Json> Fix(std::string name, Json value) const;

  // 64 random bits that depend on the task's seed, this path and `name` alone; the same in every
  // run, and what was drawn before the fork in a fork with another seed.
  uint64_t Random(std::string_view name) const;

  // --- for branches.h ---
  // A small value recorded by an earlier life at `name`; null if none.
  absl::StatusOr<Json> RecallValue(const std::string& name, SpanKind kind) const;
  AsyncStatus RecordValue(std::string name, SpanKind kind, Json value) const;

  // A scope for closing work after a limit was reached: the same span, whose tool calls are not
  // refused by the budget or the deadline that stopped the task (but by a person who cancels), and
  // do not count as such in what was used.
  Scope ForClosing() const;

 private:
  struct Node;
  struct Effect;
  using EffectPtr = std::unique_ptr<Effect>;  // it is large, and is handed on often
  struct FoundTool;
  struct Permit;
  explicit Scope(std::shared_ptr<Node> node, bool owner) : node_(std::move(node)), owner_(owner) {}

  // kDivergence if the effect `draft` asks for is not the one that was recorded at its path.
  absl::Status CheckRepeats(const SpanRecord& recorded, const SpanRecord& draft,
                            const StoredValue& request, bool finished) const;
  // Marks an inherited effect whose request would be another now.
  void NoteRequestDiffers(const SpanRecord& recorded) const;
  absl::StatusOr<EffectPtr> FindEffect(SpanRecord draft, const std::string& name,
                                       StoredValue request) const;
  JournalEntry BeginEntry(Effect& effect) const;
  AsyncStatus FinishEffect(EffectPtr effect, StoredValue result, absl::Status outcome,
                           Usage usage) const;
  // Records that the effect failed; returns the outcome.
  AsyncStatus FailEffect(EffectPtr effect, absl::Status outcome, Usage usage) const;
  Async<ChatReply> PerformChat(EffectPtr effect, std::string role, ChatRequest request,
                               int64_t role_order) const;
  // What the task's permissions, and a person where they ask one, make of a call.
  Async<Permit> PermitCall(std::string name, std::string tool_name, std::string role,
                           Json arguments) const;
  Async<ToolResult> CallPermitted(std::string name, std::string tool_name, Permit permit) const;
  Async<Json> AskForApproval(std::string name, Question question) const;
  Async<ToolResult> RefuseTool(EffectPtr effect, std::string why) const;
  Async<ToolResult> PerformTool(EffectPtr effect, std::shared_ptr<Tool> tool, Json arguments,
                                bool rejoin = false) const;
  // The tool that is meant by `tool_name` at the effect `name`, and the request for it: the version
  // that an earlier life called, if there was one.
  FoundTool FindTool(const std::string& name, const std::string& tool_name,
                     const Json& arguments) const;
  Async<ToolResult> ResolveInterruptedCall(EffectPtr effect, std::shared_ptr<Tool> tool,
                                           Json arguments) const;
  // Lets go of the scope's room, if it has one of its own.
  void LeaveRoom() const;
  ToolCall MakeToolCall(const Effect& effect, const ToolSpec& spec, Json arguments) const;
  // The scope of an effect's own path, for what it asks while it is performed.
  Scope Below(const Effect& effect) const;
  // Books what a call asked that is not performed again.
  void ChargeAsked(const Effect& effect) const;
  const CancelToken& cancel_token() const;
  void AddUsage(const Usage& usage) const;

  std::shared_ptr<Node> node_;
  bool owner_ = true;  // whether destroying this ends the span
  bool closing_ = false;
};

}  // namespace troupe
