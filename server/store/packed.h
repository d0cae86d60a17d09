// Bytes as a row keeps them: compressed by zstd where that gains something. Stateless functions,
// thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <string_view>

struct sqlite3;

namespace troupe {

struct Packed {
  std::string bytes;
  bool compressed = false;

  // The size before compression, or 0 for bytes as they are: what a row keeps beside them.
  int64_t SizeColumn(std::string_view original) const {
    return compressed ? static_cast<int64_t>(original.size()) : 0;
  }
};

// What `bytes` have in common with `prefix` is not stored again; it takes the same one to unpack.
Packed Pack(std::string_view bytes, std::string_view prefix = "");

// `size` before compression; 0: the bytes are as they are. kStoreFailed if they are damaged.
absl::StatusOr<std::string> Unpack(int64_t size, std::string bytes, std::string_view prefix = "");

// Adds the SQL functions of the schema's views, which give text:
// troupe_unpack(size, bytes, prefix_size, prefix_bytes): the prefix is packed itself, without one;
// NULL, NULL: there is none.
// troupe_said(size, bytes, size, bytes): what two stored messages say (SearchTextOf).
absl::Status AddSqlFunctions(sqlite3* database);

}  // namespace troupe
