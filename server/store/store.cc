#include "server/store/store.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "server/store/journal_table.h"
#include "server/store/schema.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// Short: who writes tries again itself, and must notice soon when the server closes.
constexpr absl::Duration kWriterBusyTimeout = absl::Milliseconds(250);

absl::Status AppendInChain(Connection& connection, const JournalEntry& entry, Indexes& indexes) {
  if (entry.chain == nullptr) return AppendEntry(connection, entry, &indexes);
  if (entry.chain->broken) return BrokenChain(entry.task_id);
  absl::Status appended = AppendEntry(connection, entry, &indexes);
  // A disk that takes no writes may take them when the whole batch is tried again.
  if (!appended.ok() && !HasReason(appended, Reason::kStoreReadOnly)) entry.chain->broken = true;
  return appended;
}

// Whether nobody waits for an entry: it says no more than that inner spans began or ended and that
// model calls began, which are made again if that is lost.
bool MayWait(const JournalEntry& entry) {
  const auto is_inner = [](const SpanRecord& span) { return span.kind == SpanKind::kSpan; };
  const auto is_harmless = [&](const SpanRecord& span) {
    return is_inner(span) || span.kind == SpanKind::kModelCall;
  };
  return entry.events.empty() && std::all_of(entry.ended.begin(), entry.ended.end(), is_inner) &&
         std::all_of(entry.begun.begin(), entry.begun.end(), is_harmless);
}

// Does what was put off when the server was killed. A store that is damaged there, or takes no
// writes, is used nevertheless.
bool AddMissing(Connection& connection, std::string_view what, absl::Status (*add)(Connection&)) {
  absl::Status added = connection.Run("BEGIN IMMEDIATE");
  if (added.ok()) added = add(connection);
  if (added.ok()) added = connection.Run("COMMIT");
  if (added.ok()) return true;
  connection.Execute("ROLLBACK").IgnoreError();
  spdlog::error("{}: {}", what, MessageOf(added));
  return false;
}

}  // namespace

absl::Status BrokenChain(const std::string& task_id) {
  return Error(Reason::kStoreFailed,
               fmt::format("an earlier entry of the task '{}' could not be written", task_id),
               {{"name", "tasks/" + task_id}});
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(Options options) {
  const std::string path = options.path;
  auto store = OpenFile(std::move(options));
  if (!store.ok()) return Annotate(store.status(), "the store " + path);
  return store;
}

absl::StatusOr<std::unique_ptr<Store>> Store::OpenFile(Options options) {
  std::unique_ptr<Store> store(new Store());
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> writer,
                   Connection::Open(options.path, Connection::Mode::kReadWrite));
  RETURN_IF_ERROR(Migrate(*writer));
  if (AddMissing(*writer, "contents are found slowly", ContentIndex::AddMissing)) {
    const absl::Status known = store->indexes_.contents.NothingIsMissing(*writer);
    if (!known.ok()) spdlog::error("new contents are stored slowly: {}", MessageOf(known));
  }
  AddMissing(*writer, "not all that is stored is found by search", TextIndex::AddMissing);
  writer->SetBusyTimeout(kWriterBusyTimeout);
  for (int i = 0; i < options.readers; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader,
                     Connection::Open(options.path, Connection::Mode::kReadOnly));
    MutexLock lock(&store->mutex_);
    store->idle_readers_.push_back(std::move(reader));
  }
  store->writer_ =
      std::make_unique<StoreWriter>(std::move(writer), options.writer, &store->indexes_);
  return store;
}

Store::~Store() = default;

void Store::SetListener(std::function<void(const std::string&)> listener) {
  listener_ = std::move(listener);
}

// Writes an entry, and tells whoever waits for it.
class Store::EntryJob : public StoreWriter::Job {
 public:
  EntryJob(Store* store, JournalEntry entry, std::function<void(absl::Status)> done)
      : store_(store), entry_(std::move(entry)), done_(std::move(done)) {}

  absl::Status Apply(Connection& connection) override {
    return AppendInChain(connection, entry_, store_->indexes_);
  }

  void Done(absl::Status status) override {
    if (!status.ok() && entry_.chain != nullptr) entry_.chain->broken = true;
    if (status.ok() && store_->listener_) store_->listener_(entry_.task_id);
    if (done_) done_(std::move(status));
  }

 private:
  Store* const store_;
  const JournalEntry entry_;
  const std::function<void(absl::Status)> done_;
};

void Store::Append(JournalEntry entry, std::function<void(absl::Status)> done) {
  const bool may_wait = MayWait(entry);
  writer_->Submit(std::make_unique<EntryJob>(this, std::move(entry), std::move(done)), may_wait);
}

void Store::AppendHere(JournalEntry entry, std::function<void(absl::Status)> done) {
  writer_->SubmitHere(std::make_unique<EntryJob>(this, std::move(entry), std::move(done)));
}

absl::Status Store::AppendWithin(Connection& connection, const JournalEntry& entry) {
  return AppendEntry(connection, entry, &indexes_);
}

absl::Status Store::Delete(const std::string& task_id) {
  return WriteAndWait([this, task_id](Connection& connection) -> absl::Status {
    // The indexes forget only what they hold.
    RETURN_IF_ERROR(indexes_.CatchUp(connection));
    RETURN_IF_ERROR(DeleteTask(connection, task_id));
    return ContentIndex::NoteComplete(connection);
  });
}

absl::Status Store::CatchUpIndex() {
  // While it takes no writes, what was put off is not found.
  if (!indexes_.texts.behind() || !healthy()) return absl::OkStatus();
  return WriteAndWait(
      [this](Connection& connection) { return indexes_.texts.CatchUp(connection); });
}

absl::StatusOr<std::vector<SpanRecord>> Store::LoadSpans(const std::string& task_id) {
  std::vector<SpanRecord> records;
  RETURN_IF_ERROR(Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t key, TaskKey(connection, task_id));
    SpanQuery query;
    query.where = "s.task = ?";
    query.numbers = {key};
    ASSIGN_OR_RETURN(std::vector<StoredSpan> spans, QuerySpans(connection, query));
    for (StoredSpan& span : spans) records.push_back(std::move(span.record));
    return absl::OkStatus();
  }));
  return records;
}

absl::StatusOr<int64_t> Store::LastSequence(const std::string& task_id) {
  int64_t last = 0;
  RETURN_IF_ERROR(Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t key, TaskKey(connection, task_id));
    ASSIGN_OR_RETURN(last, LastSequenceOf(connection, key));
    return absl::OkStatus();
  }));
  return last;
}

absl::StatusOr<std::string> Store::ReadContent(const Hash& hash) {
  std::string bytes;
  RETURN_IF_ERROR(Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t id, indexes_.contents.Find(connection, hash));
    ASSIGN_OR_RETURN(bytes, ReadContentById(connection, id, hash));
    return absl::OkStatus();
  }));
  return bytes;
}

void Store::Write(StoreWriter::Change change, std::function<void(absl::Status)> done) {
  writer_->Submit(std::move(change), std::move(done));
}

absl::Status Store::WriteAndWait(StoreWriter::Change change) {
  return writer_->SubmitAndWait(std::move(change));
}

absl::Status Store::Read(const std::function<absl::Status(Connection&)>& read) {
  std::unique_ptr<Connection> connection;
  {
    MutexLock lock(&mutex_);
    const auto free = [this]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !idle_readers_.empty(); };
    mutex_.Await(Condition(&free));
    connection = std::move(idle_readers_.back());
    idle_readers_.pop_back();
  }
  // One transaction, so that several queries see the same moment.
  absl::Status status = connection->Run("BEGIN");
  if (status.ok()) {
    status = read(*connection);
    connection->Run("COMMIT").IgnoreError();
  }
  MutexLock lock(&mutex_);
  idle_readers_.push_back(std::move(connection));
  return status;
}

absl::Status Store::Vacuum() {
  int64_t free_pages = 0;
  RETURN_IF_ERROR(Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement count, connection.Prepare("PRAGMA freelist_count"));
    RETURN_IF_ERROR(count.Step().status());
    free_pages = count.Int(0);
    return absl::OkStatus();
  }));
  if (free_pages == 0) return absl::OkStatus();
  constexpr const char* kSomePages = "PRAGMA incremental_vacuum(2000)";
  return WriteAndWait([](Connection& connection) { return connection.Execute(kSomePages); });
}

}  // namespace troupe
