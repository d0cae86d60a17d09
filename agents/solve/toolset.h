// The tools of one solve task: what there were when it began, which of them the agent is shown, and
// the search for the others. All of it is fixed when the task begins and recorded: tools that come
// or go later change nothing of what the agent is told. Thread-compatible.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "agents/models/chat.h"
#include "agents/runtime/scope.h"
#include "tools/base/async.h"
#include "tools/tool_search.h"

namespace troupe {

// The tool with which the agent looks for tools that it is not shown.
inline constexpr char kFindTools[] = "find_tools";

class Toolset {
 public:
  // Tools that fit `patterns`, of which at most `shown` are shown at first: all of them if they are
  // no more, else those that fit the request best. The effects are "tools" and "shown_tools".
  static Async<Toolset> Choose(const Scope& task, std::vector<std::string> patterns,
                               std::string request, int shown);

  bool empty() const { return tools_.empty(); }
  // Tools that the agent is not shown.
  size_t hidden() const { return tools_.size() - shown_.size(); }
  const std::vector<SearchedTool>& tools() const { return tools_; }

  // Of the tools that are shown, and of find_tools if some are not.
  std::vector<ToolDeclaration> Declarations() const;
  // What to call the tool of this name by; "" if there is none. It need not be shown: a model may
  // know its name from elsewhere.
  std::string CallOf(const std::string& name) const;

  // What a call of find_tools shows. What it finds is shown from then on; the effect is "found". In
  // `full`, for a model that is not sent declarations, descriptions and schemas are shown at once.
  Async<std::string> Find(Scope scope, Json arguments, bool full);

 private:
  std::vector<SearchedTool> tools_;
  std::vector<Json> parameters_;
  std::vector<std::string> calls_;
  std::vector<size_t> shown_;  // places in tools_, sorted
};

}  // namespace troupe
