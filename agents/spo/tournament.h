// The end of the improved search: its best prompts and the first one, compared on questions that
// nobody has seen, so that the result is the best and not the latest, and the first prompt stays
// unless another one is surely better.
#pragma once

#include "agents/spo/ground.h"

namespace troupe {

// Calls that the tournament wants to have left, of `allowed` in all.
int64_t TournamentReserve(const Ground& ground, int64_t allowed);

// Runs it; a limit that stops it is returned, and what was compared by then is kept.
AsyncStatus RunTournament(Ground& ground);

// Settles which prompt is the result, and says why: by all comparisons the strongest of those that
// stand surely above the first one by them and have won against it in the tournament.
absl::Status ChooseResult(Ground& ground);

}  // namespace troupe
