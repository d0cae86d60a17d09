#include "server/services/optimizer_budget.h"

#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// 0 is no limit.
absl::StatusOr<int64_t> Left(std::string_view what, int64_t limit, int64_t used) {
  if (limit == 0) return 0;
  if (used < limit) return limit - used;
  return Error(Reason::kBudgetExceeded,
               fmt::format("the optimizer's budget is used up: {} of {} {}", used, limit, what),
               {{"limit", std::string(what)}});
}

}  // namespace

absl::StatusOr<v1::Budget> LimitsLeft(const v1::Budget& budget, const v1::Usage& used) {
  v1::Budget left = budget;
  ASSIGN_OR_RETURN(const int64_t calls,
                   Left("max_model_calls", budget.max_model_calls(), used.model_calls()));
  ASSIGN_OR_RETURN(const int64_t tools,
                   Left("max_tool_calls", budget.max_tool_calls(), used.tool_calls()));
  ASSIGN_OR_RETURN(const int64_t tokens, Left("max_tokens", budget.max_tokens(),
                                              used.input_tokens() + used.output_tokens()));
  ASSIGN_OR_RETURN(const int64_t cost,
                   Left("max_cost_microusd", budget.max_cost_microusd(), used.cost_microusd()));
  left.set_max_model_calls(calls);
  left.set_max_tool_calls(tools);
  left.set_max_tokens(tokens);
  left.set_max_cost_microusd(cost);
  return left;
}

void AddUsageTo(const v1::Usage& more, v1::Usage& all) {
  all.set_model_calls(all.model_calls() + more.model_calls());
  all.set_tool_calls(all.tool_calls() + more.tool_calls());
  all.set_input_tokens(all.input_tokens() + more.input_tokens());
  all.set_cached_input_tokens(all.cached_input_tokens() + more.cached_input_tokens());
  all.set_output_tokens(all.output_tokens() + more.output_tokens());
  all.set_reasoning_tokens(all.reasoning_tokens() + more.reasoning_tokens());
  all.set_cost_microusd(all.cost_microusd() + more.cost_microusd());
  all.set_estimated(all.estimated() || more.estimated());
  const auto add = [](const google::protobuf::Duration& from, google::protobuf::Duration& to) {
    int64_t nanos = int64_t{to.nanos()} + from.nanos();
    to.set_seconds(to.seconds() + from.seconds() + nanos / 1'000'000'000);
    to.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  };
  add(more.model_time(), *all.mutable_model_time());
  add(more.tool_time(), *all.mutable_tool_time());
}

}  // namespace troupe
