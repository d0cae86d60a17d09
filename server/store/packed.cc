#include "server/store/packed.h"

#include <sqlite3.h>
#include <zstd.h>

#include <memory>

#include "agents/runtime/content.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// Below this size compression gains less than it costs: a hash is half of what a short message is
// stored as, and does not shrink.
constexpr size_t kCompressFrom = 512;
constexpr int kFastLevel = 1;
constexpr int kThoroughLevel = 5;

using CompressContext = std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)>;
using DecompressContext = std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)>;

// With a longer prefix passages are found as far back as 4 MiB; for a short one that costs more
// than it gains.
constexpr size_t kLongPrefix = 32 * 1024;
constexpr int kWindowLog = 22;

CompressContext MakeCompressContext(bool finds_long_matches) {
  CompressContext context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel,
                         finds_long_matches ? kThoroughLevel : kFastLevel);
  if (finds_long_matches) {
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, kWindowLog);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_enableLongDistanceMatching, 1);
  }
  return context;
}

std::string BlobOf(sqlite3_value* value) {
  const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
  return bytes == nullptr ? "" : std::string(bytes, sqlite3_value_bytes(value));
}

// A packed value without a prefix: its size column, then its bytes.
absl::StatusOr<std::string> UnpackedOf(sqlite3_value** values) {
  return Unpack(sqlite3_value_int64(values[0]), BlobOf(values[1]));
}

void Return(sqlite3_context* context, const absl::StatusOr<std::string>& text) {
  if (!text.ok()) {
    const std::string_view message = MessageOf(text.status());
    sqlite3_result_error(context, message.data(), static_cast<int>(message.size()));
    return;
  }
  sqlite3_result_text64(context, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void UnpackForSql(sqlite3_context* context, int, sqlite3_value** values) {
  auto text = UnpackedOf(values + 2);
  if (text.ok()) text = Unpack(sqlite3_value_int64(values[0]), BlobOf(values[1]), *text);
  Return(context, text);
}

absl::StatusOr<std::string> SaidIn(sqlite3_value** values) {
  ASSIGN_OR_RETURN(const std::string asked, UnpackedOf(values));
  ASSIGN_OR_RETURN(const std::string replied, UnpackedOf(values + 2));
  return SearchTextOf(asked, replied);
}

void SaidForSql(sqlite3_context* context, int, sqlite3_value** values) {
  Return(context, SaidIn(values));
}

}  // namespace

Packed Pack(std::string_view bytes, std::string_view prefix) {
  if (bytes.size() < kCompressFrom) return {std::string(bytes)};
  // Making a context costs more than compressing a message.
  thread_local const CompressContext near = MakeCompressContext(false);
  thread_local const CompressContext far = MakeCompressContext(true);
  const CompressContext& context = prefix.size() < kLongPrefix ? near : far;
  Packed packed{std::string(ZSTD_compressBound(bytes.size()), '\0'), true};
  ZSTD_CCtx_refPrefix(context.get(), prefix.data(), prefix.size());
  const size_t size = ZSTD_compress2(context.get(), packed.bytes.data(), packed.bytes.size(),
                                     bytes.data(), bytes.size());
  if (ZSTD_isError(size) || size >= bytes.size()) return {std::string(bytes)};
  packed.bytes.resize(size);
  return packed;
}

absl::StatusOr<std::string> Unpack(int64_t size, std::string bytes, std::string_view prefix) {
  if (size == 0) return bytes;
  thread_local const DecompressContext context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  // The size is read from a file, which may be damaged: it must be the one in the frame too.
  if (ZSTD_getFrameContentSize(bytes.data(), bytes.size()) == static_cast<uint64_t>(size)) {
    std::string unpacked(static_cast<size_t>(size), '\0');
    ZSTD_DCtx_refPrefix(context.get(), prefix.data(), prefix.size());
    const size_t made = ZSTD_decompressDCtx(context.get(), unpacked.data(), unpacked.size(),
                                            bytes.data(), bytes.size());
    if (!ZSTD_isError(made) && made == unpacked.size()) return unpacked;
  }
  return Error(Reason::kStoreFailed, "bytes in the store are damaged: they cannot be unpacked");
}

absl::Status AddSqlFunctions(sqlite3* database) {
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  const auto add = [&](const char* name, void (*function)(sqlite3_context*, int, sqlite3_value**)) {
    return sqlite3_create_function_v2(database, name, 4, kFlags, nullptr, function, nullptr,
                                      nullptr, nullptr) == SQLITE_OK;
  };
  if (add("troupe_unpack", UnpackForSql) && add("troupe_said", SaidForSql)) {
    return absl::OkStatus();
  }
  return Error(Reason::kStoreFailed, "the store could not add its SQL functions");
}

}  // namespace troupe
