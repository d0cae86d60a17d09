#include "tools/tool_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/this_coro.hpp>

#include "tools/base/deadline_token.h"
#include "tools/base/error.h"
#include "tools/base/pause.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/call_gate.h"
#include "tools/json_schema.h"
#include "tools/output_limit.h"
#include "tools/version_order.h"

namespace troupe {
namespace {

constexpr size_t kMaxSuggestions = 3;
constexpr int kMaxAttempts = 3;
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);

bool IsToolName(std::string_view name) {
  if (name.empty() || name.size() > 64 || name[0] < 'a' || name[0] > 'z') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  });
}

// Levenshtein's distance: how many letters to change, add or leave out.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

// "name@version" as its parts; the version is empty if there is none.
std::pair<std::string_view, std::string_view> SplitName(std::string_view name) {
  const size_t at = name.find('@');
  if (at == std::string_view::npos) return {name, ""};
  return {name.substr(0, at), name.substr(at + 1)};
}

// For who asks for a tool that is not there.
std::vector<std::string> Closest(std::string_view name, std::vector<std::string> others) {
  std::vector<std::pair<size_t, std::string>> close;
  close.reserve(others.size());
  for (std::string& other : others) {
    const size_t distance = EditDistance(name, other);
    close.emplace_back(distance, std::move(other));
  }
  std::sort(close.begin(), close.end());
  if (close.size() > kMaxSuggestions) close.resize(kMaxSuggestions);
  std::vector<std::string> names;
  names.reserve(close.size());
  for (auto& [distance, other] : close) names.push_back(std::move(other));
  return names;
}

absl::Status CheckFits(const JsonSchema& schema, const std::string& name, const Json& arguments) {
  const absl::Status valid = schema.Validate(arguments);
  if (valid.ok()) return valid;
  return Error(Reason::kToolArgumentsInvalid,
               fmt::format("the arguments of {} do not fit:\n{}", name, MessageOf(valid)),
               {{"tool", name}});
}

// The tool sees one token that is cancelled by the caller and by the deadline.
Async<ToolResult> CallUntilDeadline(std::shared_ptr<Tool> tool, std::shared_ptr<CallGate> gate,
                                    ToolCall call) {
  const ToolSpec& spec = tool->spec();
  const absl::Time now = SteadyNow();
  if (call.context.deadline <= now) {
    co_return Error(Reason::kDeadlineExceeded, fmt::format("{} was called too late", spec.name),
                    {{"tool", spec.name}});
  }
  const DeadlineToken deadline(co_await asio::this_coro::executor, call.context.cancel,
                               call.context.deadline - now, spec.name);
  call.context.cancel = deadline.token();
  CallGate::Pass pass;
  if (gate != nullptr) {
    CO_ASSIGN_OR_RETURN(pass, co_await gate->Enter(call.context.cancel));
  }
  // A tool that throws must not take the server with it.
  std::string thrown;
  try {
    co_return co_await tool->Call(std::move(call));
  } catch (const std::exception& e) {
    thrown = e.what();
  }
  co_return Error(Reason::kToolFailed, fmt::format("{} failed: {}", spec.name, thrown),
                  {{"tool", spec.name}});
}

// Calls, and calls again what failed if that changes nothing more.
Async<ToolResult> CallRepeatedly(std::shared_ptr<Tool> tool, std::shared_ptr<CallGate> gate,
                                 ToolCall call) {
  const ToolSpec& spec = tool->spec();
  call.context.deadline = std::min(call.context.deadline, SteadyNow() + spec.timeout);
  if (!spec.read_only && !spec.idempotent) {
    co_return co_await CallUntilDeadline(tool, gate, std::move(call));
  }
  absl::Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt, pause *= 4) {
    ToolCall again = call;
    auto result = co_await CallUntilDeadline(tool, gate, std::move(again));
    if (result.ok()) {
      if (attempt > 1) result->notes["attempts"] = attempt;
      co_return result;
    }
    const bool in_time = SteadyNow() + pause < call.context.deadline;
    if (!HasReason(result.status(), Reason::kToolFailed) || !in_time) co_return result;
    if (attempt == kMaxAttempts) {
      co_return Annotate(result.status(), fmt::format("tried {} times", attempt));
    }
    CO_RETURN_IF_ERROR(co_await Pause(pause, call.context.cancel));
  }
}

}  // namespace

struct ToolRegistry::Entry {
  std::shared_ptr<Tool> tool;
  JsonSchema arguments;
  JsonSchema result;
  std::shared_ptr<CallGate> gate;  // null: no limit
};

ToolRegistry::ToolRegistry() = default;
ToolRegistry::~ToolRegistry() = default;

absl::StatusOr<ToolRegistry::EntryPtr> ToolRegistry::Compile(std::shared_ptr<Tool> tool) {
  const ToolSpec& spec = tool->spec();
  if (!IsToolName(spec.name)) {
    return Error(
        Reason::kInvalidField,
        fmt::format("'{}' is no tool name: use a-z, 0-9, _ . -, a letter first, 64 at most",
                    spec.name),
        {{"name", spec.name}});
  }
  auto arguments = JsonSchema::Compile(spec.arguments_schema);
  if (!arguments.ok()) return Annotate(arguments.status(), spec.name + ": arguments_schema");
  auto result = JsonSchema::Compile(spec.result_schema);
  if (!result.ok()) return Annotate(result.status(), spec.name + ": result_schema");
  // Of an attached tool, each provider has its own limit.
  std::shared_ptr<CallGate> gate;
  if (spec.max_concurrent > 0 && spec.provider != "attached") {
    gate = std::make_shared<CallGate>(spec.max_concurrent);
  }
  return std::make_shared<const Entry>(
      Entry{std::move(tool), *std::move(arguments), *std::move(result), std::move(gate)});
}

absl::Status ToolRegistry::Insert(EntryPtr& entry, bool may_replace) {
  const ToolSpec& spec = entry->tool->spec();
  std::vector<EntryPtr>& versions = entries_[spec.name];
  auto place = versions.begin();
  while (place != versions.end() && IsNewer((*place)->tool->spec().version, spec.version)) ++place;
  if (!versions.empty() && versions.front()->tool->spec().provider != spec.provider) {
    return Error(Reason::kAlreadyExists,
                 fmt::format("there is a tool '{}' already, served by {}", spec.name,
                             versions.front()->tool->spec().provider),
                 {{"name", spec.name}});
  }
  const bool taken = place != versions.end() && (*place)->tool->spec().version == spec.version;
  if (taken && !may_replace) {
    return Error(Reason::kAlreadyExists, fmt::format("there is a tool '{}' already", spec.name),
                 {{"name", spec.name}});
  }
  if (taken) {
    place->swap(entry);
  } else {
    versions.insert(place, entry);
  }
  return absl::OkStatus();
}

absl::Status ToolRegistry::Add(std::shared_ptr<Tool> tool) {
  ASSIGN_OR_RETURN(EntryPtr entry, Compile(std::move(tool)));
  MutexLock lock(&mutex_);
  return Insert(entry, /*may_replace=*/false);
}

absl::Status ToolRegistry::ReplaceVersion(std::shared_ptr<Tool> tool) {
  // Declared before the lock: a tool that is replaced is destroyed after the lock is given up.
  ASSIGN_OR_RETURN(EntryPtr entry, Compile(std::move(tool)));
  MutexLock lock(&mutex_);
  return Insert(entry, /*may_replace=*/true);
}

absl::Status ToolRegistry::Replace(std::shared_ptr<Tool> tool) {
  ASSIGN_OR_RETURN(EntryPtr entry, Compile(std::move(tool)));
  std::vector<EntryPtr> versions = {entry};
  MutexLock lock(&mutex_);
  entries_[entry->tool->spec().name].swap(versions);
  return absl::OkStatus();
}

bool ToolRegistry::Remove(std::string_view name) {
  std::vector<EntryPtr> removed;  // destroyed after the lock is given up
  const auto [plain, version] = SplitName(name);
  MutexLock lock(&mutex_);
  const auto found = entries_.find(plain);
  if (found == entries_.end()) return false;
  std::vector<EntryPtr>& versions = found->second;
  for (auto each = versions.begin(); each != versions.end();) {
    if (version.empty() || (*each)->tool->spec().version == version) {
      removed.push_back(std::move(*each));
      each = versions.erase(each);
    } else {
      ++each;
    }
  }
  if (versions.empty()) entries_.erase(found);
  return !removed.empty();
}

ToolRegistry::EntryPtr ToolRegistry::Look(std::string_view name) const {
  const auto [plain, version] = SplitName(name);
  const auto found = entries_.find(plain);
  if (found == entries_.end()) return nullptr;
  for (const EntryPtr& entry : found->second) {
    const bool wanted =
        version.empty() ? entry->tool->available() : entry->tool->spec().version == version;
    if (wanted) return entry;
  }
  return version.empty() ? found->second.front() : nullptr;
}

absl::StatusOr<ToolRegistry::EntryPtr> ToolRegistry::FindEntry(std::string_view name) const {
  std::vector<std::string> others;
  {
    MutexLock lock(&mutex_);
    if (EntryPtr found = Look(name); found != nullptr) return found;
    others.reserve(entries_.size());
    for (const auto& [other, versions] : entries_) {
      if (name.find('@') == std::string_view::npos) {
        others.push_back(other);
        continue;
      }
      for (const EntryPtr& entry : versions) {
        others.push_back(fmt::format("{}@{}", other, entry->tool->spec().version));
      }
    }
  }
  const std::vector<std::string> closest = Closest(name, std::move(others));
  return Error(Reason::kToolUnknown,
               closest.empty() ? fmt::format("there is no tool '{}'", name)
                               : fmt::format("there is no tool '{}'; the closest are: {}", name,
                                             fmt::join(closest, ", ")),
               {{"name", std::string(name)}});
}

absl::StatusOr<std::shared_ptr<Tool>> ToolRegistry::Find(std::string_view name) const {
  ASSIGN_OR_RETURN(const EntryPtr entry, FindEntry(name));
  return entry->tool;
}

std::vector<std::shared_ptr<const ToolSpec>> ToolRegistry::List() const {
  std::vector<std::shared_ptr<const ToolSpec>> specs;
  MutexLock lock(&mutex_);
  specs.reserve(entries_.size());
  for (const auto& [name, versions] : entries_) {
    const EntryPtr newest = Look(name);
    if (!newest->tool->available()) continue;
    specs.emplace_back(newest->tool, &newest->tool->spec());
  }
  return specs;
}

absl::Status ToolRegistry::CheckArguments(std::string_view name, const Json& arguments) const {
  ASSIGN_OR_RETURN(const EntryPtr entry, FindEntry(name));
  return CheckFits(entry->arguments, std::string(name), arguments);
}

Async<ToolResult> ToolRegistry::Call(std::string name, ToolCall call) const {
  CO_ASSIGN_OR_RETURN(EntryPtr entry, FindEntry(name));
  co_return co_await CallEntry(std::move(entry), std::move(call));
}

Async<ToolResult> ToolRegistry::Call(std::shared_ptr<Tool> tool, ToolCall call) const {
  EntryPtr entry;
  {
    MutexLock lock(&mutex_);
    const auto found = entries_.find(tool->spec().name);
    if (found != entries_.end()) {
      for (const EntryPtr& each : found->second) {
        if (each->tool == tool) entry = each;
      }
    }
  }
  if (entry == nullptr) {
    CO_ASSIGN_OR_RETURN(entry, Compile(std::move(tool)));
  }
  co_return co_await CallEntry(std::move(entry), std::move(call));
}

Async<ToolResult> ToolRegistry::CallEntry(EntryPtr entry, ToolCall call) {
  const ToolSpec& spec = entry->tool->spec();
  CO_RETURN_IF_ERROR(CheckFits(entry->arguments, spec.name, call.arguments));
  CO_RETURN_IF_ERROR(call.context.cancel.status());
  const Workspace workspace = call.context.workspace;
  const std::string path = call.context.path;
  CO_ASSIGN_OR_RETURN(ToolResult result,
                      co_await CallRepeatedly(entry->tool, entry->gate, std::move(call)));
  if (!result.is_error) {
    if (const absl::Status valid = entry->result.Validate(result.value); !valid.ok()) {
      co_return Error(
          Reason::kToolFailed,
          fmt::format("the result of {} does not fit its schema:\n{}", spec.name, MessageOf(valid)),
          {{"tool", spec.name}});
    }
  }
  LimitOutput(spec, workspace, path, result);
  co_return result;
}

std::vector<ToolRegistry::EntryPtr> ToolRegistry::AllEntries() const {
  std::vector<EntryPtr> entries;
  MutexLock lock(&mutex_);
  for (const auto& [name, versions] : entries_) {
    entries.insert(entries.end(), versions.begin(), versions.end());
  }
  return entries;
}

void ToolRegistry::Forget(std::string_view task_id) const {
  for (const EntryPtr& entry : AllEntries()) entry->tool->Forget(task_id);
}

void ToolRegistry::ForgetRoom(std::string_view task_id, std::string_view room) const {
  for (const EntryPtr& entry : AllEntries()) entry->tool->ForgetRoom(task_id, room);
}

}  // namespace troupe
