// PromptTemplate: text with places to fill, in a small strict grammar.
//
//   {{name}}                      the variable's text; a value that is not text as JSON
//   {{#if name}}..{{else}}..{{/if}}   whether it is there: not null, false, "", [] or {}
//   {{#each name}}..{{/each}}     for each of a list; {{this}} is the item, {{this.field}} a part
//   \{{                           two braces as they are
//
// An unknown variable, an unclosed section or a stray brace is an error with line and column, and a
// variable that is not given is an error when rendering. A line that holds nothing but a section's
// tag leaves no empty line behind. Immutable and thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

class PromptTemplate {
 public:
  // kInvalidField with line and column. `variables` are all that the text may use.
  static absl::StatusOr<PromptTemplate> Parse(std::string_view text,
                                              const std::set<std::string>& variables);
  PromptTemplate(PromptTemplate&&) noexcept;
  PromptTemplate& operator=(PromptTemplate&&) noexcept;
  ~PromptTemplate();

  // The variables that the text uses.
  const std::set<std::string>& used() const { return used_; }

  // `values` is an object with every variable that the text uses and none that the prompt does not
  // declare; kInvalidField names what is missing or unknown.
  absl::StatusOr<std::string> Render(const Json& values) const;

  struct Node;

 private:
  PromptTemplate();
  std::vector<std::unique_ptr<Node>> nodes_;
  std::set<std::string> declared_;
  std::set<std::string> used_;
};

}  // namespace troupe
