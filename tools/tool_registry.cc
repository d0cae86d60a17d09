#include "tools/tool_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr size_t kMaxSuggestions = 3;

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

// Cuts what is over the limit, saying how much.
void LimitOutput(ToolResult& result, int64_t limit) {
  int64_t left = limit;
  for (ToolContent& part : result.content) {
    auto* text = std::get_if<ToolText>(&part);
    if (text == nullptr) continue;
    const int64_t size = static_cast<int64_t>(text->text.size());
    if (size > left) {
      size_t keep = static_cast<size_t>(std::max<int64_t>(left, 0));
      while (keep > 0 && (static_cast<unsigned char>(text->text[keep]) & 0xC0) == 0x80) --keep;
      text->text = fmt::format("{}\n[{} more bytes are left out: over the limit of {}]",
                               std::string_view(text->text).substr(0, keep), size - keep, limit);
      left = 0;
    } else {
      left -= size;
    }
  }
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
Async<ToolResult> CallUntilDeadline(std::shared_ptr<Tool> tool, ToolCall call) {
  const ToolSpec& spec = tool->spec();
  const absl::Time now = SteadyNow();
  if (call.context.deadline <= now) {
    co_return Error(Reason::kDeadlineExceeded, fmt::format("{} was called too late", spec.name),
                    {{"tool", spec.name}});
  }
  call.context.deadline = std::min(call.context.deadline, now + spec.timeout);
  const absl::Duration time = call.context.deadline - now;
  auto source = std::make_shared<CancelSource>(call.context.cancel);
  call.context.cancel = source->token();
  asio::steady_timer timer(co_await asio::this_coro::executor);
  if (time < absl::InfiniteDuration()) {
    timer.expires_after(absl::ToChronoNanoseconds(time));
    timer.async_wait([source, name = spec.name, time](const asio::error_code& error) {
      if (error) return;
      source->Cancel(CancelReason::kDeadline,
                     fmt::format("{} took longer than {}", name, absl::FormatDuration(time)));
    });
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

}  // namespace

struct ToolRegistry::Entry {
  std::shared_ptr<Tool> tool;
  JsonSchema arguments;
  JsonSchema result;
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
  return std::make_shared<const Entry>(
      Entry{std::move(tool), *std::move(arguments), *std::move(result)});
}

absl::Status ToolRegistry::Add(std::shared_ptr<Tool> tool) {
  ASSIGN_OR_RETURN(EntryPtr entry, Compile(std::move(tool)));
  const std::string& name = entry->tool->spec().name;
  MutexLock lock(&mutex_);
  if (!entries_.emplace(name, entry).second) {
    return Error(Reason::kAlreadyExists, fmt::format("there is a tool '{}' already", name),
                 {{"name", name}});
  }
  return absl::OkStatus();
}

absl::Status ToolRegistry::Replace(std::shared_ptr<Tool> tool) {
  ASSIGN_OR_RETURN(EntryPtr entry, Compile(std::move(tool)));
  MutexLock lock(&mutex_);
  // What was there may be destroyed here only when the lock is given up: it goes with `entry`.
  entries_[entry->tool->spec().name].swap(entry);
  return absl::OkStatus();
}

bool ToolRegistry::Remove(std::string_view name) {
  EntryPtr removed;  // destroyed after the lock is given up
  MutexLock lock(&mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return false;
  removed = std::move(found->second);
  entries_.erase(found);
  return true;
}

absl::StatusOr<ToolRegistry::EntryPtr> ToolRegistry::FindEntry(std::string_view name) const {
  std::vector<std::string> others;
  {
    MutexLock lock(&mutex_);
    const auto found = entries_.find(name);
    if (found != entries_.end()) return found->second;
    others.reserve(entries_.size());
    for (const auto& [other, entry] : entries_) others.push_back(other);
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
  for (const auto& [name, entry] : entries_) specs.emplace_back(entry->tool, &entry->tool->spec());
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
    if (found != entries_.end() && found->second->tool == tool) entry = found->second;
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
  CO_ASSIGN_OR_RETURN(ToolResult result, co_await CallUntilDeadline(entry->tool, std::move(call)));
  if (!result.is_error) {
    if (const absl::Status valid = entry->result.Validate(result.value); !valid.ok()) {
      co_return Error(
          Reason::kToolFailed,
          fmt::format("the result of {} does not fit its schema:\n{}", spec.name, MessageOf(valid)),
          {{"tool", spec.name}});
    }
  }
  LimitOutput(result, spec.output_limit_bytes);
  co_return result;
}

void ToolRegistry::Forget(std::string_view task_id) const {
  std::vector<EntryPtr> entries;
  {
    MutexLock lock(&mutex_);
    entries.reserve(entries_.size());
    for (const auto& [name, entry] : entries_) entries.push_back(entry);
  }
  for (const EntryPtr& entry : entries) entry->tool->Forget(task_id);
}

}  // namespace troupe
