// PromptTemplate: text with places to fill, in a small strict grammar.
//
//   {{name}}                      the variable's text; a value that is not text as JSON
//   {{#if name}}..{{else}}..{{/if}}   whether it is there: not null, false, "", [] or {}
//   {{#each name}}..{{/each}}     for each of a list; {{this}} is the item, {{this.field}} a part
//   \{{                           two braces as they are
//
// An unknown variable, an unclosed section, a stray brace or {{#each}} of what is no list is an
// error with line and column; a variable that is not given, or is of another type than it was
// declared, is an error when rendering. Templates come from models too: sections nest at most 16
// deep. A line that holds nothing but a section's tag leaves no empty line behind. Immutable and
// thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

enum class VariableType { kAny, kText, kList, kObject, kNumber, kBoolean };
std::string_view VariableTypeName(VariableType type);  // "text"
std::optional<VariableType> VariableTypeNamed(std::string_view name);

struct DeclaredVariable {
  VariableType type = VariableType::kAny;
  bool required = false;  // never null, where it has a type
};
using DeclaredVariables = std::map<std::string, DeclaredVariable>;  // by name

class PromptTemplate {
 public:
  // kInvalidField with line and column. `variables` are all that the text may use.
  static absl::StatusOr<PromptTemplate> Parse(std::string_view text,
                                              const DeclaredVariables& variables);
  // The same with variables of any type.
  static absl::StatusOr<PromptTemplate> Parse(std::string_view text,
                                              const std::set<std::string>& variables);
  PromptTemplate(PromptTemplate&&) noexcept;
  PromptTemplate& operator=(PromptTemplate&&) noexcept;
  ~PromptTemplate();

  // The variables that the text uses.
  const std::set<std::string>& used() const { return used_; }

  // `values` is an object with every variable that the text uses and none that the prompt does not
  // declare, each of its type or, if it is not required, null; kInvalidField names what is missing,
  // unknown or of another type.
  absl::StatusOr<std::string> Render(const Json& values) const;

  struct Node;

 private:
  PromptTemplate();
  std::vector<std::unique_ptr<Node>> nodes_;
  DeclaredVariables declared_;
  std::set<std::string> used_;
};

}  // namespace troupe
