#include "server/store/journal_table.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "server/store/packed.h"
#include "server/store/task_table.h"
#include "server/store/text_index.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

enum Encoding : int64_t { kPlain = 0, kZstd = 1 };

absl::StatusOr<int64_t> FindContent(Connection& connection, const std::string& hash_bytes) {
  ASSIGN_OR_RETURN(Statement find, connection.Prepare("SELECT id FROM contents WHERE hash = ?"));
  find.BindBlob(hash_bytes);
  ASSIGN_OR_RETURN(const bool found, find.Step());
  return found ? find.Int(0) : 0;
}

// The id of a content that was not there before; 0 if it was.
absl::StatusOr<int64_t> InsertContent(Connection& connection, const std::string& hash_bytes,
                                      const std::string& bytes) {
  const Packed packed = Pack(bytes);
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare("INSERT INTO contents (hash, encoding, size, bytes) VALUES (?, ?, ?, ?) "
                         "ON CONFLICT (hash) DO NOTHING"));
  insert.BindBlob(hash_bytes).Bind(packed.compressed ? kZstd : kPlain);
  insert.Bind(static_cast<int64_t>(bytes.size())).BindBlob(packed.bytes);
  RETURN_IF_ERROR(insert.Run());
  return connection.Changes() > 0 ? connection.LastInsertId() : 0;
}

absl::StatusOr<int64_t> PutContent(Connection& connection, int64_t task_key,
                                   const Content& content) {
  const std::string hash = HashBytes(content.hash);
  ASSIGN_OR_RETURN(int64_t key, InsertContent(connection, hash, content.bytes));
  const bool is_new = key != 0;
  if (!is_new) {
    ASSIGN_OR_RETURN(key, FindContent(connection, hash));
  }
  ASSIGN_OR_RETURN(
      Statement use,
      connection.Prepare("INSERT OR IGNORE INTO content_uses (task, content) VALUES (?, ?)"));
  use.Bind(task_key).Bind(key);
  RETURN_IF_ERROR(use.Run());
  if (is_new || connection.Changes() == 0) return key;
  ASSIGN_OR_RETURN(Statement count,
                   connection.Prepare("UPDATE contents SET uses = uses + 1 WHERE id = ?"));
  count.Bind(key);
  RETURN_IF_ERROR(count.Run());
  return key;
}

// A content of an entry, to leave out of a text what it says already.
struct StoredContent {
  int64_t key = 0;
  std::string_view bytes;
};

// Most attributes are none, and most errors: NULL takes no room.
Statement& BindOrNull(Statement& statement, std::string_view text) {
  return text.empty() ? statement.BindNull() : statement.Bind(text);
}
Statement& BindBlobOrNull(Statement& statement, std::string_view bytes) {
  return bytes.empty() ? statement.BindNull() : statement.BindBlob(bytes);
}
std::string AttributesText(const Json& attributes) {
  return attributes.empty() ? "" : DumpJson(attributes);
}

absl::Status InsertSpan(Connection& connection, int64_t task_key, const SpanRecord& span) {
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare("INSERT INTO spans (task, begin_sequence, path, kind, type, title, "
                         "begin_time, request, request_root, attributes, model, role, tool) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.Bind(task_key).Bind(span.begin_sequence).Bind(span.path);
  insert.Bind(static_cast<int64_t>(span.kind)).Bind(span.type).Bind(span.title);
  insert.Bind(absl::ToUnixMicros(span.begin_time));
  BindBlobOrNull(insert, HashBytes(span.request_hash));
  BindBlobOrNull(insert, span.request_root);
  BindOrNull(insert, AttributesText(span.attributes));
  BindOrNull(BindOrNull(BindOrNull(insert, span.model), span.role), span.tool);
  return insert.Run();
}

struct BegunSpan {
  int64_t key = 0;
  std::string request;  // hash, 32 bytes
  bool ended = false;   // it has an end, whose place the new one takes
};

absl::StatusOr<BegunSpan> FindBegun(Connection& connection, int64_t task_key,
                                    const SpanRecord& span) {
  ASSIGN_OR_RETURN(
      Statement find,
      connection.Prepare("SELECT s.id, s.request, e.span IS NOT NULL FROM spans s LEFT JOIN "
                         "span_ends e ON e.span = s.id WHERE s.task = ? AND s.begin_sequence = ?"));
  find.Bind(task_key).Bind(span.begin_sequence);
  ASSIGN_OR_RETURN(const bool found, find.Step());
  if (found) return BegunSpan{find.Int(0), find.Blob(1), find.Int(2) != 0};
  return Error(
      Reason::kStoreFailed,
      fmt::format("the span '{}' ends but never began: an earlier write was lost", span.path));
}

absl::Status DeleteEnd(Connection& connection, int64_t span_key) {
  ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM span_ends WHERE span = ?"));
  remove.Bind(span_key);
  return remove.Run();
}

absl::Status InsertEnd(Connection& connection, int64_t task_key, const BegunSpan& begun,
                       const SpanRecord& span) {
  // A call that was interrupted may be made with another request than it was begun with.
  const std::string request = HashBytes(span.request_hash);
  const bool same_request = request == begun.request;
  // Not by INSERT OR REPLACE: that is a savepoint to SQLite, before which it writes its full-text
  // index, once for every row.
  if (begun.ended) RETURN_IF_ERROR(DeleteEnd(connection, begun.key));
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare(
          "INSERT INTO span_ends (span, task, end_sequence, end_time, state, request, "
          "request_root, result, result_root, error, attributes, model, model_calls, tool_calls, "
          "input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_microusd, "
          "model_microseconds, tool_microseconds, estimated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
          "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.Bind(begun.key).Bind(task_key).Bind(span.end_sequence);
  insert.Bind(absl::ToUnixMicros(span.end_time)).Bind(static_cast<int64_t>(span.state));
  BindBlobOrNull(insert, same_request ? "" : request);
  BindBlobOrNull(insert, same_request ? "" : span.request_root);
  BindBlobOrNull(insert, HashBytes(span.result_hash));
  BindBlobOrNull(insert, span.result_root);
  BindOrNull(BindOrNull(insert, span.error), AttributesText(span.attributes));
  BindOrNull(insert, span.model);
  const Usage& usage = span.usage;
  insert.Bind(usage.model_calls).Bind(usage.tool_calls).Bind(usage.input_tokens);
  insert.Bind(usage.cached_input_tokens).Bind(usage.output_tokens).Bind(usage.reasoning_tokens);
  insert.Bind(usage.cost_microusd).Bind(absl::ToInt64Microseconds(usage.model_time));
  insert.Bind(absl::ToInt64Microseconds(usage.tool_time));
  insert.Bind(static_cast<int64_t>(usage.estimated));
  return insert.Run();
}

// Keeps the text that the index is made from.
absl::Status KeepText(Connection& connection, int64_t span_key, const std::string& text,
                      const StoredContent& prefix) {
  const Packed packed = Pack(text, prefix.bytes);
  ASSIGN_OR_RETURN(
      Statement keep,
      connection.Prepare("INSERT INTO span_texts (span, prefix, size, bytes) VALUES (?, ?, ?, ?)"));
  keep.Bind(span_key);
  if (packed.compressed && prefix.key != 0) {
    keep.Bind(prefix.key);
  } else {
    keep.BindNull();
  }
  keep.Bind(packed.SizeColumn(text)).BindBlob(packed.bytes);
  return keep.Run();
}

SpanRecord RecordOf(const Statement& row, int column) {
  SpanRecord span;
  span.path = row.Text(column++);
  span.kind = static_cast<SpanKind>(row.Int(column++));
  span.type = row.Text(column++);
  span.title = row.Text(column++);
  span.begin_sequence = row.Int(column++);
  span.begin_time = absl::FromUnixMicros(row.Int(column++));
  span.role = row.Text(column++);
  span.tool = row.Text(column++);
  span.request_hash = absl::BytesToHexString(row.Blob(column++));
  span.request_root = row.Blob(column++);
  const std::string attributes = row.Text(column++);
  span.model = row.Text(column++);
  span.end_sequence = row.Int(column++);
  span.state = span.end_sequence == 0 ? SpanState::kRunning : SpanState(row.Int(column));
  ++column;
  span.end_time = absl::FromUnixMicros(row.Int(column++));
  span.result_hash = absl::BytesToHexString(row.Blob(column++));
  span.result_root = row.Blob(column++);
  span.error = row.Text(column++);
  if (!attributes.empty()) {
    auto parsed = ParseJson(attributes, "attributes");
    if (parsed.ok()) span.attributes = *std::move(parsed);
  }
  Usage& usage = span.usage;
  usage.model_calls = row.Int(column++);
  usage.tool_calls = row.Int(column++);
  usage.input_tokens = row.Int(column++);
  usage.cached_input_tokens = row.Int(column++);
  usage.output_tokens = row.Int(column++);
  usage.reasoning_tokens = row.Int(column++);
  usage.cost_microusd = row.Int(column++);
  usage.model_time = absl::Microseconds(row.Int(column++));
  usage.tool_time = absl::Microseconds(row.Int(column++));
  usage.estimated = row.Int(column++) != 0;
  return span;
}

constexpr std::string_view kSpanColumns =
    "s.path, s.kind, s.type, s.title, s.begin_sequence, s.begin_time, s.role, s.tool, "
    "ifnull(e.request, s.request), iif(e.request IS NULL, s.request_root, e.request_root), "
    "ifnull(e.attributes, s.attributes), ifnull(e.model, s.model), e.end_sequence, e.state, "
    "e.end_time, e.result, e.result_root, e.error, e.model_calls, e.tool_calls, e.input_tokens, "
    "e.cached_input_tokens, e.output_tokens, e.reasoning_tokens, e.cost_microusd, "
    "e.model_microseconds, e.tool_microseconds, e.estimated";

}  // namespace

absl::Status AppendEntry(Connection& connection, const JournalEntry& entry, TextIndex* index) {
  TextIndex without_index;
  if (index == nullptr) index = &without_index;
  ASSIGN_OR_RETURN(const int64_t task_key, TaskKey(connection, entry.task_id));
  StoredContent largest;
  for (const Content& content : entry.contents) {
    ASSIGN_OR_RETURN(const int64_t key, PutContent(connection, task_key, content));
    if (content.bytes.size() > largest.bytes.size()) largest = {key, content.bytes};
  }
  for (const SpanRecord& span : entry.begun) {
    RETURN_IF_ERROR(InsertSpan(connection, task_key, span));
  }
  for (const SpanRecord& span : entry.ended) {
    ASSIGN_OR_RETURN(const BegunSpan begun, FindBegun(connection, task_key, span));
    RETURN_IF_ERROR(InsertEnd(connection, task_key, begun, span));
    if (!span.search_text.empty()) {
      RETURN_IF_ERROR(index->Add(connection, begun.key, span.search_text));
      RETURN_IF_ERROR(KeepText(connection, begun.key, span.search_text, largest));
    }
  }
  for (const EventRecord& event : entry.events) {
    ASSIGN_OR_RETURN(Statement insert,
                     connection.Prepare("INSERT INTO events (task, sequence, time, type, path, "
                                        "text) VALUES (?, ?, ?, ?, ?, ?)"));
    insert.Bind(task_key).Bind(event.sequence).Bind(absl::ToUnixMicros(event.time));
    insert.Bind(static_cast<int64_t>(event.type)).Bind(event.path).Bind(event.text);
    RETURN_IF_ERROR(insert.Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StoredSpan>> QuerySpans(Connection& connection, const SpanQuery& query) {
  ASSIGN_OR_RETURN(Statement statement,
                   connection.Prepare(fmt::format(
                       "SELECT s.id, t.name, {} FROM spans s LEFT JOIN span_ends e ON e.span "
                       "= s.id JOIN tasks t ON t.id = s.task WHERE {} ORDER BY {} LIMIT ?",
                       kSpanColumns, query.where, query.order)));
  for (const std::string& text : query.texts) statement.Bind(text);
  for (int64_t number : query.numbers) statement.Bind(number);
  statement.Bind(query.limit);
  std::vector<StoredSpan> spans;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return spans;
    spans.push_back({statement.Int(0), statement.Text(1), RecordOf(statement, 2)});
  }
}

absl::StatusOr<int64_t> LastSequenceOf(Connection& connection, int64_t task_key) {
  ASSIGN_OR_RETURN(Statement statement,
                   connection.Prepare(
                       "SELECT max(ifnull((SELECT max(begin_sequence) FROM spans WHERE task = ?1), "
                       "0), ifnull((SELECT max(end_sequence) FROM span_ends WHERE task = "
                       "?1), 0), ifnull((SELECT max(sequence) FROM events WHERE "
                       "task = ?1), 0))"));
  statement.Bind(task_key);
  RETURN_IF_ERROR(statement.Step().status());
  return statement.Int(0);
}

absl::StatusOr<std::string> ReadContentByHash(Connection& connection, const std::string& hash) {
  ASSIGN_OR_RETURN(Statement statement,
                   connection.Prepare("SELECT encoding, size, bytes FROM contents WHERE hash = ?"));
  statement.BindBlob(HashBytes(hash));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) {
    return Error(Reason::kNotFound, fmt::format("no content with the hash {} is stored", hash),
                 {{"sha256", hash}});
  }
  const int64_t packed_size = statement.Int(0) == kPlain ? 0 : statement.Int(1);
  auto bytes = Unpack(packed_size, statement.Blob(2));
  if (!bytes.ok()) return Annotate(bytes.status(), "the content " + hash);
  return bytes;
}

absl::StatusOr<std::vector<EventRecord>> ReadEvents(Connection& connection, int64_t task_key,
                                                    int64_t after, int limit) {
  ASSIGN_OR_RETURN(
      Statement statement,
      connection.Prepare("SELECT sequence, time, type, path, text FROM events WHERE task = ? AND "
                         "sequence > ? ORDER BY sequence LIMIT ?"));
  statement.Bind(task_key).Bind(after).Bind(static_cast<int64_t>(limit));
  std::vector<EventRecord> events;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return events;
    events.push_back({statement.Int(0), absl::FromUnixMicros(statement.Int(1)),
                      static_cast<EventType>(statement.Int(2)), statement.Text(3),
                      statement.Text(4)});
  }
}

}  // namespace troupe
