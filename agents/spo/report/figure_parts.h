// What the pictures of an SPO report have in common. Stateless functions.
#pragma once

#include <string>
#include <string_view>

#include "agents/report/svg.h"
#include "troupe/v1/spo.pb.h"

namespace troupe {

// Null if there is none of the number.
const v1::SpoPrompt* PromptNumber(const v1::SpoResult& result, int number);

// "P5 best"
std::string PromptLabel(const v1::SpoResult& result, int number);

// Whether it is the first prompt or won against its incumbent.
bool WasAccepted(const v1::SpoPrompt& prompt);

}  // namespace troupe
