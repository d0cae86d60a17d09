// TaskToolHost: answers what a tool asks in mid-call, as effects below the call ("asked:1", ...).
// Thread-confined to the task's strand.
#pragma once

#include <string>

#include "agents/runtime/scope.h"
#include "tools/tool_host.h"

namespace troupe {

// The role whose model answers what tools ask of models.
inline constexpr char kSamplingRole[] = "sampling";

// The name of the n-th thing that a call asked, from 1.
std::string AskedName(int n);

class TaskToolHost : public ToolHost {
 public:
  // `call` is the scope of the call's own path.
  explicit TaskToolHost(Scope call) : call_(std::move(call)) {}

  Async<Json> Ask(HostQuestion question) override;
  Async<HostSample> Sample(HostSampleRequest request) override;

 private:
  Scope call_;
  int asked_ = 0;
};

}  // namespace troupe
