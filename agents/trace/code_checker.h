// CodeChecker: whether code that a model wrote can be taken for what it is to replace. It is
// parsed, never run, and in the sandbox: what parses code may itself be attacked by it.
#pragma once

#include <string>

#include "agents/runtime/scope.h"
#include "tools/base/async.h"

namespace troupe {

class CodeChecker {
 public:
  virtual ~CodeChecker() = default;
  // Why `code` cannot stand in the place of `current`, in words for the model; empty: it can.
  // `name` is the effect's. A status is a failure to find out.
  virtual Async<std::string> WhyRefused(const Scope& scope, std::string name, std::string code,
                                        std::string current) const = 0;
};

// Python by ast.parse, R by parse: the code must parse and, where the current code defines a
// function first, define first one of the same name with the same arguments. By the tools "python"
// and "r".
class SandboxCodeChecker : public CodeChecker {
 public:
  enum class Language { kPython, kR };
  explicit SandboxCodeChecker(Language language) : language_(language) {}
  Async<std::string> WhyRefused(const Scope& scope, std::string name, std::string code,
                                std::string current) const override;

 private:
  const Language language_;
};

// What a program printed into the exception "TroupeSays" that it ended with, so that it left no
// state behind; nothing if it ended otherwise.
std::optional<std::string> SaidBy(const ToolResult& result);

}  // namespace troupe
