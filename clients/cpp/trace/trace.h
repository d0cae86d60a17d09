// Programs that learn from feedback, in C++: docs/trace-clients.md.
#pragma once

#include "clients/cpp/trace/bundle.h"     // IWYU pragma: export
#include "clients/cpp/trace/operators.h"  // IWYU pragma: export
#include "clients/cpp/trace/optimizer.h"  // IWYU pragma: export
#include "clients/cpp/trace/sandbox.h"    // IWYU pragma: export
#include "clients/cpp/trace/tape.h"       // IWYU pragma: export
