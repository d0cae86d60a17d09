// Prompts as text for people. Templates are written by models too: what they hold cannot steer a
// terminal. Stateless functions.
#pragma once

#include <string>

#include "troupe/v1/prompt_service.pb.h"

namespace troupe::client {

// "cellagent.planner" for "prompts/cellagent.planner" and for "cellagent/planner"; what names a
// version ("x/versions/2") stays as it is behind "prompts/".
std::string PromptId(const std::string& given);

// "prompts/x/versions/2" for "x@2", "x/versions/2" and what is whole already; of a prompt alone the
// active version.
std::string VersionName(const std::string& given);

// "won 14, lost 3 of 20, p = 0.013"
std::string WinText(const v1::PromptWin& win);

std::string PromptListText(const v1::ListPromptsResponse& prompts);
// The versions with where they came from, and what was promoted when and why.
std::string PromptHistoryText(const v1::Prompt& prompt);
// The template under a head that says what it is of.
std::string PromptVersionText(const v1::PromptVersion& version);
// In color on a terminal.
std::string PromptDiffText(const v1::DiffPromptVersionsResponse& diff);

}  // namespace troupe::client
