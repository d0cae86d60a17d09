// The calls of a ProviderHub and their answers.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>

#include "server/providers/provider_hub.h"
#include "tools/artifact_file.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

constexpr size_t kTakenBatch = 32;

std::string InSeconds(absl::Duration time) {
  return fmt::format("{} seconds", absl::ToInt64Seconds(absl::Ceil(time, absl::Seconds(1))));
}

absl::Status Uncallable(const AttachedCall& call, const std::string& why) {
  return Error(Reason::kToolFailed, fmt::format("{} cannot be called: {}", call.subject, why),
               {{"tool", call.subject}});
}

absl::Status Interrupted(const AttachedCall& call, const std::string& why) {
  return Error(
      Reason::kToolInterrupted,
      fmt::format("a call of {} was interrupted: {}; it is not known whether it took effect",
                  call.subject, why),
      {{"tool", call.subject}});
}

// A provider whose answers do not fit fails as one that says so.
absl::StatusOr<ToolResult> CheckedAnswer(AttachedCall& call) {
  auto answer = ReadAnswer(*call.result, call);
  if (!answer.ok() || answer->is_error || call.result_schema == nullptr) return answer;
  const absl::Status fits = call.result_schema->Validate(answer->value);
  if (fits.ok()) return answer;
  return Error(
      Reason::kToolFailed,
      fmt::format("the result of {} does not fit its schema:\n{}", call.subject, MessageOf(fits)),
      {{"tool", call.subject}});
}

}  // namespace

Async<ToolResult> ProviderHub::Perform(std::shared_ptr<AttachedCall> call) {
  const CancelToken cancel = call->context.cancel;
  CO_RETURN_IF_ERROR(cancel.status());
  CancelRegistration registration;
  const auto start = [this, &call, &cancel, &registration](Done<ToolResult> done) {
    call->done = std::move(done);
    asio::post(thread_, [this, call = call] { Submit(call); });
    registration = cancel.OnCancel([this, call = call, cancel = cancel] {
      asio::post(thread_, [this, call, cancel] { Cancel(call, cancel.status()); });
    });
  };
  co_return co_await Suspend<ToolResult>(start);
}

void ProviderHub::Submit(const CallPtr& call) {
  call->asked = SteadyNow();
  if (call->context.cancel.cancelled()) return Finish(call, call->context.cancel.status());
  const auto pool = pools_.find(call->key);
  if (pool == pools_.end()) return Finish(call, Uncallable(*call, "nobody serves it any more"));
  if (waiting_calls_ >= limits_.max_waiting_calls) {
    return Finish(call, Uncallable(*call, "too many calls wait for providers; try again later"));
  }
  // Two calls that are the same to the byte are two calls nevertheless.
  const std::string id = call->id;
  for (int i = 2; !calls_.emplace(call->id, call).second; ++i) {
    call->id = fmt::format("{}-{}", id, i);
  }
  call->message.set_call_id(call->id);
  pool->second->waiting.push_back(call);
  ++waiting_calls_;
  Dispatch(*pool->second);
  DropHopeless(*pool->second, SteadyNow());
}

void ProviderHub::Finish(const CallPtr& call, absl::StatusOr<ToolResult> result) {
  if (call->done == nullptr) return;
  const auto mine = calls_.find(call->id);
  if (mine != calls_.end() && mine->second == call) calls_.erase(mine);
  ResetFiles(*call);
  std::exchange(call->done, nullptr)(std::move(result));
}

void ProviderHub::ResetFiles(AttachedCall& call) {
  for (const auto& [name, file] : call.arriving) {
    buffered_bytes_ -= static_cast<int64_t>(file.bytes.size());
  }
  call.arriving.clear();
  call.artifacts.clear();
  call.files = 0;
  call.file_bytes = 0;
}

void ProviderHub::Cancel(const CallPtr& call, const absl::Status& why) {
  if (call->done == nullptr) return;
  const SessionPtr session = call->session;
  const auto metadata = MetadataOf(why);
  const auto reason = metadata.find("cancel_reason");
  const bool shutdown = reason != metadata.end() && reason->second == "shutdown";
  if (session != nullptr && session->calls.contains(call->id)) {
    const auto slot = session->slots.find(call->key);
    if (absl::IsDeadlineExceeded(why) && slot != session->slots.end()) {
      slot->second.breaker.Fail(SteadyNow());
    }
    // A server that is started again asks for the answer then.
    if (session->connected() && !shutdown) {
      v1::AttachResponse message;
      message.mutable_cancel()->set_call_id(call->id);
      message.mutable_cancel()->set_reason(std::string(MessageOf(why)));
      session->outlet->Send(std::move(message));
    }
  }
  Finish(call, why);
}

void ProviderHub::Dispatch(ProviderPool& pool) {
  // A call that only one provider can take does not hold up the others.
  for (auto each = pool.waiting.begin(); each != pool.waiting.end();) {
    const CallPtr call = *each;
    const SessionPtr session = call->done == nullptr ? nullptr : Choose(pool, *call);
    if (call->done == nullptr || session != nullptr) {
      each = pool.waiting.erase(each);
      --waiting_calls_;
      if (session != nullptr) Assign(session, call);
      continue;
    }
    if (!call->context.rejoin && call->instance.empty()) return;
    ++each;
  }
}

void ProviderHub::DispatchFor(const ProviderSession& session) {
  for (const auto& [key, slot] : session.slots) {
    if (!slot.pool->waiting.empty()) Dispatch(*slot.pool);
  }
}

bool ProviderHub::IsUsable(const ProviderSession& session, const std::string& key, absl::Time now) {
  if (!session.connected() || session.draining) return false;
  if (session.calls.size() >= session.max_calls) return false;
  if (session.outlet->waiting_bytes() > kMaxOutboxBytes) return false;
  const auto slot = session.slots.find(key);
  if (slot == session.slots.end()) return false;
  const bool full = slot->second.max_calls > 0 && slot->second.calls >= slot->second.max_calls;
  return !full && slot->second.breaker.Allows(now);
}

bool ProviderHub::HasRoomForInstance(const ProviderPool& pool, const ProviderSession& session) {
  if (pool.instances.size() >= kMaxInstances) return false;
  const int limit = session.slots.at(pool.key).max_instances;
  if (limit == 0) return true;
  return std::count_if(pool.instances.begin(), pool.instances.end(),
                       [&](const auto& each) { return each.second == session.id; }) < limit;
}

ProviderHub::SessionPtr ProviderHub::Choose(ProviderPool& pool, const AttachedCall& call) {
  const absl::Time now = SteadyNow();
  for (const SessionPtr& session : pool.sessions) {
    if (session->connected() && session->held.contains(call.id)) return session;
  }
  if (call.context.rejoin) return nullptr;
  const auto instance = pool.instances.find(call.instance);
  if (!call.instance.empty() && instance != pool.instances.end()) {
    const auto session = sessions_.find(instance->second);
    const bool usable = session != sessions_.end() && IsUsable(*session->second, pool.key, now);
    return usable ? session->second : nullptr;
  }
  if (!call.instance.empty() && !call.begins_instance) return nullptr;
  for (size_t i = 0; i < pool.sessions.size(); ++i) {
    const size_t at = (pool.next + i) % pool.sessions.size();
    if (!IsUsable(*pool.sessions[at], pool.key, now)) continue;
    if (call.begins_instance && !HasRoomForInstance(pool, *pool.sessions[at])) continue;
    pool.next = at + 1;
    return pool.sessions[at];
  }
  return nullptr;
}

void ProviderHub::Assign(const SessionPtr& session, const CallPtr& call) {
  ProviderSlot& slot = session->slots[call->key];
  ++slot.calls;
  slot.breaker.Begin();
  session->held.erase(call->id);
  session->calls[call->id] = call;
  call->session = session;
  if (call->begins_instance) slot.pool->instances[call->instance] = session->id;
  SendCall(*session, *call, call->attempts > 0);
  ++call->attempts;
}

void ProviderHub::SendCall(ProviderSession& session, AttachedCall& call, bool again) {
  call.sent = SteadyNow();
  call.message.set_again(again);
  SetDuration(call.context.deadline - call.sent, call.message.mutable_time_left());
  v1::AttachResponse message;
  *message.mutable_call() = call.message;
  session.outlet->Send(std::move(message));
}

absl::Status ProviderHub::Hopeless(const ProviderPool& pool, const AttachedCall& call,
                                   absl::Time now) const {
  const absl::Time patience_ends = std::max(pool.absent, started_) + limits_.grace;
  if (pool.sessions.empty()) {
    if (now < patience_ends) return absl::OkStatus();
    return call.context.rejoin
               ? Interrupted(call, "its provider did not come back")
               : Uncallable(call, fmt::format("no provider of it is attached (the last "
                                              "one was here {} ago); go on without it",
                                              InSeconds(absl::Now() - pool.last_seen)));
  }
  if (call.context.rejoin) {
    return now < started_ + limits_.grace
               ? absl::OkStatus()
               : Interrupted(call, "no provider that is attached has it");
  }
  if (!call.instance.empty() && !call.begins_instance && !pool.instances.contains(call.instance)) {
    return Interrupted(call, "the provider that had the instance went away; reset it");
  }
  absl::Time open_until = absl::InfiniteFuture();
  int failures = 0;
  for (const SessionPtr& session : pool.sessions) {
    const auto slot = session->slots.find(pool.key);
    if (slot == session->slots.end() || slot->second.breaker.Allows(now)) return absl::OkStatus();
    open_until = std::min(open_until, slot->second.breaker.open_until());
    failures = slot->second.breaker.failures();
  }
  if (open_until <= now) return absl::OkStatus();  // one call is out to see whether it works again
  return Uncallable(call, fmt::format("it failed {} times in a row and is left alone for {}; go on "
                                      "without it, or try again then",
                                      failures, InSeconds(open_until - now)));
}

void ProviderHub::DropHopeless(ProviderPool& pool, absl::Time now) {
  std::vector<std::pair<CallPtr, absl::Status>> dropped;
  const size_t erased = std::erase_if(pool.waiting, [&](const CallPtr& call) {
    if (call->done == nullptr) return true;
    absl::Status why = Hopeless(pool, *call, now);
    if (why.ok()) return false;
    dropped.emplace_back(call, std::move(why));
    return true;
  });
  waiting_calls_ -= static_cast<int64_t>(erased);
  for (auto& [call, why] : dropped) Finish(call, std::move(why));
}

void ProviderHub::Lose(const CallPtr& call, const std::string& why) {
  call->session = nullptr;
  if (call->done == nullptr) return;
  const auto pool = pools_.find(call->key);
  if (!call->repeatable || call->attempts >= kMaxCallAttempts || pool == pools_.end()) {
    return Finish(call, Interrupted(*call, why));
  }
  call->partial_output.clear();
  ResetFiles(*call);
  pool->second->waiting.push_front(call);
  ++waiting_calls_;
}

void ProviderHub::MoveCalls(const SessionPtr& session) {
  std::vector<CallPtr> movable;
  for (const auto& [id, call] : session->calls) {
    if (call->done == nullptr || !call->repeatable || !call->instance.empty()) continue;
    const auto& others = session->slots[call->key].pool->sessions;
    const bool other = std::any_of(others.begin(), others.end(), [](const SessionPtr& each) {
      return each->connected() && !each->draining;
    });
    if (other) movable.push_back(call);
  }
  for (const CallPtr& call : movable) {
    Release(*session, *call);
    session->calls.erase(call->id);
    Lose(call, "its provider went away");
  }
  DispatchFor(*session);
}

CircuitBreaker* ProviderHub::Release(ProviderSession& session, const AttachedCall& call) {
  const auto slot = session.slots.find(call.key);
  if (slot == session.slots.end()) return nullptr;
  --slot->second.calls;
  return &slot->second.breaker;
}

void ProviderHub::Taken(ProviderSession& session, std::string call_id) {
  session.taken.push_back(std::move(call_id));
  if (session.taken.size() >= kTakenBatch) SendTaken(session);
}

void ProviderHub::SendTaken(ProviderSession& session) {
  if (session.taken.empty() || !session.connected()) return;
  v1::AttachResponse message;
  for (std::string& id : session.taken) {
    message.mutable_taken()->add_call_ids(std::move(id));
  }
  session.taken.clear();
  session.outlet->Send(std::move(message));
}

void ProviderHub::HandleProgress(ProviderSession& session, const v1::CallProgress& progress) {
  const auto found = session.calls.find(progress.call_id());
  if (found == session.calls.end() || found->second->done == nullptr) return;
  AttachedCall& call = *found->second;
  if (!progress.text().empty()) call.context.progress(progress.text());
  if (progress.output().empty()) return;
  AddPartialOutput(progress.output(), call);
  call.context.progress(progress.output());
}

void ProviderHub::HandlePiece(const SessionPtr& session, const v1::ArtifactChunk& piece) {
  const auto found = session->calls.find(piece.call_id());
  if (found == session->calls.end() || found->second->done == nullptr) return;
  const CallPtr call = found->second;
  const auto before = call->arriving.find(piece.name());
  const int64_t had =
      before == call->arriving.end() ? 0 : static_cast<int64_t>(before->second.bytes.size());
  const int64_t size = static_cast<int64_t>(piece.data().size());
  auto added = buffered_bytes_ + size > kMaxBufferedBytes
                   ? absl::StatusOr<std::optional<ArrivingFile>>(absl::ResourceExhaustedError(
                         "files were not kept: too many arrive at once"))
                   : AddPiece(piece, *call);
  if (!added.ok()) {
    if (!call->arriving.contains(piece.name())) buffered_bytes_ -= had;
    call->file_problems += std::string(MessageOf(added.status())) + "\n";
    call->file_problems.resize(std::min<size_t>(call->file_problems.size(), 2000));
    return;
  }
  buffered_bytes_ += size;
  if (added->has_value()) WriteFile(call, piece.name(), **std::move(added));
}

void ProviderHub::WriteFile(const CallPtr& call, std::string name, ArrivingFile file) {
  ++call->writes_under_way;
  asio::post(files_, [this, call, name = std::move(name), file = std::move(file)]() mutable {
    auto kept =
        call->context.workspace.root.empty()
            ? absl::StatusOr<Artifact>(absl::FailedPreconditionError("there is no workspace"))
            : PutArtifact(call->context.workspace, name, file.description, file.bytes);
    const auto size = static_cast<int64_t>(file.bytes.size());
    asio::post(thread_, [this, call, kept = std::move(kept), name = std::move(name), size] {
      buffered_bytes_ -= size;
      --call->writes_under_way;
      if (kept.ok()) {
        std::erase_if(call->artifacts,
                      [&](const Artifact& each) { return each.name == kept->name; });
        call->artifacts.push_back(*kept);
      } else {
        call->file_problems += fmt::format("the file '{}' was not kept: {}\n", name.substr(0, 200),
                                           MessageOf(kept.status()));
      }
      if (call->writes_under_way > 0 || !call->result.has_value()) return;
      if (const SessionPtr session = call->session; session != nullptr) Complete(session, call);
    });
  });
}

void ProviderHub::HandleResult(const SessionPtr& session, v1::CallResult& result) {
  const auto found = session->calls.find(result.call_id());
  if (found == session->calls.end()) {
    // Of a call of an earlier life that may yet be asked for, the provider keeps the answer.
    const bool kept = session->held.contains(result.call_id());
    if (!kept && result.call_id().size() <= kMaxCallId) Taken(*session, result.call_id());
    return;
  }
  const CallPtr call = found->second;
  if (call->result.has_value()) return;  // said twice
  call->result = std::move(result);
  if (call->writes_under_way == 0) Complete(session, call);
}

void ProviderHub::Complete(const SessionPtr& session, const CallPtr& call) {
  CircuitBreaker* breaker = Release(*session, *call);
  session->calls.erase(call->id);
  Taken(*session, call->id);
  const auto slot = session->slots.find(call->key);
  if (call->ends_instance && slot != session->slots.end()) {
    slot->second.pool->instances.erase(call->instance);
  }
  const bool waited_for = call->done != nullptr;
  if (breaker != nullptr && !waited_for) breaker->Abandon();
  if (waited_for) {
    auto answer = CheckedAnswer(*call);
    const absl::Time now = SteadyNow();
    if (breaker != nullptr && answer.ok()) breaker->Succeed();
    if (breaker != nullptr && !answer.ok()) breaker->Fail(now);
    if (answer.ok()) {
      answer->notes = {{"provider", session->id},
                       {"waited_us", absl::ToInt64Microseconds(call->sent - call->asked)},
                       {"ran_us", absl::ToInt64Microseconds(now - call->sent)}};
      if (call->attempts > 1) answer->notes["attempts"] = call->attempts;
    }
    Finish(call, std::move(answer));
  }
  DispatchFor(*session);
}

}  // namespace troupe
