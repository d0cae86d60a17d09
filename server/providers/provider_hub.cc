#include "server/providers/provider_hub.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <random>

#include "server/providers/attached_call.h"
#include "server/providers/attached_environment.h"
#include "server/providers/attached_tool.h"
#include "server/providers/tool_catalogue.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/base/suspend.h"
#include "tools/version_order.h"

namespace troupe {
namespace {

constexpr int kTokenBytes = 16;
constexpr int kMadeUpIdBytes = 6;
constexpr size_t kMaxLoggedBytes = 300;  // of a refusal, which quotes what was offered
constexpr absl::Duration kTick = absl::Milliseconds(250);
constexpr absl::Duration kCatalogueAge = absl::Hours(1);
constexpr absl::Duration kCatalogueRetry = absl::Minutes(1);  // of what could not be written

std::string RandomHex(int bytes) {
  std::random_device device;
  std::string random;
  for (int i = 0; i < bytes; ++i) random.push_back(static_cast<char>(device()));
  return absl::BytesToHexString(random);
}

absl::Status ServerCloses() {
  return Error(Reason::kShuttingDown, "the server closes; attach again");
}

absl::Status SayHello() {
  return Error(Reason::kInvalidField, "hello: say first who attaches", {{"field", "hello"}});
}

std::string ToolKey(const ToolSpec& spec) { return "tool:" + PinnedName(spec); }
std::string EnvironmentKey(const EnvironmentSpec& spec) {
  return fmt::format("environment:{}@{}", spec.name, spec.version);
}

}  // namespace

ProviderHub::ProviderHub(ProviderLimits limits, std::filesystem::path catalogue,
                         ToolRegistry* registry)
    : limits_(limits), catalogue_(std::move(catalogue)), registry_(registry) {}

ProviderHub::~ProviderHub() {
  Close();
  Join();
}

absl::Status ProviderHub::Start() {
  started_ = catalogue_saved_ = SteadyNow();
  ASSIGN_OR_RETURN(const auto known, ReadToolCatalogue(catalogue_));
  for (const KnownTool& tool : known) {
    const PoolPtr pool = PoolOf(ToolKey(tool.spec), tool.spec.name, SpecJson(tool.spec), true);
    pool->last_seen = tool.last_seen;
    const absl::Status added = RegisterTool(tool.spec, pool);
    if (!added.ok()) spdlog::warn("a tool that was attached before: {}", MessageOf(added));
  }
  asio::post(thread_, [this] { ScheduleTick(); });
  return absl::OkStatus();
}

void ProviderHub::StreamOpened(std::shared_ptr<ProviderOutlet> outlet) {
  asio::post(thread_, [this, outlet = std::move(outlet)] {
    if (closing_) return outlet->Close(ServerCloses());
    if (opened_.size() >= kMaxSilentStreams) {
      return outlet->Close(
          Error(Reason::kQueueFull, "too many streams have said no hello", {{"limit", "streams"}}));
    }
    opened_[outlet.get()] = {outlet, SteadyNow()};
  });
}

void ProviderHub::Receive(std::shared_ptr<ProviderOutlet> outlet, v1::AttachRequest message) {
  asio::post(thread_, [this, outlet = std::move(outlet), message = std::move(message)]() mutable {
    HandleMessage(outlet, message);
  });
}

void ProviderHub::StreamEnded(std::shared_ptr<ProviderOutlet> outlet) {
  asio::post(thread_, [this, outlet = std::move(outlet)] {
    const auto found = by_outlet_.find(outlet.get());
    const SessionPtr session = found == by_outlet_.end() ? nullptr : found->second;
    if (session != nullptr) Disconnect(session);
    opened_.erase(outlet.get());
    // A stream that was closed before stays so.
    outlet->Close(session != nullptr ? absl::OkStatus() : SayHello());
  });
}

void ProviderHub::Close() {
  if (closing_.exchange(true)) return;
  asio::post(thread_, [this] {
    timer_.cancel();
    for (const auto& [key, opened] : opened_) opened.outlet->Close(ServerCloses());
    for (const auto& [id, session] : sessions_) {
      if (!session->connected()) continue;
      SendTaken(*session);
      session->outlet->Close(ServerCloses());
    }
    SaveCatalogue();
  });
}

void ProviderHub::Join() {
  files_.join();
  thread_.join();
}

void ProviderHub::HandleMessage(const std::shared_ptr<ProviderOutlet>& outlet,
                                v1::AttachRequest& message) {
  const auto found = by_outlet_.find(outlet.get());
  if (found == by_outlet_.end()) {
    opened_.erase(outlet.get());
    absl::Status greeted = message.has_hello() ? HandleHello(outlet, message.hello()) : SayHello();
    if (closing_) greeted = ServerCloses();
    if (!greeted.ok()) {
      spdlog::info("a provider was refused: {}",
                   absl::CHexEscape(std::string(MessageOf(greeted).substr(0, kMaxLoggedBytes))));
      return outlet->Close(greeted);
    }
    return outlet->ReadNext();
  }
  const SessionPtr session = found->second;
  session->heard = SteadyNow();
  switch (message.message_case()) {
    case v1::AttachRequest::kProgress:
      HandleProgress(*session, message.progress());
      break;
    case v1::AttachRequest::kArtifact:
      HandlePiece(session, message.artifact());
      break;
    case v1::AttachRequest::kResult:
      HandleResult(session, *message.mutable_result());
      break;
    case v1::AttachRequest::kGoodbye:
      session->draining = true;
      break;
    case v1::AttachRequest::kHello:
      return outlet->Close(
          Error(Reason::kInvalidField, "hello: was said already", {{"field", "hello"}}));
    case v1::AttachRequest::kPong:
    case v1::AttachRequest::MESSAGE_NOT_SET:
      break;
  }
  if (outlet->waiting_bytes() > 2 * kMaxOutboxBytes) {
    spdlog::warn("provider {} talks and does not listen", session->id);
    outlet->Drop();
    return Disconnect(session);
  }
  outlet->ReadNext();
}

absl::Status ProviderHub::HandleHello(const std::shared_ptr<ProviderOutlet>& outlet,
                                      const v1::ProviderHello& hello) {
  ASSIGN_OR_RETURN(const Offers offers, ReadOffers(hello));
  SessionPtr session = FindByToken(hello);
  const bool resumed = session != nullptr;
  RETURN_IF_ERROR(CheckOffers(offers, resumed ? session->id : hello.provider_id()));
  if (!resumed) {
    ASSIGN_OR_RETURN(session, MakeSession(hello));
  } else if (session->connected()) {
    // The provider noticed that the stream is broken before we did.
    by_outlet_.erase(session->outlet.get());
    session->outlet->Drop();
  }
  session->max_calls = static_cast<size_t>(hello.max_concurrent() == 0 ? kUsualCallsPerProvider
                                                                       : hello.max_concurrent());
  session->outlet = outlet;
  session->draining = false;
  session->heard = session->pinged = SteadyNow();
  by_outlet_[outlet.get()] = session;
  const absl::Status taken = TakeOffers(session, offers);
  if (!taken.ok()) {
    by_outlet_.erase(outlet.get());
    session->outlet = nullptr;
    EndSession(session, "its offers were refused");
    return taken;
  }
  spdlog::info("provider {} {} with {} tools and {} environments ({})", session->id,
               resumed ? "is back" : "attached", offers.tools.size(), offers.environments.size(),
               hello.library().substr(0, 100));
  SendWelcome(session, resumed);
  Reconcile(session, hello, resumed);
  SaveCatalogue();
  DispatchFor(*session);
  return absl::OkStatus();
}

ProviderHub::SessionPtr ProviderHub::FindByToken(const v1::ProviderHello& hello) const {
  if (hello.session_token().empty()) return nullptr;
  for (const auto& [id, session] : sessions_) {
    const bool named = hello.provider_id().empty() || hello.provider_id() == id;
    if (named && session->token == hello.session_token()) return session;
  }
  return nullptr;
}

absl::StatusOr<ProviderHub::SessionPtr> ProviderHub::MakeSession(const v1::ProviderHello& hello) {
  const auto found = sessions_.find(hello.provider_id());
  if (found != sessions_.end()) {
    const SessionPtr old = found->second;
    if (old->connected()) {
      return Error(
          Reason::kAlreadyExists,
          fmt::format("hello.provider_id: a provider '{}' is attached already; give another "
                      "id, or none",
                      hello.provider_id()),
          {{"field", "hello.provider_id"}, {"name", hello.provider_id()}});
    }
    EndSession(old, "its provider was started anew");
  }
  if (sessions_.size() >= static_cast<size_t>(limits_.max_providers)) {
    return Error(Reason::kQueueFull,
                 fmt::format("{} providers are attached already; try later", sessions_.size()),
                 {{"limit", "providers.max_providers"}});
  }
  auto session = std::make_shared<ProviderSession>();
  session->id =
      hello.provider_id().empty() ? "provider-" + RandomHex(kMadeUpIdBytes) : hello.provider_id();
  session->token = RandomHex(kTokenBytes);
  sessions_[session->id] = session;
  return session;
}

absl::Status ProviderHub::CheckDefinition(const std::string& key, const Json& definition,
                                          const std::string& provider,
                                          const std::string& field) const {
  const auto found = pools_.find(key);
  if (found == pools_.end() || found->second->definition == definition) return absl::OkStatus();
  for (const SessionPtr& other : found->second->sessions) {
    if (other->id == provider) continue;
    return Error(Reason::kAlreadyExists,
                 fmt::format("{}: the provider {} serves another definition of {}: change the "
                             "version",
                             field, other->id, key.substr(key.find(':') + 1)),
                 {{"field", field}, {"name", key}});
  }
  return absl::OkStatus();
}

absl::Status ProviderHub::CheckOffers(const Offers& offers, const std::string& provider) const {
  for (size_t i = 0; i < offers.tools.size(); ++i) {
    const ToolSpec& spec = offers.tools[i];
    const auto known = registry_->Find(spec.name);
    if (known.ok() && (*known)->spec().provider != spec.provider) {
      const std::string field = fmt::format("hello.tools[{}].name", i);
      return Error(Reason::kAlreadyExists,
                   fmt::format("{}: there is a tool '{}' already ({})", field, spec.name,
                               (*known)->spec().provider),
                   {{"field", field}, {"name", spec.name}});
    }
    RETURN_IF_ERROR(CheckDefinition(ToolKey(spec), SpecJson(spec), provider,
                                    fmt::format("hello.tools[{}].version", i)));
  }
  for (size_t i = 0; i < offers.environments.size(); ++i) {
    const EnvironmentSpec& spec = offers.environments[i];
    RETURN_IF_ERROR(CheckDefinition(EnvironmentKey(spec), SpecJson(spec), provider,
                                    fmt::format("hello.environments[{}].version", i)));
  }
  return absl::OkStatus();
}

ProviderHub::PoolPtr ProviderHub::PoolOf(const std::string& key, const std::string& subject,
                                         Json definition, bool is_tool) {
  PoolPtr& pool = pools_[key];
  if (pool == nullptr) {
    pool = std::make_shared<ProviderPool>();
    pool->absent = SteadyNow();
    pool->last_seen = absl::Now();
  }
  pool->key = key;
  pool->subject = subject;
  pool->definition = std::move(definition);
  pool->is_tool = is_tool;
  return pool;
}

absl::Status ProviderHub::RegisterTool(const ToolSpec& spec, const PoolPtr& pool) {
  ASSIGN_OR_RETURN(std::shared_ptr<Tool> tool,
                   AttachedTool::Make(spec, pool->key, this, pool->served));
  return registry_->ReplaceVersion(std::move(tool));
}

absl::Status ProviderHub::TakeOffers(const SessionPtr& session, const Offers& offers) {
  std::set<std::string> offered;
  for (const ToolSpec& spec : offers.tools) {
    const std::string key = ToolKey(spec);
    const auto known = pools_.find(key);
    const Json definition = SpecJson(spec);
    const bool is_new = known == pools_.end() || known->second->definition != definition;
    const PoolPtr pool = PoolOf(key, spec.name, definition, true);
    if (is_new) {
      RETURN_IF_ERROR(RegisterTool(spec, pool));
      catalogue_changed_ = true;
    }
    JoinPool(session, pool).max_calls = spec.max_concurrent;
    offered.insert(key);
  }
  for (const EnvironmentSpec& spec : offers.environments) {
    const std::string key = EnvironmentKey(spec);
    const PoolPtr pool = PoolOf(key, spec.name, SpecJson(spec), false);
    pool->environment = spec;
    JoinPool(session, pool).max_instances = spec.max_instances;
    offered.insert(key);
  }
  std::vector<PoolPtr> left;
  for (const auto& [key, slot] : session->slots) {
    if (!offered.contains(key)) left.push_back(slot.pool);
  }
  for (const PoolPtr& pool : left) LeavePool(session, pool);
  ForgetSurplus();
  return absl::OkStatus();
}

ProviderSlot& ProviderHub::JoinPool(const SessionPtr& session, const PoolPtr& pool) {
  ProviderSlot& slot = session->slots[pool->key];
  if (slot.pool != nullptr) return slot;
  slot.pool = pool;
  pool->sessions.push_back(session);
  *pool->served = true;
  return slot;
}

absl::StatusOr<std::shared_ptr<Environment>> ProviderHub::LookForEnvironment(
    const std::string& name) {
  PoolPtr newest;
  for (const auto& [key, pool] : pools_) {
    if (pool->is_tool || !*pool->served) continue;
    const EnvironmentSpec& spec = pool->environment;
    if (spec.name != name && fmt::format("{}@{}", spec.name, spec.version) != name) continue;
    if (newest == nullptr || IsNewer(spec.version, newest->environment.version)) newest = pool;
  }
  if (newest != nullptr) {
    return AttachedEnvironment::Make(newest->environment, newest->key, this);
  }
  return Error(Reason::kNotFound, fmt::format("no provider serves an environment '{}'", name),
               {{"name", name}});
}

Async<std::shared_ptr<Environment>> ProviderHub::FindEnvironment(std::string name) {
  using Found = std::shared_ptr<Environment>;
  const auto start = [this, &name](Done<Found> done) {
    asio::post(thread_,
               [this, name = name, done = std::move(done)] { done(LookForEnvironment(name)); });
  };
  co_return co_await Suspend<Found>(start);
}

void ProviderHub::LeavePool(const SessionPtr& session, const PoolPtr& pool) {
  session->slots.erase(pool->key);
  std::erase(pool->sessions, session);
  std::erase_if(pool->instances, [&](const auto& each) { return each.second == session->id; });
  if (!pool->sessions.empty()) return;
  *pool->served = false;
  const bool stayed_away =
      !session->connected() && !session->draining && session->lost != absl::Time();
  pool->absent = stayed_away ? session->lost : SteadyNow();
  pool->last_seen = absl::Now();
}

void ProviderHub::SendWelcome(const SessionPtr& session, bool resumed) {
  v1::AttachResponse message;
  v1::ProviderWelcome* welcome = message.mutable_welcome();
  welcome->set_provider_id(session->id);
  welcome->set_session_token(session->token);
  welcome->set_resumed(resumed);
  SetDuration(limits_.grace, welcome->mutable_grace());
  SetDuration(limits_.heartbeat, welcome->mutable_heartbeat());
  welcome->set_max_message_bytes(kMaxAttachMessageBytes);
  welcome->set_max_artifact_bytes(kMaxArtifactBytes);
  session->outlet->Send(std::move(message));
}

void ProviderHub::Reconcile(const SessionPtr& session, const v1::ProviderHello& hello,
                            bool resumed) {
  std::set<std::string> held(hello.held_calls().begin(), hello.held_calls().end());
  std::vector<CallPtr> mine;
  for (const auto& [id, call] : session->calls) mine.push_back(call);
  for (const CallPtr& call : mine) {
    if (held.erase(call->id) > 0) {
      ResetFiles(*call);  // the provider sends them anew
      if (call->done == nullptr) Taken(*session, call->id);
      continue;
    }
    // It never got there.
    if (call->done != nullptr) {
      SendCall(*session, *call, true);
    } else {
      Release(*session, *call);
      session->calls.erase(call->id);
    }
  }
  if (!resumed) {
    session->held = std::move(held);
    return;
  }
  for (const std::string& id : held) Taken(*session, id);
}

void ProviderHub::Disconnect(const SessionPtr& session) {
  by_outlet_.erase(session->outlet.get());
  session->outlet = nullptr;
  session->lost = SteadyNow();
  if (session->draining) return EndSession(session, "its provider left");
  spdlog::info("provider {} is away; {} calls wait for it", session->id, session->calls.size());
  MoveCalls(session);
}

void ProviderHub::EndSession(const SessionPtr& session, const std::string& why) {
  sessions_.erase(session->id);
  if (session->connected()) {
    by_outlet_.erase(session->outlet.get());
    session->outlet->Drop();
    session->outlet = nullptr;
  }
  spdlog::info("provider {} is gone: {}", session->id, why);
  std::vector<PoolPtr> pools;
  for (const auto& [key, slot] : session->slots) pools.push_back(slot.pool);
  for (const PoolPtr& pool : pools) LeavePool(session, pool);
  const auto calls = std::move(session->calls);
  session->calls.clear();
  for (const auto& [id, call] : calls) Lose(call, why);
  for (const PoolPtr& pool : pools) Dispatch(*pool);
}

void ProviderHub::SaveCatalogue() {
  if (!catalogue_changed_ && !closing_) return;
  std::vector<KnownTool> known;
  for (const auto& [key, pool] : pools_) {
    if (!pool->is_tool) continue;
    auto spec = SpecFromJson(pool->definition);
    if (!spec.ok()) continue;
    known.push_back({*std::move(spec), *pool->served ? absl::Now() : pool->last_seen});
  }
  const absl::Status written = WriteToolCatalogue(catalogue_, known);
  if (!written.ok()) spdlog::error("the catalogue of attached tools: {}", MessageOf(written));
  catalogue_changed_ = !written.ok();
  catalogue_saved_ = SteadyNow();
}

void ProviderHub::ForgetSurplus() {
  while (pools_.size() > kMaxKnownTools) {
    PoolPtr oldest;
    for (const auto& [key, pool] : pools_) {
      if (!pool->sessions.empty() || !pool->waiting.empty()) continue;
      if (oldest == nullptr || pool->last_seen < oldest->last_seen) oldest = pool;
    }
    if (oldest == nullptr) return;
    if (oldest->is_tool) registry_->Remove(oldest->key.substr(oldest->key.find(':') + 1));
    pools_.erase(oldest->key);
    catalogue_changed_ = true;
  }
}

void ProviderHub::ScheduleTick() {
  if (closing_) return;
  timer_.expires_after(absl::ToChronoNanoseconds(kTick));
  timer_.async_wait([this](asio::error_code cancelled) {
    if (cancelled) return;
    Tick();
    ScheduleTick();
  });
}

void ProviderHub::Tick() {
  const absl::Time now = SteadyNow();
  CheckSessions(now);
  CloseSilent(now);
  // The file tells when tools were last seen, also after a server that was killed.
  if (now - catalogue_saved_ > (catalogue_changed_ ? kCatalogueRetry : kCatalogueAge)) {
    catalogue_changed_ = true;
    SaveCatalogue();
  }
  std::vector<PoolPtr> pools;
  for (const auto& [key, pool] : pools_) {
    if (!pool->waiting.empty()) pools.push_back(pool);
  }
  for (const PoolPtr& pool : pools) {
    Dispatch(*pool);
    DropHopeless(*pool, now);
  }
}

void ProviderHub::CloseSilent(absl::Time now) {
  absl::erase_if(opened_, [&](const auto& each) {
    if (now - each.second.when < kMostSilence) return false;
    each.second.outlet->Close(SayHello());
    return true;
  });
}

void ProviderHub::CheckSessions(absl::Time now) {
  std::vector<SessionPtr> sessions;
  sessions.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) sessions.push_back(session);
  for (const SessionPtr& session : sessions) {
    if (!session->connected()) {
      if (now - session->lost > limits_.grace)
        EndSession(session, "its provider did not come back");
      continue;
    }
    if (now - session->heard > kMissedHeartbeats * limits_.heartbeat) {
      spdlog::warn("provider {} says nothing", session->id);
      session->outlet->Drop();
      Disconnect(session);
      continue;
    }
    // Nobody asked for what an earlier life of the server was waiting for.
    if (!session->held.empty() && now - started_ > limits_.grace) {
      for (const std::string& id : session->held) Taken(*session, id);
      session->held.clear();
    }
    SendTaken(*session);
    if (now - session->pinged < limits_.heartbeat) continue;
    session->pinged = now;
    v1::AttachResponse ping;
    ping.mutable_ping();
    session->outlet->Send(std::move(ping));
  }
}

}  // namespace troupe
