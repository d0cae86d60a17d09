#include "server/scheduler/task_manager.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <fstream>
#include <future>

#include "agents/runtime/text.h"
#include "server/scheduler/check_spec.h"
#include "server/scheduler/task_copy.h"
#include "server/scheduler/task_identity.h"
#include "server/scheduler/task_inputs.h"
#include "server/store/journal_table.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

constexpr absl::Duration kStrandPatience = absl::Seconds(10);
constexpr int kSweepAtOnce = 100;
constexpr size_t kTitleBytes = 120;
constexpr absl::Duration kStrandedPause = absl::Seconds(1);

std::string FirstLine(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  return line.size() <= kTitleBytes ? line : TruncateUtf8(line, kTitleBytes) + "...";
}

absl::Status HasEnded(const std::string& id) {
  return Error(Reason::kTaskTerminal, fmt::format("the task 'tasks/{}' has ended", id),
               {{"name", "tasks/" + id}});
}

}  // namespace

TaskManager::TaskManager(TaskManagerOptions options, RunServices services, Store* store,
                         std::vector<std::unique_ptr<TaskKind>> kinds)
    : options_(std::move(options)),
      services_(std::move(services)),
      store_(store),
      kinds_(std::move(kinds)),
      folders_(options_.data_folder),
      threads_(static_cast<size_t>(options_.threads)) {
  store_->SetListener([this](const std::string& task_id) { hub_.Notify(task_id); });
}

TaskManager::~TaskManager() {
  Shutdown(SteadyNow() + absl::Seconds(10));
  bool all_ended = false;
  {
    MutexLock lock(&mutex_);
    all_ended = Idle();
  }
  // Threads of tools and models that just woke a task may hold its executor still: joining waits
  // for them, unless a task is stuck.
  if (!all_ended) threads_.stop();
  threads_.join();
  // What the tasks wrote last comes back to this object.
  store_->Drain();
  store_->SetListener(nullptr);
}

const TaskKind* TaskManager::KindOf(const std::string& name) const {
  for (const auto& kind : kinds_) {
    if (kind->name() == name) return kind.get();
  }
  return nullptr;
}

Workspace TaskManager::WorkspaceOf(const std::string& id) const { return {folders_.Of(id)}; }

absl::Status TaskManager::Recover() {
  folders_.Settle([this](const std::string& id) { return ReadRow(id).status(); });
  std::vector<std::string> names;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(names, UnfinishedTasks(connection));
    return absl::OkStatus();
  }));
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(TaskRow row, ReadRow(name));
    Enqueue({std::move(row)});
  }
  if (!names.empty()) spdlog::info("resuming {} unfinished tasks", names.size());
  return absl::OkStatus();
}

void TaskManager::Resume() {
  while (const auto task = NextToRun()) task->Start();
}

void TaskManager::Strand(const std::string& id, bool cancelling) {
  if (closing_) return;
  auto& timer = stranded_[id];
  timer = std::make_unique<asio::steady_timer>(threads_);
  timer->expires_after(absl::ToChronoNanoseconds(kStrandedPause));
  timer->async_wait([this, id, cancelling](asio::error_code) { ProbeStore(id, cancelling); });
}

void TaskManager::ProbeStore(const std::string& id, bool cancelling) {
  // Behind all that the earlier life has queued, and with something to write.
  const auto probe = [id](Connection& connection) { return TouchTask(connection, id); };
  store_->Write(probe, [this, id, cancelling](const absl::Status& written) {
    asio::post(threads_, [this, id, cancelling, written] { OnProbed(id, cancelling, written); });
  });
}

void TaskManager::OnProbed(const std::string& id, bool cancelling, const absl::Status& written) {
  auto row = ReadRow(id);
  {
    MutexLock lock(&mutex_);
    if (stranded_.erase(id) == 0) return;               // cancelled meanwhile
    if (HasReason(written, Reason::kNotFound)) return;  // deleted meanwhile
    if (!written.ok() || !row.ok()) return Strand(id, cancelling);
    if (row->end_time != absl::InfinitePast()) return;
    if (cancelling) row->state = v1::Task::STATE_CANCELLING;
    Enqueue({*std::move(row)});
  }
  Resume();
}

bool TaskManager::Idle() const { return live_.empty() && stranded_.empty() && accepting_.empty(); }

bool TaskManager::Stranded(const std::string& id) {
  MutexLock lock(&mutex_);
  return stranded_.contains(id);
}

void TaskManager::Shutdown(absl::Time deadline) {
  store_->StopRetrying();
  std::vector<std::shared_ptr<LiveTask>> live;
  {
    MutexLock lock(&mutex_);
    closing_ = true;
    waiting_.clear();
    for (const auto& [name, task] : live_) live.push_back(task);
    for (const auto& [name, timer] : stranded_) timer->cancel();
    resting_.clear();
  }
  for (const auto& task : live) task->Cancel(CancelReason::kShutdown, "the server closes");
  MutexLock lock(&mutex_);
  const auto stopped = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return Idle(); };
  mutex_.AwaitWithDeadline(Condition(&stopped), deadline);
}

absl::StatusOr<TaskRow> TaskManager::ReadRow(const std::string& id) {
  TaskRow row;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, ReadTask(connection, id));
    return absl::OkStatus();
  }));
  return row;
}

absl::StatusOr<std::optional<TaskRow>> TaskManager::EarlierSubmission(
    const std::string& request_id, const std::string& request_hash) {
  if (request_id.empty()) return std::nullopt;
  absl::StatusOr<TaskRow> row;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    row = ReadTaskByRequest(connection, request_id);
    return absl::OkStatus();
  }));
  if (row.status().code() == absl::StatusCode::kNotFound) return std::nullopt;
  RETURN_IF_ERROR(row.status());
  if (row->request_hash != request_hash) {
    return Error(
        Reason::kRequestIdReused,
        fmt::format("the request id {} was used for another request: choose a new one", request_id),
        {{"field", "request_id"}, {"name", "tasks/" + row->name}});
  }
  return *std::move(row);
}

absl::StatusOr<std::vector<SpecProblem>> TaskManager::FindProblems(
    const v1::SubmitTaskRequest& request) const {
  ASSIGN_OR_RETURN(const TaskKind* kind, CheckShared(request));
  return kind->FindSpecProblems(request.spec());
}

absl::Status TaskManager::Check(const v1::SubmitTaskRequest& request) const {
  ASSIGN_OR_RETURN(const TaskKind* kind, CheckShared(request));
  return kind->Validate(request.spec());
}

absl::StatusOr<const TaskKind*> TaskManager::CheckShared(
    const v1::SubmitTaskRequest& request) const {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  RETURN_IF_ERROR(CheckTaskId(request.task_id()));
  RETURN_IF_ERROR(CheckSharedFields(request.spec(), options_.allowed_input_folders));
  const TaskKind* kind = KindOf(KindName(request.spec()));
  if (kind == nullptr) {
    return Error(
        Reason::kInvalidField,
        fmt::format("this server does not run tasks of the kind '{}'", KindName(request.spec())),
        {{"field", "spec.kind"}});
  }
  for (const auto& [role, model] : request.spec().models()) {
    const auto found = services_.models->ForRole(role, model);
    if (!found.ok()) {
      return Error(Reason::kInvalidField, MessageOf(found.status()),
                   {{"field", fmt::format("spec.models[{}]", role)}});
    }
  }
  for (const auto& [prompt, version] : request.spec().prompts()) {
    const auto found = services_.prompts->Get(prompt, version);
    if (!found.ok()) {
      return Error(Reason::kInvalidField, MessageOf(found.status()),
                   {{"field", fmt::format("spec.prompts[{}]", prompt)}});
    }
  }
  return kind;
}

void TaskManager::PinPrompts(const TaskKind& kind, v1::TaskSpec& spec) const {
  // A promotion while the task runs, or before it is resumed, must not change what it says.
  const std::vector<std::string> families = kind.PromptFamilies(spec);
  for (const auto& [prompt, version] : services_.prompts->ActiveVersions()) {
    const bool used = std::any_of(
        families.begin(), families.end(),
        [&name = prompt](const std::string& family) { return name.starts_with(family + "."); });
    if (used && !spec.prompts().contains(prompt)) {
      (*spec.mutable_prompts())[prompt] = std::to_string(version);
    }
  }
}

void TaskManager::Submit(const v1::SubmitTaskRequest& request, Accepted done) {
  if (const absl::Status valid = Check(request); !valid.ok()) return done(valid);
  const std::string id = request.task_id().empty() ? NewTaskId(services_.now()) : request.task_id();
  if (!Reserve(id)) return WaitForRelease(id, [this, request, done] { Submit(request, done); });
  const Accepted release_and_done = [this, id, done](absl::StatusOr<LiveTask::Snapshot> accepted) {
    Release(id);
    done(std::move(accepted));
  };
  std::string request_hash = RequestHash(request);
  const auto earlier = EarlierSubmission(request.request_id(), request_hash);
  if (!earlier.ok()) return release_and_done(earlier.status());
  if (earlier->has_value()) return release_and_done(Get((*earlier)->name));
  auto row = NewRow(request, id);
  if (!row.ok()) return release_and_done(row.status());
  row->request_hash = std::move(request_hash);
  Accept(*std::move(row), nullptr, release_and_done);
}

bool TaskManager::Reserve(const std::string& id) {
  MutexLock lock(&mutex_);
  return reserved_.try_emplace(id).second;
}

void TaskManager::WaitForRelease(const std::string& id, std::function<void()> then) {
  {
    MutexLock lock(&mutex_);
    const auto found = reserved_.find(id);
    if (found != reserved_.end()) {
      found->second.push_back(std::move(then));
      return;
    }
  }
  asio::post(threads_, std::move(then));
}

void TaskManager::Release(const std::string& id) {
  std::vector<std::function<void()>> waiting;
  {
    MutexLock lock(&mutex_);
    waiting = std::move(reserved_[id]);
    reserved_.erase(id);
  }
  for (auto& then : waiting) asio::post(threads_, std::move(then));
}

absl::StatusOr<TaskRow> TaskManager::NewRow(const v1::SubmitTaskRequest& request,
                                            const std::string& id) {
  {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(CheckRoom());
  }
  if (ReadRow(id).ok()) {
    return Error(Reason::kAlreadyExists, fmt::format("the task 'tasks/{}' exists", id),
                 {{"field", "task_id"}, {"name", "tasks/" + id}});
  }
  TaskRow row;
  row.name = id;
  row.request_id = request.request_id();
  row.create_time = row.update_time = services_.now();
  v1::TaskSpec spec = request.spec();
  row.kind = KindName(spec);
  row.title = spec.title().empty() ? FirstLine(KindOf(row.kind)->TitleOf(spec)) : spec.title();
  row.state = v1::Task::STATE_PENDING;
  row.seed = spec.seed() != 0 ? spec.seed() : RandomBits() >> 1;
  for (const auto& [key, value] : spec.labels()) row.labels[key] = value;
  if (!spec.inputs().empty()) folders_.Begin(id);
  RETURN_IF_ERROR(StoreInputs(WorkspaceOf(id), options_.allowed_input_folders, spec));
  PinPrompts(*KindOf(row.kind), spec);
  row.spec = spec.SerializeAsString();
  return row;
}

absl::Status TaskManager::CheckRoom() {
  if (closing_) return Error(Reason::kShuttingDown, "the server is closing; try another time");
  const size_t held = live_.size() + waiting_.size() + accepting_.size() + resting_.size();
  if (held < options_.max_running + options_.max_pending) return absl::OkStatus();
  return Error(Reason::kQueueFull, fmt::format("{} tasks run and wait already; try later", held),
               {{"limit", "server.max_pending"}});
}

void TaskManager::Accept(TaskRow row, const TaskCopy* copy, Accepted done) {
  absl::Status room;
  {
    MutexLock lock(&mutex_);
    room = CheckRoom();
    if (room.ok()) accepting_.insert(row.name);
  }
  if (!room.ok()) {
    folders_.Drop(row.name);
    return done(room);
  }
  auto shared = std::make_shared<TaskRow>(std::move(row));
  const int64_t first_sequence = (copy == nullptr ? 0 : copy->last_sequence) + 1;
  store_->Write(
      [this, shared, copy, first_sequence](Connection& connection) -> absl::Status {
        RETURN_IF_ERROR(InsertTask(connection, *shared));
        JournalEntry entry;
        entry.task_id = shared->name;
        if (copy != nullptr) {
          RETURN_IF_ERROR(store_->CatchUpIndexes(connection));
          RETURN_IF_ERROR(ShareContents(connection, copy->source, shared->key));
          entry.contents = copy->contents;
          entry.begun = copy->spans;
          for (const SpanRecord& span : copy->spans) {
            if (span.end_sequence != 0) entry.ended.push_back(span);
          }
        }
        entry.events.push_back({first_sequence, shared->create_time, EventType::kState, "",
                                v1::Task::State_Name(v1::Task::STATE_PENDING)});
        return store_->AppendWithin(connection, entry);
      },
      [this, shared, first_sequence, is_new = copy == nullptr,
       done = std::move(done)](const absl::Status& written) {
        // Who writes has other things to do than to start tasks.
        asio::post(threads_, [this, shared, first_sequence, is_new, written, done] {
          OnAccepted(*shared, first_sequence, is_new, written, done);
        });
      });
}

void TaskManager::OnAccepted(TaskRow row, int64_t last_sequence, bool is_new,
                             const absl::Status& written, const Accepted& done) {
  LiveTask::Snapshot snapshot;
  snapshot.row = row;
  snapshot.last_sequence = last_sequence;
  if (written.ok()) {
    folders_.Keep(row.name);
    Launch({std::move(row), is_new ? last_sequence : 0});
  }
  {
    MutexLock lock(&mutex_);
    accepting_.erase(accepting_.find(snapshot.row.name));
  }
  if (written.ok()) return done(std::move(snapshot));
  if (written.code() != absl::StatusCode::kAlreadyExists) folders_.Drop(snapshot.row.name);
  // Two calls with one request id at once: the other one made the task.
  const auto earlier = EarlierSubmission(snapshot.row.request_id, snapshot.row.request_hash);
  if (earlier.ok() && earlier->has_value()) return done(Get((*earlier)->name));
  done(written);
}

absl::StatusOr<LiveTask::Snapshot> TaskManager::AcceptAndWait(TaskRow row, const TaskCopy& copy) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<LiveTask::Snapshot>>>();
  auto accepted = promise->get_future();
  Accept(std::move(row), &copy, [promise](absl::StatusOr<LiveTask::Snapshot> snapshot) {
    promise->set_value(std::move(snapshot));
  });
  return accepted.get();
}

void TaskManager::Launch(Queued task) {
  {
    MutexLock lock(&mutex_);
    Enqueue(std::move(task));
  }
  Resume();
}

void TaskManager::Enqueue(Queued task) {
  if (closing_) return;
  if (KindOf(task.row.kind) == nullptr) {
    spdlog::error("task {}: this server does not run the kind '{}'", task.row.name, task.row.kind);
    return;
  }
  waiting_.push_back(std::move(task));
}

std::shared_ptr<LiveTask> TaskManager::NextToRun() {
  MutexLock lock(&mutex_);
  if (closing_ || waiting_.empty() || live_.size() >= options_.max_running) return nullptr;
  Queued next = std::move(waiting_.front());
  waiting_.pop_front();
  const std::string name = next.row.name;
  const TaskKind* kind = KindOf(next.row.kind);
  auto task = std::make_shared<LiveTask>(
      services_, store_, kind, std::move(next.row), WorkspaceOf(name),
      asio::make_strand(threads_.get_executor()), options_.rest_after,
      [this, name](LiveTask::Ending ending) {
        auto live = Live(name);
        OnEnd(name, ending, live != nullptr && live->cancelled_by_person());
      });
  task->NoteIsNew(next.new_last_sequence);
  live_[name] = task;
  return task;
}

void TaskManager::OnEnd(const std::string& id, LiveTask::Ending ending, bool cancelling) {
  services_.tools->Forget(id);
  {
    MutexLock lock(&mutex_);
    if (ending == LiveTask::Ending::kStranded) Strand(id, cancelling);
    if (ending == LiveTask::Ending::kResting) {
      LetRest(id, live_.at(id)->resting(), live_.at(id)->time_left());
    }
    live_.erase(id);
  }
  hub_.Notify(id);
  Resume();
}

std::shared_ptr<LiveTask> TaskManager::Live(const std::string& id) {
  MutexLock lock(&mutex_);
  const auto found = live_.find(id);
  return found == live_.end() ? nullptr : found->second;
}

void TaskManager::LetRest(const std::string& id, LiveTask::Snapshot snapshot,
                          absl::Duration time_left) {
  if (closing_) return;
  Resting& resting = resting_[id];
  resting.snapshot = std::move(snapshot);
  if (time_left == absl::InfiniteDuration()) return;
  resting.deadline = std::make_unique<asio::steady_timer>(threads_);
  resting.deadline->expires_after(
      absl::ToChronoNanoseconds(std::max(time_left, absl::ZeroDuration())));
  // It stops itself when it finds its time to be over.
  resting.deadline->async_wait([this, id](asio::error_code error) {
    if (!error) Wake(id);
  });
}

void TaskManager::Wake(const std::string& id) {
  {
    MutexLock lock(&mutex_);
    const auto found = resting_.find(id);
    if (found == resting_.end()) return;
    TaskRow row = std::move(found->second.snapshot.row);
    resting_.erase(found);
    Enqueue({std::move(row)});
  }
  Resume();
}

std::shared_ptr<LiveTask> TaskManager::Awake(const std::string& id) {
  Wake(id);
  MutexLock lock(&mutex_);
  const auto started = [this, &id]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return live_.contains(id) ||
           std::none_of(waiting_.begin(), waiting_.end(),
                        [&](const Queued& task) { return task.row.name == id; });
  };
  mutex_.AwaitWithTimeout(Condition(&started), kStrandPatience);
  const auto found = live_.find(id);
  return found == live_.end() ? nullptr : found->second;
}

absl::StatusOr<LiveTask::Snapshot> TaskManager::Get(const std::string& id) {
  ASSIGN_OR_RETURN(TaskRow row, ReadRow(id));
  LiveTask::Snapshot snapshot;
  if (auto live = Live(id); live != nullptr && row.end_time == absl::InfinitePast()) {
    auto promise = std::make_shared<std::promise<LiveTask::Snapshot>>();
    auto inspected = promise->get_future();
    live->Inspect([promise](LiveTask::Snapshot seen) { promise->set_value(std::move(seen)); });
    if (inspected.wait_for(absl::ToChronoSeconds(kStrandPatience)) == std::future_status::ready) {
      snapshot = inspected.get();
    }
  } else if (live == nullptr) {
    MutexLock lock(&mutex_);
    if (const auto found = resting_.find(id); found != resting_.end()) {
      snapshot = found->second.snapshot;
    }
  }
  // The row is what is durable; the strand may be ahead of it.
  snapshot.row = std::move(row);
  if (snapshot.last_sequence == 0) {
    ASSIGN_OR_RETURN(snapshot.last_sequence, store_->LastSequence(id));
  }
  return snapshot;
}

absl::StatusOr<LiveTask::Snapshot> TaskManager::Cancel(const std::string& id,
                                                       const std::string& reason) {
  ASSIGN_OR_RETURN(TaskRow row, ReadRow(id));
  if (row.end_time != absl::InfinitePast()) return HasEnded(id);
  std::shared_ptr<LiveTask> live;
  bool taken = false;
  {
    MutexLock lock(&mutex_);
    const auto started = [this, &id]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !accepting_.contains(id);
    };
    mutex_.AwaitWithTimeout(Condition(&started), kStrandPatience);
    if (const auto found = live_.find(id); found != live_.end()) {
      live = found->second;
    } else {
      taken = std::erase_if(waiting_, [&](const Queued& each) { return each.row.name == id; }) > 0;
      taken = stranded_.erase(id) > 0 || resting_.erase(id) > 0 || taken;
    }
  }
  if (live == nullptr) return CancelUnstarted(std::move(row), taken);
  // Who is told that it is being cancelled must not find it in its old state afterwards.
  const auto promise = std::make_shared<std::promise<void>>();
  auto noted = promise->get_future();
  live->Cancel(CancelReason::kUser, reason.empty() ? "a client asked" : "a client asked: " + reason,
               [promise] { promise->set_value(); });
  noted.wait_for(absl::ToChronoSeconds(kStrandPatience));
  ASSIGN_OR_RETURN(LiveTask::Snapshot snapshot, Get(id));
  if (snapshot.row.end_time == absl::InfinitePast()) {
    snapshot.row.state = v1::Task::STATE_CANCELLING;
  }
  return snapshot;
}

absl::StatusOr<LiveTask::Snapshot> TaskManager::CancelUnstarted(TaskRow row, bool taken) {
  TaskRow ended = row;
  ended.state = v1::Task::STATE_CANCELLED;
  ended.end_time = ended.update_time = services_.now();
  const absl::Status written =
      store_->WriteAndWait([ended](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(const TaskRow current, ReadTask(connection, ended.name));
        if (current.end_time != absl::InfinitePast()) return HasEnded(ended.name);
        ASSIGN_OR_RETURN(const int64_t last, LastSequenceOf(connection, ended.key));
        return WriteEnd(connection, ended, last, nullptr);
      });
  const std::string id = row.name;
  if (!written.ok()) {
    if (taken && !HasReason(written, Reason::kTaskTerminal)) Launch({std::move(row)});
    return written;
  }
  hub_.Notify(id);
  return Get(id);
}

absl::StatusOr<std::string> TaskManager::PathOfQuestion(const std::string& id, int64_t question) {
  std::string path;
  int open = 0;
  if (question == 0) {
    // What the task waits with now: its record may hold questions that were open when an earlier
    // life was cut off, and that this one has not come to again.
    ASSIGN_OR_RETURN(const LiveTask::Snapshot snapshot, Get(id));
    for (const PendingQuestion& pending : snapshot.questions) {
      path = pending.path;
      ++open;
    }
  } else {
    ASSIGN_OR_RETURN(const std::vector<SpanRecord> spans, store_->LoadSpans(id));
    for (const SpanRecord& span : spans) {
      if (span.kind != SpanKind::kQuestion || span.begin_sequence != question) continue;
      path = span.path;
      ++open;
    }
  }
  if (open == 1) return path;
  return Error(Reason::kQuestionNotPending,
               open == 0
                   ? fmt::format("the task 'tasks/{}' has no such question", id)
                   : fmt::format("the task 'tasks/{}' waits with {} questions: name one", id, open),
               {{"name", "tasks/" + id}});
}

absl::Status TaskManager::Respond(const std::string& id, int64_t question, Json answer) {
  RETURN_IF_ERROR(ReadRow(id).status());
  if (Stranded(id)) {
    return Error(
        Reason::kStoreReadOnly,
        fmt::format("the task 'tasks/{}' waits for the store to take writes; try later", id),
        {{"name", "tasks/" + id}});
  }
  ASSIGN_OR_RETURN(const std::string path, PathOfQuestion(id, question));
  const absl::Time deadline = SteadyNow() + kStrandPatience;
  while (SteadyNow() < deadline) {
    const auto live = Awake(id);
    if (live == nullptr) {
      return Error(Reason::kQuestionNotPending,
                   fmt::format("the task 'tasks/{}' does not wait", id), {{"name", "tasks/" + id}});
    }
    auto promise = std::make_shared<std::promise<absl::Status>>();
    auto durable = promise->get_future();
    live->Answer(path, answer, [promise](absl::Status s) { promise->set_value(std::move(s)); });
    if (durable.wait_for(absl::ToChronoSeconds(kStrandPatience)) != std::future_status::ready)
      break;
    absl::Status answered = durable.get();
    if (!absl::IsAborted(answered)) return answered;
    // It was going to rest just then.
    MutexLock lock(&mutex_);
    const auto gone = [this, &id, &live]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      const auto found = live_.find(id);
      return found == live_.end() || found->second != live;
    };
    mutex_.AwaitWithDeadline(Condition(&gone), deadline);
  }
  return Error(Reason::kDeadlineExceeded, "the answer was not recorded in time; ask again");
}

absl::Status TaskManager::Delete(const std::string& id, bool force) {
  ASSIGN_OR_RETURN(TaskRow row, ReadRow(id));
  if (row.end_time == absl::InfinitePast()) {
    if (!force) {
      return Error(Reason::kTaskNotTerminal,
                   fmt::format("the task 'tasks/{}' has not ended: cancel it, or set force", id),
                   {{"name", "tasks/" + id}});
    }
    RETURN_IF_ERROR(Cancel(id, "to be deleted").status());
    MutexLock lock(&mutex_);
    const auto gone = [this, &id]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !live_.contains(id); };
    if (!mutex_.AwaitWithTimeout(Condition(&gone), kStrandPatience)) {
      return Error(Reason::kTaskNotTerminal, fmt::format("the task 'tasks/{}' is still ending", id),
                   {{"name", "tasks/" + id}});
    }
  }
  folders_.Begin(id);
  const absl::Status deleted = store_->Delete(id);
  if (!deleted.ok()) {
    folders_.Keep(id);
    return deleted;
  }
  folders_.Drop(id);
  hub_.Notify(id);
  return store_->Vacuum();
}

absl::StatusOr<int> TaskManager::Sweep() {
  RETURN_IF_ERROR(store_->Vacuum());  // what a large task that was deleted has left
  if (options_.retention == absl::InfiniteDuration()) return 0;
  std::vector<std::string> names;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(names,
                     EndedBefore(connection, services_.now() - options_.retention, kSweepAtOnce));
    return absl::OkStatus();
  }));
  for (const std::string& name : names) RETURN_IF_ERROR(Delete(name, false));
  return static_cast<int>(names.size());
}

}  // namespace troupe
