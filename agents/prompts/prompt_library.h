// Prompts as named, versioned data. A prompt file is Markdown with a head in TOML:
//
//   +++
//   name = "cellagent.planner"
//   description = "Makes a plan"
//   [[variables]]
//   name = "request"
//   description = "What the user asks"
//   type = "text"                     (or list, object, number, boolean; without it, any)
//   required = true                   (false without it)
//   +++
//   You plan ... {{request}}
//
// The file is version 1; further versions come from the store.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/prompts/prompt_template.h"

namespace troupe {

struct PromptVariable {
  std::string name;
  std::string description;
  bool required = false;  // a template that leaves it out is refused
  VariableType type = VariableType::kAny;
};

struct PromptDefinition {
  std::string name;  // IsPromptName, but for tool cards, whose name has that of the tool
  std::string description;
  std::vector<PromptVariable> variables;
  std::string text;  // the template of version 1
  std::string sha256;
};

// A version ready to render, or a text that stands in its place (overlay.h). Immutable.
struct PromptVersion {
  std::string prompt;
  int version = 1;  // 0: it is no version
  std::shared_ptr<const PromptTemplate> compiled;
  std::string sha256 = "";  // of a text that is no version
  // "solve.planner@2" or, of what is no version, "solve.planner@sha256:ab12cd34".
  std::string id() const {
    return prompt + "@" + (version > 0 ? std::to_string(version) : "sha256:" + sha256.substr(0, 8));
  }
};

// A version as it was written.
struct PromptText {
  int version = 1;  // 0: it is no version
  std::string text;
};

inline constexpr size_t kMaxPromptTemplate = 256 * 1024;  // bytes

// Where algorithms get prompts from. Thread-safe.
class PromptSource {
 public:
  virtual ~PromptSource() = default;
  // `version` empty: the active one. kNotFound if there is none.
  virtual absl::StatusOr<PromptVersion> Get(const std::string& name,
                                            const std::string& version) const = 0;
  // Compiles `text` as a template of the prompt. kNotFound if there is none; kInvalidField, naming
  // the prompt, if the text is none of its templates.
  virtual absl::StatusOr<PromptTemplate> Compile(const std::string& name,
                                                 const std::string& text) const = 0;
  // The template itself, by name and version as above.
  virtual absl::StatusOr<PromptText> TextOf(const std::string& name,
                                            const std::string& version) const = 0;
  // What the prompt is for, in one line; "" if there is none.
  virtual std::string BriefOf(const std::string& name) const = 0;
  // Name of every prompt to its active version.
  virtual std::map<std::string, int> ActiveVersions() const = 0;
};

// Whether it is words of [a-z][a-z0-9_]* with dots between, of at most 64 bytes.
bool IsPromptName(std::string_view name);

// kInvalidField, with the field "variables[N].name", for variables that no prompt can have.
absl::Status CheckVariables(const std::vector<PromptVariable>& variables);

// kInvalidField, naming file and line, for a file that is no prompt.
absl::StatusOr<PromptDefinition> ParsePromptFile(std::string_view text, const std::string& where);

// Compiles `text` as a template of the prompt: every required variable must be used, and it has 1
// byte to kMaxPromptTemplate. kInvalidField.
absl::StatusOr<PromptTemplate> CompilePrompt(const PromptDefinition& prompt,
                                             const std::string& text);

// The prompts that come with the server. Immutable after loading.
class PromptLibrary : public PromptSource {
 public:
  // Adds every *.md of the folder. kInvalidField for a file that is no prompt or a name used twice.
  absl::Status LoadFolder(const std::filesystem::path& folder);
  // The same with the tool cards (tool_card.h) of a folder.
  absl::Status LoadCards(const std::filesystem::path& folder);

  absl::StatusOr<PromptVersion> Get(const std::string& name,
                                    const std::string& version) const override;
  absl::StatusOr<PromptTemplate> Compile(const std::string& name,
                                         const std::string& text) const override;
  absl::StatusOr<PromptText> TextOf(const std::string& name,
                                    const std::string& version) const override;
  std::string BriefOf(const std::string& name) const override;
  std::map<std::string, int> ActiveVersions() const override;

  const std::map<std::string, PromptDefinition>& definitions() const { return definitions_; }
  // kNotFound if there is none.
  absl::StatusOr<const PromptDefinition*> Find(const std::string& name) const;

 private:
  using ParseFile = absl::StatusOr<PromptDefinition> (*)(std::string_view, const std::string&);
  absl::Status Load(const std::filesystem::path& folder, ParseFile parse);

  std::map<std::string, PromptDefinition> definitions_;
  std::map<std::string, std::shared_ptr<const PromptTemplate>> compiled_;
};

}  // namespace troupe
