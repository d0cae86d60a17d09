// Which prompts are tried in the next round of the improved search: earlier ones, and ones to be
// made by joining changes that were tried in others. Stateless but for what it looks at.
#pragma once

#include <map>
#include <vector>

#include "agents/spo/belief.h"
#include "agents/spo/ground.h"

namespace troupe {

struct RoundPlan {
  std::vector<int> comebacks;
  // Prompts to be made from the best one by changes of others: those to add, those to take out.
  struct Made {
    std::vector<int> added;
    std::vector<int> taken;
  };
  std::vector<Made> joins;
  int with_new_change = 0;
};

bool IsAmong(const std::vector<int>& numbers, int number);

// Changes that the optimizer is asked for at first: a few more than a round has places for, as each
// prompt that joins them has some.
int ChangesWanted(const RoundSize& size);

class Planner {
 public:
  // All outlive the planner. `tried`: by prompt, the rounds that it was compared in; `best`: the
  // strongest of them.
  Planner(const Ground* ground, const Belief* belief, const std::map<int, int>* tried, int best)
      : ground_(ground), belief_(belief), tried_(tried), best_(best) {}

  // Whom to try in round `round`, by draws from what is believed (Thompson's sampling): what seems
  // good is tried often, what may be good now and then. A draw over prompts brings one of them
  // back; a draw over changes makes a prompt of those that help in it.
  RoundPlan ForRound(int round) const;

  // The best prompt with all changes that seem to help and without those that seem to harm, as a
  // plan of one join; of none if that is a prompt that there is.
  RoundPlan ForLastJoin() const;

 private:
  bool TriedEnough(int number) const;
  // One more prompt for the plan: the best one with all changes that help, as drawn, and without
  // those that do not; nothing if there is none to change. If it was made before it comes back.
  void AddJoin(const Belief::Drawn& drawn, RoundPlan& plan) const;

  const Ground* const ground_;
  const Belief* const belief_;
  const std::map<int, int>* const tried_;
  const int best_;
};

}  // namespace troupe
