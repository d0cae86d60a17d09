// What the store finds spans and contents by, both of which are put off while much is written.
#pragma once

#include "server/store/content_index.h"
#include "server/store/text_index.h"
#include "server/store/writer.h"

namespace troupe {

struct Indexes : StoreWriter::Deferred {
  TextIndex texts;
  ContentIndex contents;

  // Adds to both all that was put off.
  absl::Status CatchUp(Connection& connection);
  absl::Status Begin(Connection& connection, bool at_once) override;
  absl::Status Finish(Connection& connection, bool all) override;
  void Committed() override;
  bool HasPutOff() const override { return texts.HasPutOff() || contents.HasPutOff(); }
};

}  // namespace troupe
