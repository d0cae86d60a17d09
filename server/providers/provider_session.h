// What the hub knows of one provider, and of one tool or environment in one version with those who
// serve it. Confined to the hub's thread, but for `served`.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/providers/attached_call.h"
#include "server/providers/provider_outlet.h"
#include "tools/base/circuit_breaker.h"
#include "tools/environment.h"

namespace troupe {

struct ProviderPool;

// A provider's part in one pool.
struct ProviderSlot {
  std::shared_ptr<ProviderPool> pool;
  int max_calls = 0;      // 0: as many as the provider takes
  int max_instances = 0;  // of an environment; 0: no limit
  int calls = 0;
  CircuitBreaker breaker;
};

struct ProviderSession {
  std::string id;
  std::string token;
  std::shared_ptr<ProviderOutlet> outlet;  // null while the stream is broken
  absl::Time lost;                         // when it broke; times are of SteadyNow
  absl::Time heard;
  absl::Time pinged;
  bool draining = false;
  size_t max_calls = 0;
  std::map<std::string, ProviderSlot> slots;  // by the pool's key
  // With the provider, be they waited for or not.
  std::map<std::string, std::shared_ptr<AttachedCall>> calls;
  std::set<std::string> held;      // calls of an earlier life of the server that it still has
  std::vector<std::string> taken;  // results that it need not keep, to be told
  bool connected() const { return outlet != nullptr; }
};

struct ProviderPool {
  std::string key;      // "tool:dice@1"
  std::string subject;  // "dice"
  Json definition;
  EnvironmentSpec environment;  // if it is none of a tool
  bool is_tool = true;
  // Whether somebody serves it, or is expected back.
  std::shared_ptr<std::atomic<bool>> served = std::make_shared<std::atomic<bool>>(false);
  std::vector<std::shared_ptr<ProviderSession>> sessions;
  size_t next = 0;  // whose turn it is
  std::deque<std::shared_ptr<AttachedCall>> waiting;
  absl::Time absent;                             // since when nobody serves it, of SteadyNow
  absl::Time last_seen;                          // when somebody did, of the clock
  std::map<std::string, std::string> instances;  // of an environment: to their provider's id
};

}  // namespace troupe
