// Early return on a failed absl::Status or absl::StatusOr; the CO_ forms are for coroutines.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <utility>

#define TROUPE_CONCAT_INNER(a, b) a##b
#define TROUPE_CONCAT(a, b) TROUPE_CONCAT_INNER(a, b)

// Returns from the enclosing function if `expression` is a failed absl::Status.
#define RETURN_IF_ERROR(expression) \
  if (absl::Status troupe_status = (expression); !troupe_status.ok()) return troupe_status

#define CO_RETURN_IF_ERROR(expression) \
  if (absl::Status troupe_status = (expression); !troupe_status.ok()) co_return troupe_status

#define TROUPE_ASSIGN_OR(return_word, temporary, target, expression) \
  auto temporary = (expression);                                     \
  if (!temporary.ok()) return_word std::move(temporary).status();    \
  target = *std::move(temporary)

// Declares or assigns `target` from an absl::StatusOr, or returns its status.
//   ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
#define ASSIGN_OR_RETURN(target, expression) \
  TROUPE_ASSIGN_OR(return, TROUPE_CONCAT(troupe_value_, __LINE__), target, expression)

#define CO_ASSIGN_OR_RETURN(target, expression) \
  TROUPE_ASSIGN_OR(co_return, TROUPE_CONCAT(troupe_value_, __LINE__), target, expression)
