// TaskRun: one life of a task, from its start (or restart) until its algorithm returns: what
// earlier lives recorded, the sequence of events, the ledger, the questions that wait.
//
// Thread-confined: everything but the constructor runs on the task's strand, unless it says
// otherwise. Algorithms use Scope and never see this class.
#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/numeric/int128.h>
#include <absl/time/time.h>

#include <asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "agents/models/chat_model.h"
#include "agents/runtime/approval.h"
#include "agents/runtime/budget.h"
#include "agents/runtime/content.h"
#include "agents/runtime/journal.h"
#include "agents/runtime/permissions.h"
#include "agents/runtime/question.h"
#include "tools/base/async.h"
#include "tools/base/cancel.h"
#include "tools/base/steady_time.h"
#include "tools/tool_registry.h"

namespace troupe {

class PromptSource;

// What a run uses of the server; all of it outlives the run.
struct RunServices {
  Journal* journal = nullptr;
  const ModelDirectory* models = nullptr;
  const ToolRegistry* tools = nullptr;
  const PromptSource* prompts = nullptr;
  const PermissionPolicy* permissions = nullptr;  // null: none but the tools' annotations
  std::function<absl::Time()> now = absl::Now;
  std::function<absl::Time()> steady_now = SteadyNow;  // for durations
};

enum class RunMode {
  kLive,        // effects that are not recorded are performed
  kReplayOnly,  // an effect that is not recorded is an error: nothing outside is touched
};

struct RunOptions {
  std::string task_id;
  std::string label;  // what a recording knows the task by
  uint64_t seed = 0;
  bool seed_models = false;  // the seed was asked for: models that can are told one for each call
  RunMode mode = RunMode::kLive;
  Workspace workspace;
  BudgetLimits limits;
  std::map<std::string, std::string> models;   // role to model name, over the config's table
  std::map<std::string, std::string> prompts;  // prompt name to version
  std::shared_ptr<const PermissionRules> permissions;  // the task's own; null: none
  CancelToken cancel;       // by a person, a shutdown, a deadline or a budget
  CancelToken hard_cancel;  // by a person or a shutdown alone; `cancel` follows it
  // Of a replay: what an effect ends with that the record lacks because the task was stopped or
  // cancelled there. Empty: the record ought to be complete, and the effect is kReplayMissing.
  std::function<absl::Status()> at_end_of_record;

  // The model that the task's spec names for a role; "" if it names none.
  std::string_view ModelFor(std::string_view role) const {
    auto found = models.find(std::string(role));
    if (found == models.end()) found = models.find("default");
    return found == models.end() ? std::string_view() : std::string_view(found->second);
  }
};

struct PendingQuestion {
  std::string path;
  int64_t sequence = 0;  // of its span's beginning
  Question question;
  absl::Time asked;
};

class TaskRun : public std::enable_shared_from_this<TaskRun> {
 public:
  TaskRun(RunServices services, RunOptions options, asio::any_io_executor strand,
          std::vector<SpanRecord> recorded, int64_t last_sequence);

  const RunServices& services() const { return services_; }
  const RunOptions& options() const { return options_; }
  Ledger& ledger() { return ledger_; }
  const asio::any_io_executor& strand() const { return strand_; }

  // --- the record of earlier lives ---
  // The span recorded at `path`, or null.
  const SpanRecord* Recorded(const std::string& path) const;
  ReadContentFn reader() const;
  // ToolContext::seed. Of a fork, that of the task in which what it inherited was performed.
  uint64_t tool_seed() const { return tool_seed_; }

  // --- writing ---
  int64_t NextSequence() { return ++last_sequence_; }
  int64_t last_sequence() const { return last_sequence_; }
  // Queues without waiting: what is queued in one go on the strand is written as one entry.
  // Contents that this run has already stored are left out. Whose entry it is need not be said.
  void Append(JournalEntry entry);
  // Waits until the entry, and all before it, are durable.
  AsyncStatus AppendDurably(JournalEntry entry);
  // Writes at once what Append queued, for what must come behind it.
  void Flush();
  // What breaks when an entry of this run cannot be written.
  const std::shared_ptr<EntryChain>& chain() const { return chain_; }
  // Why an entry could not be written; OkStatus while all could. Then the run has no future: what
  // comes is not recorded.
  const absl::Status& journal_failure() const { return journal_failure_; }
  // Called once, on the strand, when journal_failure is set.
  std::function<void()> on_journal_failure;
  // Whether a content was queued by this run, or found in the record of an earlier one.
  bool IsStored(const Hash& hash) const;
  // False if it was noted before.
  bool NoteStored(const Hash& hash);
  EventRecord NewEvent(EventType type, std::string path, std::string text);

  // --- permissions ---
  // What the rules of the server and the task say of a call.
  Verdict JudgeCall(const ToolSpec& tool, std::string_view role, const Json& arguments) const;
  // Whether a person gave leave for such calls for the rest of the task, in this life or before.
  bool HasGrant(std::string_view tool, std::string_view version, const Json& arguments);
  void AddGrant(Grant grant) { grants_.push_back(std::move(grant)); }

  // --- identity ---
  // kInternal if the algorithm used the path before in this life: two effects may not share one.
  absl::Status ClaimPath(const std::string& path);
  int64_t NextRoleOrder(const std::string& role) { return role_orders_[role]++; }

  // --- rest ---
  // A call of a model or a tool is under way until what it returns is destroyed.
  std::shared_ptr<void> BeginCall();
  // A tool holds state for the task from now on.
  void NoteHeldState() { holds_state_ = true; }
  // Whether nothing but answers of people is waited for, and nothing would be lost but memory if
  // the run ended and another took its place when one comes.
  bool MayRest() const;

  // --- questions ---
  // Called on the strand whenever the set of pending questions changed.
  std::function<void()> on_questions_changed;
  std::vector<PendingQuestion> Pending() const;
  // Suspends until Answer is called for `path` or the task is cancelled.
  Async<Json> WaitForAnswer(PendingQuestion question);
  // kQuestionNotPending, or kInvalidField if the answer does not fit the question. `durable` is
  // called when the answer is recorded (or cannot be).
  absl::Status Answer(const std::string& path, Json answer,
                      std::function<void(absl::Status)> durable);
  // Tells whoever answered `path` how recording the answer went.
  void AcknowledgeAnswer(const std::string& path, const absl::Status& status);

 private:
  struct Waiting;

  // Moves `entry` to the end of what is queued.
  void Queue(JournalEntry entry);
  JournalEntry TakeQueued();
  void NoteJournalFailure(const absl::Status& failure);
  // Reads the grants that earlier lives were given: of branches that run side by side, this life
  // may come to a call before it comes to the answer that covers it.
  void LoadGrants();

  RunServices services_;
  RunOptions options_;
  asio::any_io_executor strand_;
  Ledger ledger_;
  std::unordered_map<std::string, SpanRecord> recorded_;
  absl::flat_hash_set<std::string> claimed_;
  std::map<std::string, int64_t> role_orders_;
  std::vector<Grant> grants_;
  bool grants_loaded_ = false;
  int calls_under_way_ = 0;
  bool holds_state_ = false;
  std::map<std::string, std::shared_ptr<Waiting>> questions_;
  std::map<std::string, std::function<void(absl::Status)>> acknowledgements_;
  absl::flat_hash_set<absl::uint128> stored_contents_;  // Hash::key
  JournalEntry queued_;                                 // what Append took since the last write
  bool flush_posted_ = false;
  uint64_t tool_seed_ = 0;
  const std::shared_ptr<EntryChain> chain_ = std::make_shared<EntryChain>();
  absl::Status journal_failure_;
  int64_t last_sequence_;
};

}  // namespace troupe
