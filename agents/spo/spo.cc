#include "agents/spo/spo.h"

#include "agents/spo/faithful.h"
#include "agents/spo/improved.h"

namespace troupe {

Async<SpoOutcome> RunSpo(Scope& task, SpoOptions options, SpoRoles roles) {
  if (options.preset == SpoPreset::kFaithful) {
    co_return co_await RunFaithful(task, std::move(options), roles);
  }
  co_return co_await RunImproved(task, std::move(options), roles);
}

}  // namespace troupe
