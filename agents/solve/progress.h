// Whether an agent gets on: which calls it made before, and for how many rounds nothing was new.
// Thread-compatible; pure.
#pragma once

#include <map>
#include <set>
#include <string>

#include "tools/base/json.h"

namespace troupe {

class Progress {
 public:
  // Notes a call of the round and what it returned. Returns the round in which the very same call
  // returned the same before; 0 if it did not.
  int NoteCall(int round, const std::string& tool, const Json& arguments, const std::string& result,
               bool failed);
  // Notes that something else in the round was new: an answer, a changed plan.
  void NoteNews() { news_ = true; }
  // Ends the round.
  void EndRound();

  // Rounds in a row that brought nothing new.
  int idle_rounds() const { return idle_rounds_; }

 private:
  std::map<std::string, int> calls_;  // hash of call and result to the round
  std::set<std::string> errors_;      // hash of tool and error
  bool news_ = false;
  int idle_rounds_ = 0;
};

}  // namespace troupe
