#include "agents/prompts/tool_card.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "agents/prompts/render.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr std::string_view kCardFence = "+++\n";
constexpr size_t kMaxCard = 64 * 1024;

absl::Status MalformedCard(const std::string& where, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", where, what), {{"file", where}});
}

bool IsToolName(const std::string& name) {
  if (name.empty() || name.size() > 64 || name[0] < 'a' || name[0] > 'z') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  });
}

// Braces of examples are no variables.
std::string Escaped(const std::string& text) {
  std::string escaped;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "{{") == 0) {
      escaped += "\\{{";
      ++i;
    } else {
      escaped += text[i];
    }
  }
  return escaped;
}

absl::StatusOr<std::string> ReadExamples(const toml::table& head, const std::string& where) {
  const toml::array* examples = head["examples"].as_array();
  if (examples == nullptr) return std::string();
  std::string text = "\nExamples:\n";
  for (const toml::node& node : *examples) {
    const toml::table* example = node.as_table();
    if (example == nullptr) return MalformedCard(where, "examples are tables: [[examples]]");
    const std::string note = (*example)["note"].value_or("");
    const std::string arguments = (*example)["arguments"].value_or("");
    const auto parsed = ParseJson(arguments, "an example's arguments");
    if (!parsed.ok()) return MalformedCard(where, MessageOf(parsed.status()));
    text += fmt::format("- {}{}{}\n", note, note.empty() ? "" : ": ", Escaped(DumpJson(*parsed)));
  }
  return text;
}

}  // namespace

absl::StatusOr<PromptDefinition> ParseToolCard(std::string_view text, const std::string& where) {
  if (text.size() > kMaxCard) return MalformedCard(where, "a card has at most 64 KiB");
  const size_t end = text.find("\n+++\n", kCardFence.size() - 1);
  if (!text.starts_with(kCardFence) || end == std::string_view::npos) {
    return MalformedCard(where, "a card begins with a head between two lines of +++");
  }
  PromptDefinition card;
  std::string examples;
  try {
    const toml::table head =
        toml::parse(text.substr(kCardFence.size(), end + 1 - kCardFence.size()));
    for (const auto& [key, value] : head) {
      if (key != "tool" && key != "brief" && key != "examples") {
        return MalformedCard(where,
                             fmt::format("the head has no key '{}'; it has: tool, brief, examples",
                                         std::string(key.str())));
      }
    }
    const std::string tool = head["tool"].value_or("");
    if (!IsToolName(tool)) return MalformedCard(where, "the head needs the name of a tool");
    card.name = kToolCardPrefix + tool;
    card.description = head["brief"].value_or("");
    ASSIGN_OR_RETURN(examples, ReadExamples(head, where));
  } catch (const toml::parse_error& e) {
    return MalformedCard(where, fmt::format("line {} of the head: {}", e.source().begin.line,
                                            std::string(e.description())));
  }
  card.variables.push_back(
      {"description", "What the tool says of itself", false, VariableType::kText});
  card.text = std::string(text.substr(end + 5)) + examples;
  card.sha256 = Sha256Hex(card.text);
  return card;
}

absl::StatusOr<DescribedTool> DescribeTool(const Scope& scope, const ToolSpec& spec) {
  DescribedTool tool{spec.name, spec.brief, spec.description, spec.arguments_schema, ""};
  const std::string prompt = kToolCardPrefix + spec.name;
  auto rendered = RenderPrompt(scope, prompt, {{"description", spec.description}});
  if (HasReason(rendered.status(), Reason::kNotFound)) return tool;
  RETURN_IF_ERROR(rendered.status());
  tool.description = std::move(rendered->text);
  tool.card = std::move(rendered->id);
  const std::string brief = scope.prompts()->BriefOf(prompt);
  if (!brief.empty()) tool.brief = brief;
  return tool;
}

}  // namespace troupe
