#include "server/store/indexes.h"

#include "tools/base/status_macros.h"

namespace troupe {

absl::Status Indexes::CatchUp(Connection& connection) {
  RETURN_IF_ERROR(texts.CatchUp(connection));
  return contents.CatchUp(connection);
}

absl::Status Indexes::Begin(Connection& connection, bool at_once) {
  RETURN_IF_ERROR(texts.Begin(connection, at_once));
  return contents.Begin(connection, at_once);
}

absl::Status Indexes::Finish(Connection& connection, bool all) {
  RETURN_IF_ERROR(texts.Finish(connection, all));
  return contents.Finish(connection, all);
}

void Indexes::Committed() {
  texts.Committed();
  contents.Committed();
}

}  // namespace troupe
