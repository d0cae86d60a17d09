#include "server/store/journal_table.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <utility>

#include "server/store/indexes.h"
#include "server/store/packed.h"
#include "server/store/task_table.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

enum Encoding : int64_t { kPlain = 0, kZstd = 1 };

// Counts one more use of a content that was found by half of its hash.
absl::Status UseContent(Connection& connection, int64_t id, const Hash& hash) {
  ASSIGN_OR_RETURN(
      Statement count,
      connection.Prepare("UPDATE contents SET uses = uses + 1 WHERE id = ? AND hash = ?"));
  count.Bind(id).BindBlobKept(hash.bytes());
  RETURN_IF_ERROR(count.Run());
  if (connection.Changes() > 0) return absl::OkStatus();
  return Error(Reason::kStoreFailed, "two contents have the same half of a hash");
}

// Puts a content there, or counts one more use of it; its id.
absl::StatusOr<int64_t> PutContent(Connection& connection, const Content& content,
                                   ContentIndex& index) {
  const Hash& hash = content.hash;
  ASSIGN_OR_RETURN(const int64_t found, index.Find(connection, hash));
  if (found != 0) {
    RETURN_IF_ERROR(UseContent(connection, found, hash));
    return found;
  }
  const Packed packed = Pack(content.bytes);
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare("INSERT INTO contents (hash, encoding, size, bytes) VALUES (?, ?, ?, ?)"));
  insert.BindBlobKept(hash.bytes()).Bind(packed.compressed ? kZstd : kPlain);
  insert.Bind(static_cast<int64_t>(content.bytes.size())).BindBlobKept(packed.bytes);
  RETURN_IF_ERROR(insert.Run());
  const int64_t id = connection.LastInsertId();
  RETURN_IF_ERROR(index.Add(connection, hash, id));
  return id;
}

// Notes a use that no span tells of.
absl::Status NoteUse(Connection& connection, int64_t task_key, int64_t content) {
  ASSIGN_OR_RETURN(Statement use,
                   connection.Prepare("INSERT INTO content_uses (task, content) VALUES (?, ?) ON "
                                      "CONFLICT DO NOTHING"));
  use.Bind(task_key).Bind(content);
  RETURN_IF_ERROR(use.Run());
  if (connection.Changes() > 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(Statement count,
                   connection.Prepare("UPDATE contents SET uses = uses - 1 WHERE id = ?"));
  count.Bind(content);
  return count.Run();
}

// A content of an entry, to leave out of a text what it says already.
struct StoredContent {
  int64_t key = 0;
  std::string_view bytes;
};

// Ids as a JSON array, which SQL can read; empty for none.
std::string IdList(const std::vector<int64_t>& ids) {
  return ids.empty() ? "" : fmt::format("[{}]", fmt::join(ids, ","));
}

// Most attributes are none, and most errors: NULL takes no room. The bytes outlive the statement.
Statement& BindOrNull(Statement& statement, std::string_view text) {
  return text.empty() ? statement.BindNull() : statement.BindKept(text);
}
Statement& BindBlobOrNull(Statement& statement, std::string_view bytes) {
  return bytes.empty() ? statement.BindNull() : statement.BindBlobKept(bytes);
}
Statement& BindKeyOrNull(Statement& statement, int64_t key) {
  return key == 0 ? statement.BindNull() : statement.Bind(key);
}
std::string AttributesText(const Json& attributes) {
  return attributes.empty() ? "" : DumpJson(attributes);
}

// A span that began and has not ended, or is to end again.
struct BegunSpan {
  int64_t key = 0;
  Hash request;
  bool ended = false;    // it has an end, whose place the new one takes, with what follows
  int64_t text = 0;      // span_texts.id; 0: none
  std::string contents;  // as the row has them
};

// The keys of a task, and of its spans that began in this life and have not ended. What is not here
// is looked up.
struct KnownKeys : ChainNotes {
  int64_t task = 0;
  absl::flat_hash_map<int64_t, BegunSpan> begun;  // by begin_sequence
  bool complete = true;                           // none that is open was left out
  // Ids of the contents that the latest entries came with, by their hashes.
  absl::flat_hash_map<absl::uint128, int64_t> contents;
};

// More than any task has open at once, but for one with very many branches.
constexpr size_t kMostKnown = 1024;
// A reply is searched for with what was asked just before.
constexpr size_t kMostKnownContents = 8;

KnownKeys* KeysOf(const JournalEntry& entry) {
  if (entry.chain == nullptr) return nullptr;
  std::unique_ptr<ChainNotes>& notes = entry.chain->notes;
  if (notes == nullptr) notes = std::make_unique<KnownKeys>();
  return static_cast<KnownKeys*>(notes.get());
}

// Writes one entry: `known` may be null.
class EntryWriter {
 public:
  EntryWriter(Connection& connection, const JournalEntry& entry, Indexes& indexes)
      : connection_(connection), entry_(entry), indexes_(indexes), known_(KeysOf(entry)) {}

  absl::Status Write() {
    RETURN_IF_ERROR(FindTask());
    RETURN_IF_ERROR(PutContents());
    for (const SpanRecord& span : entry_.begun) RETURN_IF_ERROR(Begin(span));
    for (const SpanRecord& span : entry_.ended) RETURN_IF_ERROR(End(span));
    // Of an entry without spans.
    for (const int64_t id : contents_) RETURN_IF_ERROR(NoteUse(connection_, task_key_, id));
    for (const EventRecord& event : entry_.events) RETURN_IF_ERROR(Insert(event));
    return absl::OkStatus();
  }

 private:
  absl::Status FindTask() {
    if (known_ != nullptr && known_->task != 0) {
      task_key_ = known_->task;
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(task_key_, TaskKey(connection_, entry_.task_id));
    if (known_ != nullptr) known_->task = task_key_;
    return absl::OkStatus();
  }

  absl::Status PutContents() {
    contents_.reserve(entry_.contents.size());
    for (const Content& content : entry_.contents) {
      ASSIGN_OR_RETURN(const int64_t key, PutContent(connection_, content, indexes_.contents));
      contents_.push_back(key);
      Remember(content.hash, key);
      if (content.bytes.size() > largest_.bytes.size()) largest_ = {key, content.bytes};
    }
    return absl::OkStatus();
  }

  // The contents of the entry, for the first of its spans.
  std::string TakeContents() { return IdList(std::exchange(contents_, {})); }

  absl::Status Begin(const SpanRecord& span) {
    const std::string attributes = AttributesText(span.attributes);
    const std::string contents = TakeContents();
    {
      ASSIGN_OR_RETURN(
          Statement insert,
          connection_.Prepare("INSERT INTO spans (task, begin_sequence, path, kind, type, title, "
                              "begin_time, request, request_root, attributes, model, role, tool, "
                              "contents) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
      insert.Bind(task_key_).Bind(span.begin_sequence).BindKept(span.path);
      insert.Bind(static_cast<int64_t>(span.kind)).BindKept(span.type).BindKept(span.title);
      insert.Bind(absl::ToUnixMicros(span.begin_time));
      BindBlobOrNull(insert, span.request_hash.bytes());
      BindBlobOrNull(insert, span.request_root);
      BindOrNull(insert, attributes);
      BindOrNull(BindOrNull(BindOrNull(insert, span.model), span.role), span.tool);
      BindOrNull(insert, contents);
      RETURN_IF_ERROR(insert.Run());
    }
    if (known_ == nullptr) return absl::OkStatus();
    if (known_->begun.size() >= kMostKnown) {
      known_->begun.clear();
      known_->complete = false;
    }
    BegunSpan& begun = known_->begun[span.begin_sequence];
    begun = BegunSpan();
    begun.key = connection_.LastInsertId();
    begun.request = span.request_hash;
    return absl::OkStatus();
  }

  absl::Status End(const SpanRecord& span) {
    ASSIGN_OR_RETURN(BegunSpan begun, TakeBegun(span));
    // Not by INSERT OR REPLACE: that is a savepoint to SQLite, before which it writes its full-text
    // index, once for every row.
    if (begun.ended) RETURN_IF_ERROR(DeleteEnd(begun.key));
    if (!span.search_text.empty() && begun.text == 0) {
      ASSIGN_OR_RETURN(begun.text, KeepText(begun.key, span));
      RETURN_IF_ERROR(indexes_.texts.Add(connection_, begun.text, span.search_text));
    }
    return InsertEnd(begun, span);
  }

  absl::StatusOr<BegunSpan> TakeBegun(const SpanRecord& span) {
    if (known_ != nullptr) {
      const auto found = known_->begun.find(span.begin_sequence);
      if (found != known_->begun.end()) {
        BegunSpan begun = std::move(found->second);
        known_->begun.erase(found);
        return begun;
      }
    }
    return FindBegun(span);
  }

  absl::StatusOr<BegunSpan> FindBegun(const SpanRecord& span) {
    ASSIGN_OR_RETURN(
        Statement find,
        connection_.Prepare(
            "SELECT s.id, s.request, e.span IS NOT NULL, e.text, e.contents FROM spans "
            "s LEFT JOIN span_ends e ON e.span = s.id WHERE s.task = ? AND "
            "s.begin_sequence = ?"));
    find.Bind(task_key_).Bind(span.begin_sequence);
    ASSIGN_OR_RETURN(const bool found, find.Step());
    if (found) {
      return BegunSpan{find.Int(0), Hash::FromBytes(find.Blob(1)), find.Int(2) != 0, find.Int(3),
                       find.Text(4)};
    }
    return Error(
        Reason::kStoreFailed,
        fmt::format("the span '{}' ends but never began: an earlier write was lost", span.path));
  }

  absl::Status DeleteEnd(int64_t span_key) {
    ASSIGN_OR_RETURN(Statement remove, connection_.Prepare("DELETE FROM span_ends WHERE span = ?"));
    remove.Bind(span_key);
    return remove.Run();
  }

  absl::Status InsertEnd(const BegunSpan& begun, const SpanRecord& span) {
    // A call that was interrupted may be made with another request than it was begun with.
    const bool same_request = span.request_hash == begun.request;
    const std::string attributes = AttributesText(span.attributes);
    // An end that takes the place of another keeps what that one came with.
    const std::string contents = begun.contents.empty() ? TakeContents() : begun.contents;
    ASSIGN_OR_RETURN(
        Statement insert,
        connection_.Prepare(
            "INSERT INTO span_ends (span, task, end_sequence, end_time, state, request, "
            "request_root, result, result_root, error, attributes, model, model_calls, "
            "tool_calls, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, "
            "cost_microusd, model_microseconds, tool_microseconds, estimated, text, contents) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    insert.Bind(begun.key).Bind(task_key_).Bind(span.end_sequence);
    insert.Bind(absl::ToUnixMicros(span.end_time)).Bind(static_cast<int64_t>(span.state));
    BindBlobOrNull(insert, same_request ? "" : span.request_hash.bytes());
    BindBlobOrNull(insert, same_request ? "" : span.request_root);
    BindBlobOrNull(insert, span.result_hash.bytes());
    BindBlobOrNull(insert, span.result_root);
    BindOrNull(BindOrNull(insert, span.error), attributes);
    BindOrNull(insert, span.model);
    const Usage& usage = span.usage;
    insert.Bind(usage.model_calls).Bind(usage.tool_calls).Bind(usage.input_tokens);
    insert.Bind(usage.cached_input_tokens).Bind(usage.output_tokens).Bind(usage.reasoning_tokens);
    insert.Bind(usage.cost_microusd).Bind(absl::ToInt64Microseconds(usage.model_time));
    insert.Bind(absl::ToInt64Microseconds(usage.tool_time));
    insert.Bind(static_cast<int64_t>(usage.estimated));
    BindKeyOrNull(insert, begun.text);
    BindOrNull(insert, contents);
    return insert.Run();
  }

  // Keeps the text that the index is made from; its id.
  absl::StatusOr<int64_t> KeepText(int64_t span_key, const SpanRecord& span) {
    ASSIGN_OR_RETURN(const int64_t said, KeepWhereItIsSaid(span_key, span));
    if (said != 0) return said;
    const std::string& text = span.search_text;
    const Packed packed = Pack(text, largest_.bytes);
    ASSIGN_OR_RETURN(
        Statement keep,
        connection_.Prepare("INSERT INTO span_texts (span, prefix, size, bytes) VALUES (?, ?, ?, "
                            "?)"));
    keep.Bind(span_key);
    BindKeyOrNull(keep, packed.compressed ? largest_.key : 0);
    keep.Bind(packed.SizeColumn(text)).BindBlobKept(packed.bytes);
    RETURN_IF_ERROR(keep.Run());
    return connection_.LastInsertId();
  }

  // 0 if it is not said by two messages that are stored.
  absl::StatusOr<int64_t> KeepWhereItIsSaid(int64_t span_key, const SpanRecord& span) {
    if (span.asked_hash.empty()) return 0;
    ASSIGN_OR_RETURN(const int64_t asked, ContentNamed(span.asked_hash));
    ASSIGN_OR_RETURN(const int64_t replied, ContentNamed(span.replied_hash));
    if (asked == 0 || replied == 0) return 0;
    ASSIGN_OR_RETURN(
        Statement keep,
        connection_.Prepare("INSERT INTO span_texts (span, prefix, reply, size) VALUES (?, ?, ?, "
                            "0)"));
    keep.Bind(span_key).Bind(asked).Bind(replied);
    RETURN_IF_ERROR(keep.Run());
    return connection_.LastInsertId();
  }

  absl::StatusOr<int64_t> ContentNamed(const Hash& hash) {
    if (known_ != nullptr) {
      const auto found = known_->contents.find(hash.key());
      if (found != known_->contents.end()) return found->second;
    }
    return indexes_.contents.Find(connection_, hash);
  }

  void Remember(const Hash& hash, int64_t key) {
    if (known_ == nullptr) return;
    if (known_->contents.size() >= kMostKnownContents) known_->contents.clear();
    known_->contents[hash.key()] = key;
  }

  absl::Status Insert(const EventRecord& event) {
    ASSIGN_OR_RETURN(Statement insert,
                     connection_.Prepare("INSERT INTO events (task, sequence, time, type, path, "
                                         "text) VALUES (?, ?, ?, ?, ?, ?)"));
    insert.Bind(task_key_).Bind(event.sequence).Bind(absl::ToUnixMicros(event.time));
    insert.Bind(static_cast<int64_t>(event.type)).BindKept(event.path).BindKept(event.text);
    return insert.Run();
  }

  Connection& connection_;
  const JournalEntry& entry_;
  Indexes& indexes_;
  KnownKeys* const known_;
  int64_t task_key_ = 0;
  std::vector<int64_t> contents_;  // ids of those that no span has yet
  StoredContent largest_;
};

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
  span.request_hash = Hash::FromBytes(row.Blob(column++));
  span.request_root = row.Blob(column++);
  const std::string attributes = row.Text(column++);
  span.model = row.Text(column++);
  span.end_sequence = row.Int(column++);
  span.state = span.end_sequence == 0 ? SpanState::kRunning : SpanState(row.Int(column));
  ++column;
  span.end_time = absl::FromUnixMicros(row.Int(column++));
  span.result_hash = Hash::FromBytes(row.Blob(column++));
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

absl::Status AppendEntry(Connection& connection, const JournalEntry& entry, Indexes* indexes) {
  if (indexes != nullptr) return EntryWriter(connection, entry, *indexes).Write();
  Indexes at_once;
  return EntryWriter(connection, entry, at_once).Write();
}

bool MayHaveOpenSpans(const EntryChain& chain) {
  if (!chain.first || chain.notes == nullptr) return true;
  const auto& known = static_cast<const KnownKeys&>(*chain.notes);
  return !known.complete || !known.begun.empty();
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

absl::StatusOr<std::string> ReadContentById(Connection& connection, int64_t id, const Hash& hash) {
  ASSIGN_OR_RETURN(
      Statement statement,
      connection.Prepare("SELECT encoding, size, bytes FROM contents WHERE id = ? AND hash = ?"));
  statement.Bind(id).BindBlobKept(hash.bytes());
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) {
    return Error(Reason::kNotFound,
                 fmt::format("no content with the hash {} is stored", hash.hex()),
                 {{"sha256", hash.hex()}});
  }
  const int64_t packed_size = statement.Int(0) == kPlain ? 0 : statement.Int(1);
  auto bytes = Unpack(packed_size, statement.Blob(2));
  if (!bytes.ok()) return Annotate(bytes.status(), "the content " + hash.hex());
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
