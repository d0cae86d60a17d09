// What is told of a task that is too large for one message. Stateless functions.
#pragma once

#include <cstddef>

namespace troupe::v1 {
class Task;
}  // namespace troupe::v1

namespace troupe {

// Clients take messages of 4 MiB unless they are told otherwise.
inline constexpr size_t kMaxTaskBytes = (3 << 20) + (768 << 10);

// Of a task over `max_bytes` shortens what an optimizer's step was given and came to: first long
// texts, to their beginning and end; if that is not enough the graph is left out, then what
// changed. The store has all of it, and so have forks, replays and the optimizer's own steps.
void FitIntoMessage(v1::Task& task, size_t max_bytes = kMaxTaskBytes);

}  // namespace troupe
