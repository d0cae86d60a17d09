// What work cost, in whichever of these fields a message has for it. Stateless function.
#pragma once

#include <absl/time/time.h>

#include "agents/runtime/usage.h"

namespace troupe {

// `Message` has at least model_calls, input_tokens, output_tokens and cost_microusd, as v1::Usage
// has.
template <typename Message>
void FillUsage(const Usage& usage, Message& message) {
  message.set_model_calls(usage.model_calls);
  message.set_input_tokens(usage.input_tokens);
  message.set_output_tokens(usage.output_tokens);
  message.set_cost_microusd(usage.cost_microusd);
  if constexpr (requires { message.set_tool_calls(0); }) message.set_tool_calls(usage.tool_calls);
  if constexpr (requires { message.set_cached_input_tokens(0); }) {
    message.set_cached_input_tokens(usage.cached_input_tokens);
    message.set_reasoning_tokens(usage.reasoning_tokens);
    message.set_estimated(usage.estimated);
  }
  if constexpr (requires { message.mutable_model_time(); }) {
    const auto set = [](absl::Duration time, auto& duration) {
      const int64_t micros = absl::ToInt64Microseconds(time);
      duration.set_seconds(micros / 1'000'000);
      duration.set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
    };
    set(usage.model_time, *message.mutable_model_time());
    set(usage.tool_time, *message.mutable_tool_time());
  }
}

}  // namespace troupe
