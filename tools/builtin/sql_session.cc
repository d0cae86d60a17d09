#include "tools/builtin/sql_session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

constexpr int kStepsBetweenChecks = 20'000;
constexpr int kMaxValueBytes = 8 * 1024 * 1024;
constexpr int kMaxSqlBytes = 100'000;
constexpr size_t kMaxCellBytes = 10'000;
constexpr size_t kMaxResultBytes = 1024 * 1024;
constexpr std::array<std::string_view, 8> kAllowedPragmas = {
    "table_info", "table_xinfo",      "table_list",     "index_list",
    "index_info", "foreign_key_list", "collation_list", "function_list"};

struct StatementDeleter {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementPtr = std::unique_ptr<sqlite3_stmt, StatementDeleter>;

int OpenBeneath(const std::filesystem::path& root, const std::string& relative) {
  const int top = open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (top < 0) return -1;
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const int fd = static_cast<int>(syscall(SYS_openat2, top, relative.c_str(), &how, sizeof(how)));
  const int error = errno;
  close(top);
  errno = error;
  return fd;
}

// True if changes wait beside the database; read without them it would look older than it is.
bool HasUnmergedChanges(const std::filesystem::path& root, const std::string& relative) {
  for (const char* suffix : {"-wal", "-journal"}) {
    const int fd = OpenBeneath(root, relative + suffix);
    struct stat info {};
    const bool found = fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0;
    if (fd >= 0) close(fd);
    if (found) return true;
  }
  return false;
}

absl::Status Bind(sqlite3_stmt* statement, const Json& parameters) {
  const int wanted = sqlite3_bind_parameter_count(statement);
  if (wanted != static_cast<int>(parameters.size())) {
    return Error(Reason::kInvalidField,
                 fmt::format("the statement has {} parameters, and {} are given", wanted,
                             parameters.size()));
  }
  for (int i = 0; i < wanted; ++i) {
    const Json& value = parameters[static_cast<size_t>(i)];
    if (value.is_null()) {
      sqlite3_bind_null(statement, i + 1);
    } else if (value.is_boolean()) {
      sqlite3_bind_int(statement, i + 1, value.get<bool>() ? 1 : 0);
    } else if (value.is_number_integer()) {
      sqlite3_bind_int64(statement, i + 1, value.get<int64_t>());
    } else if (value.is_number()) {
      sqlite3_bind_double(statement, i + 1, value.get<double>());
    } else {
      const std::string text = value.is_string() ? value.get<std::string>() : DumpJson(value);
      sqlite3_bind_text(statement, i + 1, text.data(), static_cast<int>(text.size()),
                        SQLITE_TRANSIENT);
    }
  }
  return absl::OkStatus();
}

Json ValueOf(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return sqlite3_column_int64(statement, column);
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_NULL:
      return nullptr;
    case SQLITE_BLOB:
      return fmt::format("<{} bytes>", sqlite3_column_bytes(statement, column));
    default:
      break;
  }
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
  if (text == nullptr) return nullptr;
  if (size <= kMaxCellBytes) return std::string(text, size);
  return fmt::format("{}[{} more bytes]", std::string_view(text, kMaxCellBytes),
                     size - kMaxCellBytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqlSession>> SqlSession::Open(const std::filesystem::path& root,
                                                             const std::string& relative) {
  const int fd = OpenBeneath(root, relative);
  const bool outside = fd < 0 && (errno == EXDEV || errno == ELOOP);
  struct stat info {};
  if (outside) {
    return Error(Reason::kPermissionDenied,
                 fmt::format("'{}' leads out of the workspace or through a link", relative));
  }
  if (fd < 0) return Error(Reason::kNotFound, fmt::format("there is no file '{}'", relative));
  std::unique_ptr<SqlSession> session(new SqlSession(fd));
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    return Error(Reason::kInvalidField, fmt::format("'{}' is not a regular file", relative));
  }
  if (HasUnmergedChanges(root, relative)) {
    return Error(Reason::kInvalidField,
                 fmt::format("'{}' has changes beside it that are not merged: close the connection "
                             "in the code that wrote it",
                             relative));
  }
  // Through the descriptor, so that the name cannot come to mean another file. Immutable: SQLite
  // looks for no journal and takes no locks.
  const std::string uri = fmt::format("file:/proc/self/fd/{}?mode=ro&immutable=1", fd);
  const int code =
      sqlite3_open_v2(uri.c_str(), &session->database_,
                      SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE, nullptr);
  if (code != SQLITE_OK) return session->ErrorOf(code);
  RETURN_IF_ERROR(session->Configure());
  return session;
}

SqlSession::~SqlSession() {
  sqlite3_close_v2(database_);
  close(fd_);
}

absl::Status SqlSession::Configure() {
  sqlite3_extended_result_codes(database_, 1);
  sqlite3_db_config(database_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(database_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_limit(database_, SQLITE_LIMIT_LENGTH, kMaxValueBytes);
  sqlite3_limit(database_, SQLITE_LIMIT_SQL_LENGTH, kMaxSqlBytes);
  sqlite3_limit(database_, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(database_, SQLITE_LIMIT_WORKER_THREADS, 0);
  // Sorting goes to memory, whose use is watched, and not to files, whose size is not.
  const int code = sqlite3_exec(database_,
                                "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; "
                                "PRAGMA mmap_size=0; PRAGMA query_only=ON; SELECT 1 FROM "
                                "sqlite_schema LIMIT 1",
                                nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return ErrorOf(code);
  sqlite3_progress_handler(database_, kStepsBetweenChecks, OnProgress, this);
  sqlite3_set_authorizer(database_, Authorize, this);
  return absl::OkStatus();
}

absl::Status SqlSession::ErrorOf(int code) const {
  if (!stopped_.ok()) return stopped_;
  const char* words = database_ != nullptr ? sqlite3_errmsg(database_) : sqlite3_errstr(code);
  return Error(Reason::kInvalidField, fmt::format("SQLite: {}", words));
}

int SqlSession::OnProgress(void* self) {
  auto* session = static_cast<SqlSession*>(self);
  session->stopped_ = session->limits_.cancel.status();
  if (session->stopped_.ok() && SteadyNow() > session->limits_.deadline) {
    session->stopped_ = Error(Reason::kSandboxLimit, "the query took too long: ask for less");
  }
  // SQLite counts the memory of the whole process, which is near enough to stop a runaway.
  if (session->stopped_.ok() &&
      sqlite3_memory_used() - session->memory_before_ > session->limits_.memory_bytes) {
    session->stopped_ =
        Error(Reason::kSandboxLimit, "the query needs too much memory: ask for less");
  }
  return session->stopped_.ok() ? 0 : 1;
}

int SqlSession::Authorize(void* self, int action, const char* first, const char* second,
                          const char*, const char*) {
  auto* session = static_cast<SqlSession*>(self);
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      if (second != nullptr && std::string_view(second) != "load_extension") return SQLITE_OK;
      break;
    case SQLITE_PRAGMA:
      if (first != nullptr && std::find(kAllowedPragmas.begin(), kAllowedPragmas.end(),
                                        std::string_view(first)) != kAllowedPragmas.end()) {
        return SQLITE_OK;
      }
      break;
    default:
      break;
  }
  session->stopped_ = Error(Reason::kPermissionDenied,
                            "the database is for reading alone: SELECT, WITH, and PRAGMA "
                            "table_info and its like are accepted");
  return SQLITE_DENY;
}

absl::StatusOr<SqlRows> SqlSession::Query(const std::string& sql, const Json& parameters,
                                          SqlLimits limits) {
  limits_ = std::move(limits);
  memory_before_ = sqlite3_memory_used();
  stopped_ = absl::OkStatus();
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  int code = sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &raw, &tail);
  const StatementPtr statement(raw);
  if (code != SQLITE_OK) return ErrorOf(code);
  if (raw == nullptr) return Error(Reason::kInvalidField, "there is no statement in the SQL");
  const std::string_view rest(tail, static_cast<size_t>(sql.data() + sql.size() - tail));
  if (rest.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    return Error(Reason::kInvalidField, "give one statement at a time");
  }
  RETURN_IF_ERROR(Bind(raw, parameters));
  SqlRows result;
  for (int i = 0; i < sqlite3_column_count(raw); ++i) {
    result.columns.emplace_back(sqlite3_column_name(raw, i));
  }
  size_t bytes = 0;
  while ((code = sqlite3_step(raw)) == SQLITE_ROW) {
    if (static_cast<int64_t>(result.rows.size()) >= limits_.rows || bytes > kMaxResultBytes) {
      result.truncated = true;
      return result;
    }
    Json row = Json::array();
    for (int i = 0; i < sqlite3_column_count(raw); ++i) {
      row.push_back(ValueOf(raw, i));
      bytes += row.back().is_string() ? row.back().get_ref<const std::string&>().size() : 8;
    }
    result.rows.push_back(std::move(row));
  }
  if (code != SQLITE_DONE) return ErrorOf(code);
  return result;
}

}  // namespace troupe
