// SqlSession: one read-only look at an SQLite file that nobody vouches for. Nothing but SELECT
// runs, no other file is reached, and memory, time and rows are bounded. Used by one thread.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tools/base/cancel.h"
#include "tools/base/json.h"

struct sqlite3;

namespace troupe {

struct SqlLimits {
  int64_t rows = 100;
  absl::Time deadline = absl::InfiniteFuture();  // of SteadyNow
  int64_t memory_bytes = 256 * 1024 * 1024;
  CancelToken cancel;
};

struct SqlRows {
  std::vector<std::string> columns;
  Json rows = Json::array();  // of arrays
  bool truncated = false;     // there were more
};

class SqlSession {
 public:
  // Opens `relative` below `root`. kNotFound, kPermissionDenied (it leads out of the root or
  // through a link), kInvalidField (it is no database, or has changes that are not merged into it).
  static absl::StatusOr<std::unique_ptr<SqlSession>> Open(const std::filesystem::path& root,
                                                          const std::string& relative);
  ~SqlSession();
  SqlSession(const SqlSession&) = delete;
  SqlSession& operator=(const SqlSession&) = delete;

  // Runs one statement. kInvalidField with SQLite's words for wrong SQL or more than one statement,
  // kPermissionDenied for one that does more than read, kSandboxLimit when time or memory run out,
  // the token's status when it is cancelled.
  absl::StatusOr<SqlRows> Query(const std::string& sql, const Json& parameters, SqlLimits limits);

 private:
  explicit SqlSession(int fd) : fd_(fd) {}
  absl::Status Configure();
  absl::Status ErrorOf(int code) const;
  static int OnProgress(void* self);
  static int Authorize(void* self, int action, const char* first, const char* second, const char*,
                       const char*);

  int fd_;
  sqlite3* database_ = nullptr;
  SqlLimits limits_;
  int64_t memory_before_ = 0;
  absl::Status stopped_;  // why the progress handler or the authorizer said no
};

}  // namespace troupe
