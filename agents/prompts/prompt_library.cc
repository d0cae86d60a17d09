#include "agents/prompts/prompt_library.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "agents/prompts/tool_card.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr std::string_view kFence = "+++\n";
constexpr size_t kMaxPromptName = 64;
constexpr size_t kMaxVariableName = 63;

absl::Status Malformed(const std::string& where, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", where, what), {{"file", where}});
}

absl::StatusOr<PromptVariable> ReadVariable(const toml::table& table) {
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (name != "name" && name != "description" && name != "required" && name != "type") {
      return Error(Reason::kInvalidField,
                   fmt::format("a variable has no key '{}'; it has: name, description, type, "
                               "required",
                               name));
    }
  }
  PromptVariable variable;
  variable.name = table["name"].value_or("");
  variable.description = table["description"].value_or("");
  variable.required = table["required"].value_or(false);
  const std::string type = table["type"].value_or("any");
  const auto known = VariableTypeNamed(type);
  if (!known.has_value()) {
    return Error(
        Reason::kInvalidField,
        fmt::format("the variable '{}' has the type '{}': give text, list, object, number, "
                    "boolean or any",
                    variable.name, type));
  }
  variable.type = *known;
  return variable;
}

absl::Status ReadVariables(const toml::table& head, const std::string& where,
                           PromptDefinition& prompt) {
  const toml::array* variables = head["variables"].as_array();
  if (variables == nullptr) return absl::OkStatus();
  for (const toml::node& node : *variables) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return Malformed(where, "variables are tables: [[variables]]");
    auto variable = ReadVariable(*table);
    if (!variable.ok()) return Malformed(where, MessageOf(variable.status()));
    prompt.variables.push_back(*std::move(variable));
  }
  const absl::Status fit = CheckVariables(prompt.variables);
  return fit.ok() ? fit : Malformed(where, MessageOf(fit));
}

bool IsWord(std::string_view word, size_t max_size) {
  if (word.empty() || word.size() > max_size || word[0] < 'a' || word[0] > 'z') return false;
  return std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

bool IsPromptName(std::string_view name) {
  if (name.size() > kMaxPromptName) return false;
  for (;;) {
    const size_t dot = name.find('.');
    if (!IsWord(name.substr(0, dot), kMaxPromptName)) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

absl::Status CheckVariables(const std::vector<PromptVariable>& variables) {
  std::set<std::string> names;
  for (size_t i = 0; i < variables.size(); ++i) {
    const std::string& name = variables[i].name;
    const bool fits = IsWord(name, kMaxVariableName) && name != "this" && name != "else";
    if (fits && names.insert(name).second) continue;
    const std::string what =
        fits ? fmt::format("there are two variables '{}'", name)
             : fmt::format(
                   "'{}' is no name of a variable: give [a-z][a-z0-9_]*, at most 63 bytes, "
                   "neither 'this' nor 'else'",
                   name);
    return Error(Reason::kInvalidField, what, {{"field", fmt::format("variables[{}].name", i)}});
  }
  return absl::OkStatus();
}

absl::StatusOr<PromptDefinition> ParsePromptFile(std::string_view text, const std::string& where) {
  const size_t end = text.find("\n+++\n", kFence.size() - 1);
  if (!text.starts_with(kFence) || end == std::string_view::npos) {
    return Malformed(where, "a prompt begins with a head between two lines of +++");
  }
  PromptDefinition prompt;
  try {
    const toml::table head = toml::parse(text.substr(kFence.size(), end + 1 - kFence.size()));
    for (const auto& [key, value] : head) {
      if (key != "name" && key != "description" && key != "variables") {
        return Malformed(where, fmt::format("the head has no key '{}'", std::string(key.str())));
      }
    }
    prompt.name = head["name"].value_or("");
    prompt.description = head["description"].value_or("");
    RETURN_IF_ERROR(ReadVariables(head, where, prompt));
  } catch (const toml::parse_error& e) {
    return Malformed(where, fmt::format("line {} of the head: {}", e.source().begin.line,
                                        std::string(e.description())));
  }
  if (!IsPromptName(prompt.name)) {
    return Malformed(where, "the head needs a name: words of [a-z][a-z0-9_]* with dots between");
  }
  prompt.text = std::string(text.substr(end + 5));
  prompt.sha256 = Sha256Hex(prompt.text);
  return prompt;
}

absl::StatusOr<PromptTemplate> CompilePrompt(const PromptDefinition& prompt,
                                             const std::string& text) {
  if (text.empty() || text.size() > kMaxPromptTemplate) {
    return Error(Reason::kInvalidField, "a template has 1 byte to 256 KiB",
                 {{"field", "template"}});
  }
  DeclaredVariables declared;
  for (const PromptVariable& variable : prompt.variables) {
    declared[variable.name] = {variable.type, variable.required};
  }
  ASSIGN_OR_RETURN(PromptTemplate compiled, PromptTemplate::Parse(text, declared));
  for (const PromptVariable& variable : prompt.variables) {
    if (variable.required && !compiled.used().contains(variable.name)) {
      return Error(Reason::kInvalidField,
                   fmt::format("the template does not use the variable '{}'", variable.name),
                   {{"field", "template"}});
    }
  }
  return compiled;
}

absl::Status PromptLibrary::LoadFolder(const std::filesystem::path& folder) {
  return Load(folder, ParsePromptFile);
}

absl::Status PromptLibrary::LoadCards(const std::filesystem::path& folder) {
  return Load(folder, ParseToolCard);
}

absl::Status PromptLibrary::Load(const std::filesystem::path& folder, ParseFile parse) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".md") files.push_back(entry.path());
  }
  if (error) return Malformed(folder.string(), error.message());
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    ASSIGN_OR_RETURN(PromptDefinition prompt, parse(text.str(), path.string()));
    auto compiled = CompilePrompt(prompt, prompt.text);
    if (!compiled.ok()) return Annotate(compiled.status(), path.string());
    if (definitions_.contains(prompt.name)) {
      return Malformed(path.string(), fmt::format("there is a prompt '{}' already", prompt.name));
    }
    const std::string name = prompt.name;
    compiled_[name] = std::make_shared<const PromptTemplate>(*std::move(compiled));
    definitions_.emplace(name, std::move(prompt));
  }
  return absl::OkStatus();
}

absl::StatusOr<const PromptDefinition*> PromptLibrary::Find(const std::string& name) const {
  const auto found = definitions_.find(name);
  if (found != definitions_.end()) return &found->second;
  return Error(Reason::kNotFound, fmt::format("there is no prompt 'prompts/{}'", name),
               {{"name", "prompts/" + name}});
}

std::string PromptLibrary::BriefOf(const std::string& name) const {
  const auto found = definitions_.find(name);
  return found == definitions_.end() ? "" : found->second.description;
}

absl::StatusOr<PromptVersion> PromptLibrary::Get(const std::string& name,
                                                 const std::string& version) const {
  RETURN_IF_ERROR(Find(name).status());
  if (!version.empty() && version != "1") {
    return Error(Reason::kNotFound,
                 fmt::format("there is no version {} of the prompt {}", version, name),
                 {{"name", fmt::format("prompts/{}/versions/{}", name, version)}});
  }
  return PromptVersion{name, 1, compiled_.at(name)};
}

absl::StatusOr<PromptTemplate> PromptLibrary::Compile(const std::string& name,
                                                      const std::string& text) const {
  ASSIGN_OR_RETURN(const PromptDefinition* prompt, Find(name));
  auto compiled = CompilePrompt(*prompt, text);
  if (!compiled.ok()) return Annotate(compiled.status(), "prompt " + name);
  return compiled;
}

absl::StatusOr<PromptText> PromptLibrary::TextOf(const std::string& name,
                                                 const std::string& version) const {
  RETURN_IF_ERROR(Get(name, version).status());
  return PromptText{1, definitions_.at(name).text};
}

std::map<std::string, int> PromptLibrary::ActiveVersions() const {
  std::map<std::string, int> active;
  for (const auto& [name, prompt] : definitions_) active[name] = 1;
  return active;
}

}  // namespace troupe
