// Functions of workflows, called in the sandbox: source and arguments in, what it returns out.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "agents/runtime/scope.h"
#include "tools/base/async.h"
#include "tools/base/json.h"

namespace troupe {

struct FunctionCall {
  bool is_r = false;  // else Python
  std::string name;   // of the function, which `source` defines
  std::string source;
  Json arguments;  // an object
  int timeout_seconds = 30;
};

// Calls it in a fresh state of the kernel, which leaves none behind; the effect is "call" in
// `scope`, which outlives it. kToolFailed for what the code does wrong, with the metadata
// "error_type" (the exception's), "error_line" (of `source`, from 1) and "error_code" (that line).
Async<Json> CallFunction(const Scope& scope, FunctionCall call);

}  // namespace troupe
