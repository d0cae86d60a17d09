// Results of an agent's calls, kept whole while the agent is shown a part of the long ones, so that
// it can read the rest. What is kept comes from the task's record: a later life has the same.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "agents/models/chat.h"
#include "tools/base/json.h"

namespace troupe {

// The tool with which the agent reads more of a result.
inline constexpr char kReadResult[] = "read_result";
ToolDeclaration ReadResultDeclaration();

class Results {
 public:
  explicit Results(int64_t shown_bytes) : shown_bytes_(static_cast<size_t>(shown_bytes)) {}

  // Keeps `text` under `id`; what the agent is shown of it.
  std::string Keep(const std::string& id, std::string text);

  // What a call of kReadResult shows.
  std::string Read(const Json& arguments) const;

 private:
  std::string Find(const std::string& id, const std::string& text, const std::string& words) const;

  const size_t shown_bytes_;
  std::map<std::string, std::string> texts_;
  std::deque<std::string> order_;  // ids, the oldest first
  size_t kept_bytes_ = 0;
};

}  // namespace troupe
