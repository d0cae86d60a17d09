#include "tools/mcp/mcp_breakers.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "tools/base/error.h"
#include "tools/mcp/http_transport.h"
#include "tools/mcp/json_rpc.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

constexpr size_t kMaxNameTold = 100;

// Whether the call was not carried out for reasons that say nothing of the tool: wrong arguments, a
// session that the server forgot, a server of ours that closes.
bool SaysNothing(const absl::Status& outcome) {
  return RpcCodeOf(outcome) == kRpcInvalidParams || IsSessionLost(outcome) ||
         ReasonOf(outcome) == Reason::kShuttingDown;
}

}  // namespace

absl::Status McpBreakers::Refusal(const std::string& tool, absl::Time now) const {
  const auto found = failing_.find(tool);
  if (found == failing_.end() || found->second.open_until() <= now) return absl::OkStatus();
  const absl::Duration left = found->second.open_until() - now;
  return Error(Reason::kToolFailed,
               fmt::format("{} of the MCP server {} cannot be called: it failed {} times in a row "
                           "and is left alone for {} seconds; go on without it, or try again then",
                           PlainText(tool, kMaxNameTold), server_, found->second.failures(),
                           absl::ToInt64Seconds(absl::Ceil(left, absl::Seconds(1)))),
               {{"tool", PlainText(tool, kMaxNameTold)}, {"server", server_}});
}

bool McpBreakers::BeingTried(const std::string& tool, absl::Time now) const {
  const auto found = failing_.find(tool);
  return found != failing_.end() && found->second.open_until() <= now && !found->second.Allows(now);
}

void McpBreakers::Begin(const std::string& tool) {
  if (const auto found = failing_.find(tool); found != failing_.end()) found->second.Begin();
}

void McpBreakers::End(const std::string& tool, const absl::Status& outcome, absl::Time now) {
  if (outcome.ok()) {
    failing_.erase(tool);
    return;
  }
  if (SaysNothing(outcome)) return Abandon(tool);
  CircuitBreaker& breaker = failing_[tool];
  const bool allowed = breaker.open_until() <= now;
  breaker.Fail(now);
  if (!allowed || breaker.open_until() <= now) return;
  spdlog::warn("mcp.{}: {} failed {} times in a row and is left alone for {}", server_,
               PlainText(tool, kMaxNameTold), breaker.failures(),
               absl::FormatDuration(absl::Ceil(breaker.open_until() - now, absl::Seconds(1))));
}

void McpBreakers::Abandon(const std::string& tool) {
  if (const auto found = failing_.find(tool); found != failing_.end()) found->second.Abandon();
}

}  // namespace troupe
