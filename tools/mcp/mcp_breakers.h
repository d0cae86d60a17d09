// McpBreakers: which tools of a server are left alone for a while, since calls of them failed again
// and again. Thread-compatible; `now` is one of SteadyNow.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <map>
#include <string>

#include "tools/base/circuit_breaker.h"

namespace troupe {

class McpBreakers {
 public:
  explicit McpBreakers(std::string server) : server_(std::move(server)) {}

  // kToolFailed, in words for the agent, while the tool is left alone.
  absl::Status Refusal(const std::string& tool, absl::Time now) const;
  // Whether a call is out to see if the tool works again: others wait for how it ends.
  bool BeingTried(const std::string& tool, absl::Time now) const;

  // Each call that began ends, or is abandoned by those who waited for it.
  void Begin(const std::string& tool);
  void End(const std::string& tool, const absl::Status& outcome, absl::Time now);
  void Abandon(const std::string& tool);

 private:
  const std::string server_;
  std::map<std::string, CircuitBreaker> failing_;  // those whose last call failed
};

}  // namespace troupe
