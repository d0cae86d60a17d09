// What work cost, as a value that adds up: of one effect, a span with all below it, or a task.
#pragma once

#include <absl/time/time.h>

#include <cstdint>

namespace troupe {

struct Usage {
  int64_t model_calls = 0;
  int64_t tool_calls = 0;
  int64_t input_tokens = 0;
  int64_t cached_input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t reasoning_tokens = 0;
  int64_t cost_microusd = 0;
  absl::Duration model_time;
  absl::Duration tool_time;
  bool estimated = false;  // some backend did not say how many tokens it used

  int64_t tokens() const { return input_tokens + output_tokens; }

  Usage& operator+=(const Usage& other) {
    model_calls += other.model_calls;
    tool_calls += other.tool_calls;
    input_tokens += other.input_tokens;
    cached_input_tokens += other.cached_input_tokens;
    output_tokens += other.output_tokens;
    reasoning_tokens += other.reasoning_tokens;
    cost_microusd += other.cost_microusd;
    model_time += other.model_time;
    tool_time += other.tool_time;
    estimated = estimated || other.estimated;
    return *this;
  }

  // Takes a part away; whether anything was estimated stays.
  Usage& operator-=(const Usage& part) {
    model_calls -= part.model_calls;
    tool_calls -= part.tool_calls;
    input_tokens -= part.input_tokens;
    cached_input_tokens -= part.cached_input_tokens;
    output_tokens -= part.output_tokens;
    reasoning_tokens -= part.reasoning_tokens;
    cost_microusd -= part.cost_microusd;
    model_time -= part.model_time;
    tool_time -= part.tool_time;
    return *this;
  }
};

}  // namespace troupe
