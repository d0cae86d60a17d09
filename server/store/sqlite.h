// SQLite behind RAII and statuses. Thread-compatible: a Connection and its statements are used by
// one thread at a time.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/store/wal_room.h"

struct sqlite3;
struct sqlite3_stmt;

namespace troupe {

// One use of a prepared statement: bind, step, read; it is reset when this is destroyed.
// Binding counts parameters from 1, reading counts columns from 0.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Bind the next parameter.
  Statement& Bind(int64_t value);
  Statement& Bind(double value);
  Statement& Bind(std::string_view text);
  Statement& BindBlob(std::string_view bytes);
  Statement& BindNull();
  // The same without a copy: the bytes outlive this.
  Statement& BindKept(std::string_view text);
  Statement& BindBlobKept(std::string_view bytes);
  // A pointer for a function of SQLite's own; `type` is a literal.
  Statement& BindPointer(void* pointer, const char* type);

  // True: a row is there to read. False: there is none.
  absl::StatusOr<bool> Step();
  // Runs a statement that gives no rows.
  absl::Status Run();

  int64_t Int(int column) const;
  double Double(int column) const;
  std::string Text(int column) const;
  std::string Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Connection;
  Statement(sqlite3* database, sqlite3_stmt* statement, bool kept);
  sqlite3* database_;
  sqlite3_stmt* statement_;
  bool kept_;  // by the connection; else it ends with this
  int next_parameter_ = 1;
  int bind_error_ = 0;
};

class Connection {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // Opens (and with kReadWrite creates) the file, in WAL mode with full durability.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, Mode mode);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // A prepared statement, kept for the next use of the same SQL text (up to a number of them: texts
  // that clients' filters make are endless). One use at a time.
  absl::StatusOr<Statement> Prepare(std::string_view sql);
  // Runs one statement that takes no parameters and is kept prepared.
  absl::Status Run(std::string_view sql);
  // Runs SQL that takes no parameters, several statements separated by semicolons.
  absl::Status Execute(const std::string& sql);

  // kStoreReadOnly if the file that was opened is no longer where it was: what is written would go
  // with it.
  absl::Status CheckInPlace();

  // How long a statement waits for another process's lock.
  void SetBusyTimeout(absl::Duration timeout);

  int64_t LastInsertId() const;
  int64_t Changes() const;  // rows that the last statement changed

 private:
  explicit Connection(sqlite3* database) : database_(database) {}
  sqlite3* database_;
  WalRoom log_room_;
  absl::flat_hash_map<std::string, sqlite3_stmt*> statements_;
};

}  // namespace troupe
