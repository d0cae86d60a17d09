#include "agents/solve/progress.h"

#include <fmt/format.h>

#include "tools/base/hash.h"

namespace troupe {

int Progress::NoteCall(int round, const std::string& tool, const Json& arguments,
                       const std::string& result, bool failed) {
  const std::string call = fmt::format("{}\n{}\n{}", tool, DumpJson(arguments), result);
  const auto [found, is_new] = calls_.try_emplace(Sha256Hex(call), round);
  // Other arguments that fail in the same way are nothing new.
  const bool new_error = failed && errors_.insert(Sha256Hex(tool + "\n" + result)).second;
  news_ = news_ || (is_new && (!failed || new_error));
  // Of calls side by side in one round neither was before the other.
  return is_new || found->second == round ? 0 : found->second;
}

void Progress::EndRound() {
  idle_rounds_ = news_ ? 0 : idle_rounds_ + 1;
  news_ = false;
}

}  // namespace troupe
