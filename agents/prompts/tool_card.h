// Tool cards: what agents read about a tool, as a file that can be changed without touching the
// tool. Markdown with a head in TOML:
//
//   +++
//   tool = "weather.forecast"
//   brief = "Tomorrow's weather in a city"          (one line; else the tool's own)
//   [[examples]]
//   note = "In degrees Fahrenheit"
//   arguments = '{"city": "Boston", "unit": "F"}'
//   +++
//   {{description}}
//   Cities are given by their English names.
//
// {{description}} stands for what the tool says of itself; a card without it replaces that. A card
// is the prompt "tool.NAME", with versions like any other; the file is version 1. Stateless
// functions.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "agents/prompts/prompt_library.h"
#include "agents/runtime/scope.h"

namespace troupe {

inline constexpr char kToolCardPrefix[] = "tool.";

// The card as a prompt: its template is the body with the examples behind it, its description the
// brief. kInvalidField, naming file and line, for a file that is no card.
absl::StatusOr<PromptDefinition> ParseToolCard(std::string_view text, const std::string& where);

// A tool as an agent reads of it.
struct DescribedTool {
  std::string name;
  std::string brief;
  std::string description;
  Json parameters;
  std::string card;  // "tool.NAME@2"; empty: none, these are the tool's own words
};

// By the tool's card in the version that the task's spec names, else the active one.
absl::StatusOr<DescribedTool> DescribeTool(const Scope& scope, const ToolSpec& spec);

}  // namespace troupe
