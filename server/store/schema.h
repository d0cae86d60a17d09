// The store's tables and the migrations that lead to them.
#pragma once

#include <absl/status/status.h>

#include "server/store/sqlite.h"

namespace troupe {

// The version that this program reads and writes, kept in the file's user_version.
int SchemaVersion();

// Brings the file to SchemaVersion(), one migration in one transaction each. kStoreFailed if a
// newer program wrote the file.
absl::Status Migrate(Connection& connection);

// Goes no further than `version`: what an older program would have written, for tests.
absl::Status MigrateTo(Connection& connection, int version);

}  // namespace troupe
