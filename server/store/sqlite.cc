#include "server/store/sqlite.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include "server/store/joined_log.h"
#include "server/store/packed.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int kBusyTimeoutMilliseconds = 5000;
constexpr int kCheckpointFrames = 1000;  // 4 MiB: who commits waits for as much to be copied
constexpr size_t kMaxKeptStatements = 200;

absl::Status SqliteError(sqlite3* database, int code, std::string_view doing) {
  const int primary = code & 0xFF;
  const bool unwritable = primary == SQLITE_FULL || primary == SQLITE_READONLY ||
                          primary == SQLITE_BUSY || primary == SQLITE_IOERR ||
                          primary == SQLITE_LOCKED;
  return Error(
      unwritable ? Reason::kStoreReadOnly : Reason::kStoreFailed,
      fmt::format("the store failed to {}: {} (SQLite code {})", doing,
                  database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code), code),
      {{"sqlite_code", std::to_string(code)}});
}

// A null pointer would bind NULL, not the empty text.
const char* DataOf(std::string_view bytes) { return bytes.data() == nullptr ? "" : bytes.data(); }

}  // namespace

Statement::Statement(sqlite3* database, sqlite3_stmt* statement, bool kept)
    : database_(database), statement_(statement), kept_(kept) {}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      kept_(other.kept_),
      next_parameter_(other.next_parameter_),
      bind_error_(other.bind_error_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  if (!kept_) {
    sqlite3_finalize(statement_);
    return;
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::Bind(int64_t value) {
  bind_error_ |= sqlite3_bind_int64(statement_, next_parameter_++, value);
  return *this;
}

Statement& Statement::Bind(double value) {
  bind_error_ |= sqlite3_bind_double(statement_, next_parameter_++, value);
  return *this;
}

Statement& Statement::Bind(std::string_view text) {
  bind_error_ |= sqlite3_bind_text64(statement_, next_parameter_++, DataOf(text), text.size(),
                                     SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::BindBlob(std::string_view bytes) {
  bind_error_ |= sqlite3_bind_blob64(statement_, next_parameter_++, DataOf(bytes), bytes.size(),
                                     SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::BindKept(std::string_view text) {
  bind_error_ |= sqlite3_bind_text64(statement_, next_parameter_++, DataOf(text), text.size(),
                                     SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::BindBlobKept(std::string_view bytes) {
  bind_error_ |= sqlite3_bind_blob64(statement_, next_parameter_++, DataOf(bytes), bytes.size(),
                                     SQLITE_STATIC);
  return *this;
}

Statement& Statement::BindNull() {
  bind_error_ |= sqlite3_bind_null(statement_, next_parameter_++);
  return *this;
}

Statement& Statement::BindPointer(void* pointer, const char* type) {
  bind_error_ |= sqlite3_bind_pointer(statement_, next_parameter_++, pointer, type, nullptr);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) return SqliteError(database_, bind_error_, "bind a value");
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(database_, sqlite3_extended_errcode(database_), "run a statement");
}

absl::Status Statement::Run() { return Step().status(); }

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::Double(int column) const { return sqlite3_column_double(statement_, column); }

std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return "";
  return std::string(text, sqlite3_column_bytes(statement_, column));
}

std::string Statement::Blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return "";
  return std::string(bytes, sqlite3_column_bytes(statement_, column));
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path, Mode mode) {
  const int flags =
      mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  // Counting allocations takes a lock that all connections share.
  static const int configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  if (configured != SQLITE_OK) spdlog::debug("SQLite was set up before: {}", configured);
  sqlite3* database = nullptr;
  const char* const way = mode == Mode::kReadWrite ? JoinedLogVfs() : nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &database, flags | SQLITE_OPEN_NOMUTEX, way);
  std::unique_ptr<Connection> connection(new Connection(database));
  if (code != SQLITE_OK) return SqliteError(database, code, "open " + path);
  sqlite3_extended_result_codes(database, 1);
  sqlite3_busy_timeout(database, kBusyTimeoutMilliseconds);
  RETURN_IF_ERROR(AddSqlFunctions(database));
  if (mode == Mode::kReadWrite) {
    // auto_vacuum must be chosen before the first table exists.
    RETURN_IF_ERROR(connection->Execute(
        "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "PRAGMA foreign_keys=OFF; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32768;"
        "PRAGMA journal_size_limit=67108864;"));
    connection->log_room_.Attach(database, kCheckpointFrames);
  } else {
    RETURN_IF_ERROR(connection->Execute("PRAGMA cache_size=-16384; PRAGMA mmap_size=268435456;"));
  }
  return connection;
}

Connection::~Connection() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

absl::StatusOr<Statement> Connection::Prepare(std::string_view sql) {
  const auto found = statements_.find(absl::string_view(sql.data(), sql.size()));
  if (found != statements_.end()) return Statement(database_, found->second, true);
  const bool keep = statements_.size() < kMaxKeptStatements;
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                      keep ? SQLITE_PREPARE_PERSISTENT : 0, &statement, nullptr);
  if (code != SQLITE_OK) return SqliteError(database_, code, "prepare a statement");
  if (keep) statements_.emplace(std::string(sql), statement);
  return Statement(database_, statement, keep);
}

absl::Status Connection::Run(std::string_view sql) {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  return statement.Run();
}

absl::Status Connection::Execute(const std::string& sql) {
  const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) {
    return SqliteError(database_, sqlite3_extended_errcode(database_), "execute SQL");
  }
  return absl::OkStatus();
}

absl::Status Connection::CheckInPlace() {
  int moved = 0;
  sqlite3_file_control(database_, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (moved == 0) return absl::OkStatus();
  return Error(Reason::kStoreReadOnly,
               fmt::format("the store's file {} was removed or replaced while the server runs: put "
                           "it back, or stop the server",
                           sqlite3_db_filename(database_, "main")));
}

void Connection::SetBusyTimeout(absl::Duration timeout) {
  sqlite3_busy_timeout(database_, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
}

int64_t Connection::LastInsertId() const { return sqlite3_last_insert_rowid(database_); }
int64_t Connection::Changes() const { return sqlite3_changes64(database_); }

}  // namespace troupe
