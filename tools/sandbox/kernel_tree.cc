#include "tools/sandbox/kernel_tree.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <limits>

#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/pause.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/sandbox/cell_outputs.h"

namespace troupe {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(60);
constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr absl::Duration kCleanPatience = absl::Seconds(10);
constexpr absl::Duration kInterruptGrace = absl::Seconds(2);
constexpr int kTicksPerFolderCheck = 5;
constexpr int kSweepRounds = 100;
constexpr absl::Duration kSweepPause = absl::Milliseconds(20);
constexpr size_t kForkAttempts = 3;
constexpr int kBusyWaits = 50;
constexpr int64_t kMega = 1024 * 1024;
constexpr char kStatesInside[] = "/workspace";
constexpr char kInputsInside[] = "/inputs";

CellResult Ended(std::string status, const std::string& name, const std::string& message) {
  CellResult result;
  result.status = std::move(status);
  result.outputs.push_back({{"output_type", "error"},
                            {"ename", name},
                            {"evalue", message},
                            {"traceback", Json::array({name + ": " + message})}});
  return result;
}

}  // namespace

KernelTree::KernelTree(const SandboxConfig& config, KernelLanguage language, Workspace workspace,
                       std::vector<SandboxMount> shared_folders, uint64_t seed,
                       asio::any_io_executor executor)
    : config_(config),
      language_(std::move(language)),
      workspace_(std::move(workspace)),
      shared_folders_(std::move(shared_folders)),
      seed_(seed),
      executor_(std::move(executor)) {}

KernelTree::~KernelTree() = default;

std::string KernelTree::FolderName(const std::string& state) const {
  std::string name;
  for (char c : state.substr(0, 80)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
    name.push_back(plain ? c : '_');
  }
  // The hash keeps apart what the replaced characters would make equal.
  return fmt::format("{}-{}", name, Sha256Hex(language_.name + state).substr(0, 8));
}

std::filesystem::path KernelTree::FolderOf(const std::string& state) const {
  return workspace_.states() / FolderName(state);
}

AsyncStatus KernelTree::StartSandbox() {
  user_ = NewSandboxUser();
  CO_RETURN_IF_ERROR(MakeFolderFor(workspace_.states(), user_));
  std::error_code ignored;
  std::filesystem::create_directories(workspace_.inputs(), ignored);
  SandboxSpec spec;
  spec.working_folder = kStatesInside;
  spec.mounts = shared_folders_;
  spec.mounts.push_back({workspace_.inputs(), kInputsInside, false});
  spec.mounts.push_back({workspace_.states(), kStatesInside, true});
  std::vector<std::string> python_path;
  for (const SandboxMount& mount : shared_folders_) python_path.push_back(mount.inside);
  const Json settings = {{"language", language_.name},
                         {"r_home", config_.r_home},
                         {"preload", language_.preload},
                         {"python_path", python_path},
                         {"inputs", kInputsInside},
                         {"text_limit", int64_t{config_.output_kb} * 1024},
                         {"image_limit", config_.figures},
                         {"memory_mb", config_.memory_mb},
                         {"file_mb", config_.file_mb},
                         {"cpu_seconds", absl::ToInt64Seconds(config_.cpu_time)},
                         // Threads count as well: two gather each cell's output.
                         {"processes", 2 * config_.processes + 3 * config_.idle_states + 32},
                         {"seed", seed_ % 4294967296ULL}};
  spec.command = language_.command;
  spec.command.push_back(DumpJson(settings));
  CO_ASSIGN_OR_RETURN(sandbox_, Sandbox::Start(config_, spec));
  root_ = std::make_shared<KernelProcess>(executor_, sandbox_->TakeChannel());
  const absl::Status started = co_await root_->WaitForHello(kStartPatience, sandbox_->pid());
  if (started.ok()) co_return started;
  const std::string complaint = sandbox_->Complaint();
  root_.reset();
  sandbox_.reset();
  if (complaint.empty()) {  // killed from outside, perhaps
    co_return GoneError(
        fmt::format("the {} kernel did not start and said nothing", language_.name));
  }
  co_return Error(Reason::kSandboxFailed,
                  fmt::format("the {} kernel did not start: {}", language_.name, complaint),
                  {{"language", language_.name}});
}

Async<std::shared_ptr<KernelProcess>> KernelTree::ForkFrom(std::shared_ptr<KernelProcess> parent,
                                                           CancelToken cancel) {
  auto child = co_await parent->Fork();
  // Processes of a cell that was killed may still be on their way out.
  for (int wait = 0; wait < kBusyWaits && IsBusy(child.status()); ++wait) {
    CO_RETURN_IF_ERROR(co_await Pause(kTick, cancel));
    child = co_await parent->Fork();
  }
  CO_RETURN_IF_ERROR(child.status());
  std::erase_if(processes_, [](const auto& process) { return process.expired(); });
  processes_.push_back(*child);
  running_.insert((*child)->pid());  // until its cell has ended
  co_return *child;
}

bool KernelTree::SweepStrays() {
  if (sandbox_ == nullptr || root_ == nullptr || !root_->alive()) return false;
  std::set<pid_t> known = {sandbox_->pid(), root_->pid()};
  for (pid_t pid : ProcessTree(sandbox_->pid(), {root_->pid()})) known.insert(pid);
  for (const auto& weak : processes_) {
    auto process = weak.lock();
    if (process != nullptr && process->alive()) known.insert(process->pid());
  }
  const std::set<pid_t> running(running_.begin(), running_.end());
  bool found = false;
  for (pid_t pid : ProcessTree(sandbox_->pid(), running)) {
    if (known.contains(pid)) continue;
    kill(pid, SIGKILL);
    found = true;
  }
  return found;
}

AsyncStatus KernelTree::TakeTurn(CancelToken cancel) {
  if (!busy_) {
    busy_ = true;
    co_return absl::OkStatus();
  }
  auto waiter = std::make_shared<TurnWaiter>();
  CancelRegistration registration;
  const auto turn = co_await Suspend<bool>([&](Done<bool> done) {
    waiter->done = std::move(done);
    turn_waiters_.push_back(waiter);
    registration = cancel.OnCancel([waiter, cancel] {
      if (!waiter->answered.exchange(true)) waiter->done(cancel.status());
    });
  });
  co_return turn.status();
}

void KernelTree::EndTurn() {
  busy_ = false;
  while (!turn_waiters_.empty()) {
    const auto waiter = std::move(turn_waiters_.front());
    turn_waiters_.pop_front();
    if (waiter->answered.exchange(true)) continue;  // cancelled while it waited
    busy_ = true;                                   // already the waiter's
    waiter->done(true);
    return;
  }
}

Async<std::shared_ptr<KernelProcess>> KernelTree::Materialize(std::string name,
                                                              CancelToken cancel) {
  CO_RETURN_IF_ERROR(cancel.status());
  if (name.empty()) {
    if (root_ == nullptr || !root_->alive()) CO_RETURN_IF_ERROR(co_await StartSandbox());
    co_return root_;
  }
  auto found = states_.find(name);
  if (found == states_.end()) {
    co_return Error(Reason::kNotFound, fmt::format("there is no state '{}'", name),
                    {{"field", "from"}});
  }
  found->second.used = SteadyNow();
  if (found->second.process != nullptr && found->second.process->alive()) {
    co_return found->second.process;
  }
  const std::string from = found->second.from;
  const std::string code = found->second.code;
  CO_ASSIGN_OR_RETURN(auto parent, co_await Materialize(from, cancel));
  std::error_code ignored;
  std::filesystem::remove_all(FolderOf(name), ignored);  // the cell makes its files anew
  auto process = co_await ForkFrom(parent, cancel);
  if (!process.ok()) {
    if (IsGone(process.status())) parent->Kill();
    co_return process.status();
  }
  CO_ASSIGN_OR_RETURN(const CellResult result,
                      co_await RunIn(*process, name, from, code, config_.cell_time, cancel));
  if (result.status != "ok") {
    std::string why = fmt::format(
        "the state '{}' could not be rebuilt: its code, which ran before, now ends with {}", name,
        result.status);
    if (result.status == "killed") co_return GoneError(std::move(why));  // from outside, perhaps
    co_return Error(Reason::kSandboxFailed, std::move(why));
  }
  (*process)->Freeze();
  found = states_.find(name);
  if (found != states_.end()) found->second.process = *process;
  co_return *process;
}

Async<CellResult> KernelTree::Run(CellRequest request) {
  auto self = shared_from_this();
  if (states_.contains(request.state) || request.state == request.from) {
    // Others may stand on the state of that name.
    co_return Error(
        Reason::kAlreadyExists,
        fmt::format("there is a state '{}' already: give the new one another name", request.state),
        {{"field", "state"}});
  }
  CO_RETURN_IF_ERROR(request.cancel.status());
  int64_t left = config_.task_mb * kMega;
  for (const auto& folder : request.folders) left -= FolderBytes(folder, left);
  if (left < 0) {
    co_return Ended("killed", "Killed",
                    fmt::format("the files of the task's states take more than {} MB: discard "
                                "states that are not needed any more",
                                config_.task_mb));
  }
  CO_RETURN_IF_ERROR(co_await TakeTurn(request.cancel));
  absl::StatusOr<std::shared_ptr<KernelProcess>> process = absl::UnknownError("not tried yet");
  // When a sandbox dies, its processes do one after another: each that is found to be gone costs an
  // attempt.
  const size_t attempts = kForkAttempts + LiveStates().size();
  for (size_t attempt = 1; attempt <= attempts; ++attempt) {
    auto parent = co_await Materialize(request.from, request.cancel);
    process = parent;
    if (parent.ok()) process = co_await ForkFrom(*parent, request.cancel);
    if (process.ok() || !IsGone(process.status())) break;
    // It died without our noticing: once more, rebuilt.
    if (parent.ok()) (*parent)->Kill();
  }
  EndTurn();
  CO_RETURN_IF_ERROR(process.status());
  // What an interrupted run of the same cell left.
  std::error_code ignored;
  std::filesystem::remove_all(FolderOf(request.state), ignored);
  auto result = co_await RunIn(*process, request.state, request.from, request.code,
                               request.time_limit, request.cancel);
  if (IsGone(result.status())) {
    result = Ended("killed", "Killed", "the kernel's process ended before it took the cell");
  }
  if (result.ok() && result->status == "ok" &&
      (root_ == nullptr || root_->Doomed() || (*process)->Doomed())) {
    // Accepted, it would do the same whenever its state is rebuilt.
    result = Ended("killed", "Killed", "the cell ended processes that are not its own");
  }
  if (result.ok() && result->status == "ok") {
    (*process)->Freeze();
    states_[request.state] = {request.from, request.code, *process, SteadyNow()};
    result->from = request.from;
    // Later than all that is recalled.
    head_ = {request.state, std::numeric_limits<int64_t>::max()};
    co_return result;
  }
  (*process)->KillWithCell();
  // In a turn of its own: a process that is being forked just now is not known yet, and would be
  // taken for a stray.
  if ((co_await TakeTurn(request.cancel)).ok()) {
    for (int round = 0; round < kSweepRounds && SweepStrays(); ++round) {
      // Even killed, they take a moment to go, and count as processes until then.
      const absl::Status waited = co_await Pause(kSweepPause, request.cancel);
      if (!waited.ok()) break;
    }
    EndTurn();
  }
  std::filesystem::remove_all(FolderOf(request.state), ignored);
  co_return result;
}

std::string KernelTree::LimitReached(const KernelProcess& process, const std::string& state,
                                     int tick) const {
  const int64_t memory = config_.memory_mb * kMega;
  const TreeUsage usage = UsageOfTree(process.pid(), memory);
  if (usage.resident_bytes > memory) {
    return fmt::format("the cell used more than {} MB of memory", config_.memory_mb);
  }
  if (usage.processes > config_.processes) {
    return fmt::format("the cell ran more than {} processes", config_.processes);
  }
  if (tick % kTicksPerFolderCheck == 0) {
    const int64_t limit = config_.workspace_mb * kMega;
    if (FolderBytes(FolderOf(state), limit) > limit) {
      return fmt::format("the cell's files take more than {} MB", config_.workspace_mb);
    }
  }
  return "";
}

Async<CellResult> KernelTree::RunIn(std::shared_ptr<KernelProcess> process, std::string state,
                                    std::string from, std::string code, absl::Duration limit,
                                    CancelToken cancel) {
  Json request = {{"op", "run"},
                  {"code", code},
                  {"folder", fmt::format("{}/{}", kStatesInside, FolderName(state))}};
  if (!from.empty()) {
    request["from_folder"] = fmt::format("{}/{}", kStatesInside, FolderName(from));
  }
  // Whichever way this ends, the cell runs no more.
  const auto end_run = [this](KernelProcess* ended) {
    if (const auto found = running_.find(ended->pid()); found != running_.end()) {
      running_.erase(found);
    }
  };
  const std::unique_ptr<KernelProcess, decltype(end_run)> running(process.get(), end_run);
  CO_RETURN_IF_ERROR(co_await process->Send(std::move(request)));
  struct Wait {
    explicit Wait(const asio::any_io_executor& executor) : timer(executor) {}
    asio::steady_timer timer;
    bool done = false;
    absl::StatusOr<Json> reply = absl::UnknownError("no reply yet");
  };
  auto wait = std::make_shared<Wait>(executor_);
  asio::co_spawn(executor_, process->Receive(),
                 [wait](std::exception_ptr, absl::StatusOr<Json> reply) {
                   wait->reply = std::move(reply);
                   wait->done = true;
                   wait->timer.cancel();
                 });
  const absl::Time start = SteadyNow();
  std::string killed;
  bool late = false;
  for (int tick = 1; !wait->done; ++tick) {
    asio::error_code ignored;
    wait->timer.expires_after(absl::ToChronoNanoseconds(kTick));
    co_await wait->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (wait->done) break;
    const absl::Duration elapsed = SteadyNow() - start;
    if (!killed.empty()) continue;  // waits for the channel to close
    if (cancel.cancelled()) {
      killed = "the task was stopped";
      process->KillWithCell();
    } else if (std::string reached = LimitReached(*process, state, tick); !reached.empty()) {
      killed = std::move(reached);
      process->KillWithCell();
    } else if (elapsed > limit + kInterruptGrace) {
      killed = "it did not stop when interrupted";
      process->KillWithCell();
    } else if (elapsed > limit && !late) {
      late = true;
      process->Interrupt();  // the code may still say where it was
    }
  }
  CO_RETURN_IF_ERROR(cancel.status());
  const std::string time_message =
      fmt::format("the cell ran longer than {} and was stopped", absl::FormatDuration(limit));
  if (!wait->reply.ok()) {
    CellResult result =
        late ? Ended("timeout", "Timeout", time_message)
             : Ended("killed", "Killed",
                     killed.empty() ? "the kernel's process ended while the cell ran (a crash, an "
                                      "exit, or a limit of the system)"
                                    : killed);
    co_return result;
  }
  CellResult result;
  result.status = JsonString(*wait->reply, "status") == "ok" ? "ok" : "error";
  const auto outputs = wait->reply->find("outputs");
  if (outputs != wait->reply->end()) result.outputs = CheckedOutputs(*outputs, config_);
  if (late) {
    result.status = "timeout";
    const CellResult why = Ended("timeout", "Timeout", time_message);
    result.outputs.push_back(why.outputs[0]);
  }
  co_return result;
}

void KernelTree::Recall(const std::string& state, const std::string& from, const std::string& code,
                        int64_t recorded_end) {
  if (states_.contains(state)) return;
  states_[state] = {from, code, nullptr, SteadyNow()};
  if (recorded_end != 0 && recorded_end < head_.end) return;
  head_.end = std::max(head_.end, recorded_end);
  head_.state = state;
}

void KernelTree::Clear() {
  states_.clear();
  head_ = Head();
  SweepStrays();
  // Not the folder itself, which the sandbox goes on to show.
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(workspace_.states(), ignored)) {
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

AsyncStatus KernelTree::Clean() {
  auto self = shared_from_this();
  if (root_ == nullptr || !root_->alive()) co_return GoneError("there is no sandbox");
  std::error_code error;
  if (!std::filesystem::is_empty(workspace_.states(), error) || error) {
    co_return Error(Reason::kSandboxFailed, "files of states stay");
  }
  asio::steady_timer timer(executor_);
  timer.expires_after(absl::ToChronoNanoseconds(kCleanPatience));
  timer.async_wait([root = root_](asio::error_code ended) {
    if (!ended) root->Kill();
  });
  Json request = {{"op", "clean"}};
  CO_RETURN_IF_ERROR(co_await root_->Send(std::move(request)));
  CO_ASSIGN_OR_RETURN(const Json reply, co_await root_->Receive());
  if (JsonMember(reply, "clean") == true) co_return absl::OkStatus();
  co_return Error(Reason::kSandboxFailed, "files that cells left stay");
}

void KernelTree::TakeSandbox(KernelTree& from) {
  std::error_code error;
  std::filesystem::remove_all(workspace_.states(),
                              error);  // of an earlier life; rebuilt from cells
  std::filesystem::rename(from.workspace_.states(), workspace_.states(), error);
  if (error) return;
  // A room looks the same whether its sandbox was handed on or not.
  std::filesystem::create_directory(from.workspace_.states(), error);
  user_ = from.user_;
  sandbox_ = std::move(from.sandbox_);
  root_ = std::move(from.root_);
}

Async<std::filesystem::path> KernelTree::FolderWithFiles(std::string state, CancelToken cancel) {
  auto self = shared_from_this();
  std::error_code ignored;
  if (Has(state) && std::filesystem::exists(FolderOf(state), ignored)) co_return FolderOf(state);
  CO_RETURN_IF_ERROR(co_await TakeTurn(cancel));
  const auto process = co_await Materialize(state, cancel);
  EndTurn();
  CO_RETURN_IF_ERROR(process.status());
  co_return FolderOf(state);
}

void KernelTree::Discard(const std::string& state) {
  const auto found = states_.find(state);
  if (found == states_.end()) return;
  // Others may have to be rebuilt through it: its code stays, its process and files go.
  found->second.process.reset();
  std::error_code ignored;
  std::filesystem::remove_all(FolderOf(state), ignored);
}

std::vector<std::pair<absl::Time, std::string>> KernelTree::LiveStates() const {
  std::vector<std::pair<absl::Time, std::string>> live;
  for (const auto& [name, state] : states_) {
    if (state.process != nullptr) live.emplace_back(state.used, name);
  }
  return live;
}

void KernelTree::Rest(const std::string& state) {
  const auto found = states_.find(state);
  if (found != states_.end()) found->second.process.reset();
}

}  // namespace troupe
