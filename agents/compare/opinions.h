// What a judge is asked and what it says to one call: the seam between the rules of comparing
// (jury.h) and whoever gives opinions, a model (model_opinions.h) or the simulation of one.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agents/runtime/scope.h"
#include "tools/base/async.h"

namespace troupe {

// By what is compared.
struct Matter {
  std::string question;  // what the texts answer; may be empty
  std::string requirements;
  std::string reference;  // right answers, or the shape of them; may be empty
  bool operator==(const Matter&) const = default;
};

enum class Liking { kNone, kFirst, kSecond };

struct Opinion {
  Liking liking = Liking::kNone;
  // For people; it calls the text shown first A and the other one B.
  std::string reason;
  // What is good and bad of each text, in words that name neither; empty: nothing was said.
  std::string first_note;
  std::string second_note;
};

struct RankingOpinion {
  std::vector<size_t> order;       // of the texts as they were shown, the best first; empty: none
  std::string reason;              // why there is no order
  std::set<size_t> ties;           // places in `order`, whose text is as good as the one before it
  std::vector<std::string> notes;  // of the texts as they were shown; as Opinion's
};

// The notes on two texts as one reason, which calls the first A and the second B; empty without
// any.
std::string NotesTogether(std::string_view first, std::string_view second);

// Thread-confined to the task's strand. An answer that cannot be used is no opinion; a status is a
// call that failed.
class Opinions {
 public:
  virtual ~Opinions() = default;
  // One call: `name` is that of the effect in `scope`.
  virtual Async<Opinion> Prefer(const Scope& scope, std::string name, Matter matter,
                                std::string first, std::string second) const = 0;
  virtual Async<RankingOpinion> Rank(const Scope& scope, std::string name, Matter matter,
                                     std::vector<std::string> texts) const = 0;
};

}  // namespace troupe
