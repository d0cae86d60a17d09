// What an SPO task came to, as messages. Stateless functions.
#pragma once

#include "agents/spo/spo.h"
#include "troupe/v1/task.pb.h"

namespace troupe {

// Fills `result` but for what the kind knows alone: preset, requirements, drafted, costs.
absl::Status FillSpoResult(const SpoOutcome& outcome, v1::SpoResult& result);

// The recorded win of the result over the first prompt on held-out questions, as versions of a
// registered prompt; nothing if it did not win there.
void AddPromptWin(const SpoOutcome& outcome, const std::string& registered_prompt,
                  v1::TaskResult& result);

}  // namespace troupe
