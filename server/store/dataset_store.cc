#include "server/store/dataset_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/store/packed.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMinDigits = 8;
constexpr size_t kPagesAtOnce = 32;  // in one change, so that tasks' own writes are not held up
constexpr char kCollection[] = "datasets/";
constexpr char kColumns[] =
    "SELECT d.name, lower(hex(c.digest)), c.items, c.fields, c.splits, d.description, "
    "c.size_bytes, d.upload_time, (SELECT min(f.id) FROM datasets f WHERE f.name = d.name) AS key "
    "FROM datasets d JOIN dataset_contents c ON c.id = d.content ";

absl::Status NoSuchDataset(const std::string& name) {
  return Error(Reason::kNotFound, fmt::format("there is no data set '{}'", name), {{"name", name}});
}

// A name taken apart.
struct Reference {
  std::string dataset;
  std::string digest;  // its first digits; empty: the newest version
};

absl::StatusOr<Reference> ParseReference(const std::string& name) {
  Reference reference;
  const bool prefixed = name.starts_with(kCollection);
  const std::string rest = prefixed ? name.substr(sizeof(kCollection) - 1) : "";
  const size_t at = rest.find('@');
  reference.dataset = rest.substr(0, at);
  if (at != std::string::npos) reference.digest = rest.substr(at + 1);
  const bool digits = reference.digest.find_first_not_of("0123456789abcdef") == std::string::npos;
  const bool fits = at == std::string::npos || (digits && reference.digest.size() >= kMinDigits &&
                                                reference.digest.size() <= 64);
  if (!prefixed || !fits || !CheckDatasetId(reference.dataset, "name").ok()) {
    return Error(Reason::kInvalidField,
                 fmt::format("name: '{}' is not of the form datasets/{{dataset}} or "
                             "datasets/{{dataset}}@{{digest}} with at least 8 digits",
                             name),
                 {{"field", "name"}});
  }
  return reference;
}

absl::StatusOr<DatasetRecord> RecordOf(const Statement& row) {
  DatasetRecord record;
  record.info.name = row.Text(0);
  record.info.digest = row.Text(1);
  record.info.items = static_cast<int32_t>(row.Int(2));
  ASSIGN_OR_RETURN(const Json fields, ParseJson(row.Text(3), "stored fields"));
  for (const Json& field : fields) record.info.fields.push_back(field.get<std::string>());
  ASSIGN_OR_RETURN(const Json splits, ParseJson(row.Text(4), "stored splits"));
  for (const Json& split : splits) {
    record.info.splits[JsonString(split, "name")] = static_cast<int32_t>(JsonInt(split, "items"));
  }
  record.description = row.Text(5);
  record.size_bytes = row.Int(6);
  record.upload_time = absl::FromUnixMicros(row.Int(7));
  record.key = row.Int(8);
  return record;
}

absl::StatusOr<std::vector<DatasetRecord>> Rows(Statement& statement) {
  std::vector<DatasetRecord> records;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return records;
    ASSIGN_OR_RETURN(DatasetRecord record, RecordOf(statement));
    records.push_back(std::move(record));
  }
}

// The content with this digest whose pages are all there; 0: none.
absl::StatusOr<int64_t> ContentOf(Connection& connection, const std::string& digest) {
  ASSIGN_OR_RETURN(Statement find, connection.Prepare("SELECT id FROM dataset_contents "
                                                      "WHERE digest = ? AND complete = 1"));
  find.BindBlob(Hash::FromHex(digest).bytes());
  ASSIGN_OR_RETURN(const bool found, find.Step());
  return found ? find.Int(0) : 0;
}

absl::StatusOr<int64_t> ContentOf(Connection& connection, const DatasetInfo& dataset) {
  ASSIGN_OR_RETURN(const int64_t content, ContentOf(connection, dataset.digest));
  if (content != 0) return content;
  return NoSuchDataset(fmt::format("{}{}@{}", kCollection, dataset.name, dataset.digest));
}

Json SplitsJson(const ParsedDataset& parsed) {
  Json splits = Json::array();  // in the order of their places in item_splits
  for (const std::string& name : parsed.split_names) {
    splits.push_back({{"name", name}, {"items", parsed.splits.at(name)}});
  }
  return splits;
}

absl::Status RemoveUnused(Connection& connection) {
  RETURN_IF_ERROR(
      connection.Run("DELETE FROM dataset_contents WHERE complete = 1 AND id NOT IN (SELECT "
                     "content FROM datasets)"));
  return connection.Run(
      "DELETE FROM dataset_pages WHERE content NOT IN (SELECT id FROM dataset_contents)");
}

// A split of every item, and the names of splits.
struct ItemSplits {
  std::vector<std::string> names;
  std::string places;

  std::string Of(int32_t number) const {
    const auto place = static_cast<unsigned char>(places[static_cast<size_t>(number) - 1]);
    return place == 0 ? "" : names[place - size_t{1}];
  }
};

absl::StatusOr<ItemSplits> LoadSplits(Connection& connection, int64_t content, int32_t items) {
  ASSIGN_OR_RETURN(Statement read,
                   connection.Prepare("SELECT splits, item_splits_size, item_splits FROM "
                                      "dataset_contents WHERE id = ?"));
  read.Bind(content);
  RETURN_IF_ERROR(read.Step().status());
  ItemSplits splits;
  ASSIGN_OR_RETURN(const Json named, ParseJson(read.Text(0), "stored splits"));
  for (const Json& split : named) splits.names.push_back(JsonString(split, "name"));
  ASSIGN_OR_RETURN(splits.places, Unpack(read.Int(1), read.Blob(2)));
  if (splits.places.size() != static_cast<size_t>(items)) {
    return Error(Reason::kStoreFailed, "the splits of a stored data set are damaged");
  }
  return splits;
}

// Pages of one data set, of which the last that was read is kept.
class PageReader {
 public:
  PageReader(Connection* connection, int64_t content)
      : connection_(connection), content_(content) {}

  absl::StatusOr<Json> Item(int32_t number) {
    if (number < first_ || number >= first_ + static_cast<int32_t>(page_.size())) {
      RETURN_IF_ERROR(Load(number));
    }
    return page_[static_cast<size_t>(number - first_)];
  }

 private:
  absl::Status Load(int32_t number) {
    ASSIGN_OR_RETURN(Statement read, connection_->Prepare(
                                         "SELECT first, size, bytes FROM dataset_pages WHERE "
                                         "content = ? AND first <= ? ORDER BY first DESC LIMIT 1"));
    read.Bind(content_).Bind(int64_t{number});
    ASSIGN_OR_RETURN(const bool found, read.Step());
    if (found) {
      first_ = static_cast<int32_t>(read.Int(0));
      ASSIGN_OR_RETURN(const std::string text, Unpack(read.Int(1), read.Blob(2)));
      ASSIGN_OR_RETURN(page_, ParseJson(text, "a stored page of a data set"));
    }
    if (found && page_.is_array() && number < first_ + static_cast<int32_t>(page_.size())) {
      return absl::OkStatus();
    }
    return Error(Reason::kStoreFailed, fmt::format("item {} of a data set is lost", number));
  }

  Connection* const connection_;
  const int64_t content_;
  int32_t first_ = 0;
  Json page_ = Json::array();
};

}  // namespace

absl::Status CheckDatasetId(const std::string& dataset, std::string_view field) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool fits = !dataset.empty() && dataset.size() <= 63 && letter(dataset[0]) &&
                    std::all_of(dataset.begin(), dataset.end(), [&](char c) {
                      return letter(c) || c == '.' || c == '_' || c == '-';
                    });
  if (fits) return absl::OkStatus();
  return Error(Reason::kInvalidField,
               fmt::format("{}: '{}' must match [a-z0-9][a-z0-9._-]{{0,62}}", field, dataset),
               {{"field", std::string(field)}});
}

absl::StatusOr<std::unique_ptr<DatasetStore>> DatasetStore::Open(Store* store) {
  RETURN_IF_ERROR(store->WriteAndWait([](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(connection.Run("DELETE FROM dataset_contents WHERE complete = 0"));
    return RemoveUnused(connection);
  }));
  return std::unique_ptr<DatasetStore>(new DatasetStore(store));
}

absl::StatusOr<DatasetStore::Added> DatasetStore::Add(const std::string& name,
                                                      const std::string& description,
                                                      ParsedDataset parsed) {
  const std::string digest = parsed.digest;
  int64_t stored = 0;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(stored, ContentOf(connection, digest));
    return absl::OkStatus();
  }));
  int64_t content = 0;
  if (stored == 0) {
    RETURN_IF_ERROR(store_->WriteAndWait([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement insert,
          connection.Prepare("INSERT INTO dataset_contents (digest, items, size_bytes, "
                             "fields, splits, item_splits_size, item_splits) "
                             "VALUES (?, ?, ?, ?, ?, ?, ?)"));
      const Packed splits = Pack(parsed.item_splits);
      insert.BindBlob(Hash::FromHex(digest).bytes())
          .Bind(int64_t{parsed.items})
          .Bind(parsed.size_bytes);
      insert.Bind(DumpJson(parsed.fields)).Bind(DumpJson(SplitsJson(parsed)));
      insert.Bind(splits.SizeColumn(parsed.item_splits)).BindBlob(splits.bytes);
      RETURN_IF_ERROR(insert.Run());
      content = connection.LastInsertId();
      return absl::OkStatus();
    }));
    for (size_t first = 0; first < parsed.pages.size(); first += kPagesAtOnce) {
      const size_t end = std::min(parsed.pages.size(), first + kPagesAtOnce);
      RETURN_IF_ERROR(store_->WriteAndWait([&](Connection& connection) -> absl::Status {
        for (size_t i = first; i < end; ++i) {
          ASSIGN_OR_RETURN(Statement insert,
                           connection.Prepare("INSERT INTO dataset_pages (content, first, size, "
                                              "bytes) VALUES (?, ?, ?, ?)"));
          const DatasetPage& page = parsed.pages[i];
          insert.Bind(content).Bind(int64_t{page.first}).Bind(page.size).BindBlob(page.bytes);
          RETURN_IF_ERROR(insert.Run());
        }
        return absl::OkStatus();
      }));
    }
  }
  Added added;
  RETURN_IF_ERROR(store_->WriteAndWait([&](Connection& connection) -> absl::Status {
    // Another upload of the same may have been faster, or one stored before may be gone by now.
    ASSIGN_OR_RETURN(int64_t winner, ContentOf(connection, digest));
    if (winner == 0) {
      if (content == 0) {
        return Error(Reason::kStoreReadOnly, "the data set was deleted meanwhile: upload it again");
      }
      ASSIGN_OR_RETURN(Statement complete,
                       connection.Prepare("UPDATE dataset_contents SET complete = 1 WHERE id = ?"));
      complete.Bind(content);
      RETURN_IF_ERROR(complete.Run());
      winner = content;
    } else if (content != 0) {
      ASSIGN_OR_RETURN(Statement drop,
                       connection.Prepare("DELETE FROM dataset_contents WHERE id = ?"));
      drop.Bind(content);
      RETURN_IF_ERROR(drop.Run());
      RETURN_IF_ERROR(RemoveUnused(connection));
    }
    ASSIGN_OR_RETURN(Statement known, connection.Prepare("SELECT count(*) FROM datasets WHERE "
                                                         "name = ? AND content = ?"));
    known.Bind(name).Bind(winner);
    RETURN_IF_ERROR(known.Step().status());
    added.existed = known.Int(0) > 0;
    ASSIGN_OR_RETURN(
        Statement insert,
        connection.Prepare("INSERT INTO datasets (name, content, description, upload_time) VALUES "
                           "(?, ?, ?, ?) ON CONFLICT (name, content) DO UPDATE SET "
                           "upload_time = excluded.upload_time, description = CASE WHEN "
                           "excluded.description = '' THEN description ELSE "
                           "excluded.description END"));
    insert.Bind(name).Bind(winner).Bind(description).Bind(absl::ToUnixMicros(absl::Now()));
    return insert.Run();
  }));
  ASSIGN_OR_RETURN(added.record, Get(fmt::format("{}{}@{}", kCollection, name, digest)));
  return added;
}

absl::StatusOr<DatasetRecord> DatasetStore::Get(const std::string& name) const {
  ASSIGN_OR_RETURN(const Reference reference, ParseReference(name));
  std::vector<DatasetRecord> found;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        Statement read,
        connection.Prepare(std::string(kColumns) +
                           "WHERE d.name = ? AND substr(lower(hex(c.digest)), 1, ?) = ? "
                           "ORDER BY d.upload_time DESC, d.id DESC LIMIT 2"));
    read.Bind(reference.dataset).Bind(static_cast<int64_t>(reference.digest.size()));
    read.Bind(reference.digest);
    ASSIGN_OR_RETURN(found, Rows(read));
    return absl::OkStatus();
  }));
  if (found.empty()) return NoSuchDataset(name);
  if (!reference.digest.empty() && found.size() > 1) {
    return Error(Reason::kInvalidField,
                 fmt::format("name: '{}' fits several versions: give more digits", name),
                 {{"field", "name"}});
  }
  return found.front();
}

absl::StatusOr<std::vector<std::string>> DatasetStore::Versions(const std::string& dataset) const {
  std::vector<std::string> digests;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement read,
                     connection.Prepare(std::string(kColumns) +
                                        "WHERE d.name = ? ORDER BY d.upload_time DESC, d.id "
                                        "DESC LIMIT 1000"));
    read.Bind(dataset);
    ASSIGN_OR_RETURN(const std::vector<DatasetRecord> records, Rows(read));
    for (const DatasetRecord& record : records) digests.push_back(record.info.digest);
    return absl::OkStatus();
  }));
  return digests;
}

absl::StatusOr<std::vector<DatasetRecord>> DatasetStore::List(int64_t after, int limit) const {
  std::vector<DatasetRecord> records;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        Statement read,
        connection.Prepare(std::string(kColumns) +
                           "WHERE key > ? AND d.id = (SELECT e.id FROM datasets e WHERE "
                           "e.name = d.name ORDER BY e.upload_time DESC, e.id DESC LIMIT 1) "
                           "ORDER BY key LIMIT ?"));
    read.Bind(after).Bind(int64_t{limit});
    ASSIGN_OR_RETURN(records, Rows(read));
    return absl::OkStatus();
  }));
  return records;
}

absl::StatusOr<std::vector<StoredItem>> DatasetStore::ListItems(const DatasetInfo& dataset,
                                                                const std::string& split,
                                                                int32_t first, int limit,
                                                                size_t max_bytes) const {
  std::vector<StoredItem> items;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t content, ContentOf(connection, dataset));
    ASSIGN_OR_RETURN(const ItemSplits splits, LoadSplits(connection, content, dataset.items));
    PageReader pages(&connection, content);
    size_t bytes = 0;
    for (int32_t number = first; number <= dataset.items; ++number) {
      const std::string of = splits.Of(number);
      if (!split.empty() && of != split) continue;
      ASSIGN_OR_RETURN(Json fields, pages.Item(number));
      bytes += DumpJson(fields).size();
      if (!items.empty() && (bytes > max_bytes || items.size() >= static_cast<size_t>(limit)))
        break;
      items.push_back({number, of, std::move(fields)});
    }
    return absl::OkStatus();
  }));
  return items;
}

absl::Status DatasetStore::Delete(const std::string& name) {
  ASSIGN_OR_RETURN(const Reference reference, ParseReference(name));
  std::string digest;
  if (!reference.digest.empty()) {
    ASSIGN_OR_RETURN(const DatasetRecord record, Get(name));
    digest = record.info.digest;
  }
  bool found = false;
  RETURN_IF_ERROR(store_->WriteAndWait([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        Statement remove,
        connection.Prepare("DELETE FROM datasets WHERE name = ? AND (? = '' OR content "
                           "IN (SELECT id FROM dataset_contents WHERE digest = ?))"));
    remove.Bind(reference.dataset).Bind(digest).BindBlob(Hash::FromHex(digest).bytes());
    RETURN_IF_ERROR(remove.Run());
    found = connection.Changes() > 0;
    return RemoveUnused(connection);
  }));
  return found ? absl::OkStatus() : NoSuchDataset(name);
}

absl::StatusOr<DatasetInfo> DatasetStore::FindDataset(const std::string& name) const {
  ASSIGN_OR_RETURN(DatasetRecord record, Get(name));
  return std::move(record.info);
}

absl::StatusOr<std::vector<int32_t>> DatasetStore::ItemNumbers(const DatasetInfo& dataset,
                                                               const std::string& split) const {
  std::vector<int32_t> numbers;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t content, ContentOf(connection, dataset));
    ASSIGN_OR_RETURN(const ItemSplits splits, LoadSplits(connection, content, dataset.items));
    for (int32_t number = 1; number <= dataset.items; ++number) {
      if (split.empty() || splits.Of(number) == split) numbers.push_back(number);
    }
    return absl::OkStatus();
  }));
  return numbers;
}

absl::StatusOr<std::vector<Json>> DatasetStore::ReadItems(
    const DatasetInfo& dataset, const std::vector<int32_t>& numbers) const {
  std::vector<Json> items;
  RETURN_IF_ERROR(store_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t content, ContentOf(connection, dataset));
    PageReader pages(&connection, content);
    for (const int32_t number : numbers) {
      ASSIGN_OR_RETURN(Json fields, pages.Item(number));
      items.push_back(std::move(fields));
    }
    return absl::OkStatus();
  }));
  return items;
}

}  // namespace troupe
