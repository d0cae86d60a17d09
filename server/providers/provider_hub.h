// ProviderHub: the clients that serve tools and environments, and the calls that they are asked
// for.
//
// A provider is a session: an id, a secret token, a stream. A stream that breaks does not end the
// session: within the grace period the provider may come back with its token; then calls that it
// still has go on, calls that it never got are sent again. A provider that stays away, or began
// anew, has lost its calls: those that may be repeated go to another provider (or wait for one),
// the others fail with kToolInterrupted. Calls go to the providers of a tool in turn; full ones are
// left out, and those that failed again and again until they had a pause.
//
// Public methods are thread-safe; all else is confined to the hub's own thread, which never blocks
// but for the catalogue file.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "server/providers/offers.h"
#include "server/providers/provider_limits.h"
#include "server/providers/provider_session.h"
#include "tools/tool_registry.h"

namespace troupe {

class ProviderHub {
 public:
  // `registry` outlives the hub's last task; `catalogue` is the file of known tools.
  ProviderHub(ProviderLimits limits, std::filesystem::path catalogue, ToolRegistry* registry);
  ~ProviderHub();
  ProviderHub(const ProviderHub&) = delete;
  ProviderHub& operator=(const ProviderHub&) = delete;

  // Adds the tools that providers served before, so that tasks which go on find them.
  absl::Status Start();

  // --- of streams ---
  // A stream began; it has half a minute to say hello.
  void StreamOpened(std::shared_ptr<ProviderOutlet> outlet);
  // A message came; the outlet's ReadNext is called when it was dealt with.
  void Receive(std::shared_ptr<ProviderOutlet> outlet, v1::AttachRequest message);
  // The stream is over. More than once changes nothing.
  void StreamEnded(std::shared_ptr<ProviderOutlet> outlet);

  // --- of calls ---
  // Performs a call whose `message`, `key` and so on are set; see AttachedTool.
  Async<ToolResult> Perform(std::shared_ptr<AttachedCall> call);
  // The environment of that name (or NAME@VERSION), in the newest version that is served.
  // kNotFound.
  Async<std::shared_ptr<Environment>> FindEnvironment(std::string name);

  // Ends all streams, with kShuttingDown, and takes no new ones.
  void Close();
  // Waits for the hub's thread. After Close, the last stream's end and the last call's.
  void Join();

 private:
  using SessionPtr = std::shared_ptr<ProviderSession>;
  using PoolPtr = std::shared_ptr<ProviderPool>;
  using CallPtr = std::shared_ptr<AttachedCall>;

  // --- provider_hub.cc: providers come and go ---
  void HandleMessage(const std::shared_ptr<ProviderOutlet>& outlet, v1::AttachRequest& message);
  absl::Status HandleHello(const std::shared_ptr<ProviderOutlet>& outlet,
                           const v1::ProviderHello& hello);
  SessionPtr FindByToken(const v1::ProviderHello& hello) const;
  absl::StatusOr<SessionPtr> MakeSession(const v1::ProviderHello& hello);
  absl::Status CheckOffers(const Offers& offers, const std::string& provider) const;
  absl::Status CheckDefinition(const std::string& key, const Json& definition,
                               const std::string& provider, const std::string& field) const;
  absl::Status TakeOffers(const SessionPtr& session, const Offers& offers);
  static ProviderSlot& JoinPool(const SessionPtr& session, const PoolPtr& pool);
  void LeavePool(const SessionPtr& session, const PoolPtr& pool);
  PoolPtr PoolOf(const std::string& key, const std::string& subject, Json definition, bool is_tool);
  absl::Status RegisterTool(const ToolSpec& spec, const PoolPtr& pool);
  void SendWelcome(const SessionPtr& session, bool resumed);
  // What the provider holds, compared with what it should.
  void Reconcile(const SessionPtr& session, const v1::ProviderHello& hello, bool resumed);
  void Disconnect(const SessionPtr& session);
  void EndSession(const SessionPtr& session, const std::string& why);
  void SaveCatalogue();
  void ForgetSurplus();
  absl::StatusOr<std::shared_ptr<Environment>> LookForEnvironment(const std::string& name);
  void Tick();
  void ScheduleTick();
  void CheckSessions(absl::Time now);
  void CloseSilent(absl::Time now);

  // --- provider_calls.cc: calls and their answers ---
  void Submit(const CallPtr& call);
  void Cancel(const CallPtr& call, const absl::Status& why);
  void Finish(const CallPtr& call, absl::StatusOr<ToolResult> result);
  void Dispatch(ProviderPool& pool);
  void DispatchFor(const ProviderSession& session);
  SessionPtr Choose(ProviderPool& pool, const AttachedCall& call);
  static bool HasRoomForInstance(const ProviderPool& pool, const ProviderSession& session);
  static bool IsUsable(const ProviderSession& session, const std::string& key, absl::Time now);
  void Assign(const SessionPtr& session, const CallPtr& call);
  static void SendCall(ProviderSession& session, AttachedCall& call, bool again);
  // Why nobody will take the call; OkStatus while somebody may.
  absl::Status Hopeless(const ProviderPool& pool, const AttachedCall& call, absl::Time now) const;
  void DropHopeless(ProviderPool& pool, absl::Time now);
  // The provider will not answer: elsewhere, or interrupted.
  void Lose(const CallPtr& call, const std::string& why);
  // Of a provider whose stream broke: what another one can do goes there.
  void MoveCalls(const SessionPtr& session);
  void HandleProgress(ProviderSession& session, const v1::CallProgress& progress);
  void HandlePiece(const SessionPtr& session, const v1::ArtifactChunk& piece);
  void WriteFile(const CallPtr& call, std::string name, ArrivingFile file);
  void HandleResult(const SessionPtr& session, v1::CallResult& result);
  void Complete(const SessionPtr& session, const CallPtr& call);
  // Forgets pieces and files that came so far.
  void ResetFiles(AttachedCall& call);
  // Takes the call from the provider's load.
  static CircuitBreaker* Release(ProviderSession& session, const AttachedCall& call);
  static void Taken(ProviderSession& session, std::string call_id);
  static void SendTaken(ProviderSession& session);

  const ProviderLimits limits_;
  const std::filesystem::path catalogue_;
  ToolRegistry* const registry_;
  std::atomic<bool> closing_ = false;
  absl::Time started_;

  std::map<std::string, SessionPtr> sessions_;  // by id
  absl::flat_hash_map<const ProviderOutlet*, SessionPtr> by_outlet_;
  struct Opened {
    std::shared_ptr<ProviderOutlet> outlet;
    absl::Time when;  // of SteadyNow
  };
  absl::flat_hash_map<const ProviderOutlet*, Opened> opened_;  // that have said no hello yet
  std::map<std::string, PoolPtr> pools_;                       // by key
  absl::flat_hash_map<std::string, CallPtr> calls_;            // that somebody waits for, by id
  int64_t waiting_calls_ = 0;
  int64_t buffered_bytes_ = 0;  // of files that arrive or are being written
  bool catalogue_changed_ = false;
  absl::Time catalogue_saved_;  // of SteadyNow

  asio::thread_pool files_{1};   // writes files that calls made
  asio::thread_pool thread_{1};  // on which all else happens
  asio::steady_timer timer_{thread_};
};

}  // namespace troupe
