// What a Scope and an effect are made of; included by the files that implement Scope alone.
#pragma once

#include <memory>
#include <string>

#include "agents/runtime/scope.h"

namespace troupe {

struct Scope::Node {
  std::shared_ptr<TaskRun> run;
  std::shared_ptr<Node> parent;  // null at the root
  std::shared_ptr<const PromptSource> prompts;
  bool budget_hidden = false;
  std::string room;        // in which tools are called; tools/room.h
  bool owns_room = false;  // it ends with the span
  SpanRecord record;
  bool ended = false;
  bool recorded_end = false;  // an earlier life ended it: its row is complete

  std::string ChildPath(const std::string& name) const {
    return record.path.empty() ? name : record.path + "/" + name;
  }
};

struct Scope::Effect {
  std::string name;  // in its scope
  SpanRecord record;
  std::vector<Content> request_contents;
  bool finished = false;     // an earlier life recorded its outcome, which `record` holds
  bool interrupted = false;  // an earlier life began it and did not finish
  int questions = 0;         // that this life asked a person about its interruption
};

struct Scope::Permit {
  Json arguments;       // to call with: as asked for, or as a person changed them
  std::string refusal;  // for the agent; empty: the call may be made
  std::string note;     // of what a person changed, for the agent; may be empty
  std::string version;  // of the tool that this is about; empty: there was none
  // How it was decided, as the span's attribute; empty: no rule was needed.
  std::string attribution;
};

}  // namespace troupe
