// Data sets: from bytes to items, and in the store.
#include "server/store/dataset_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

absl::StatusOr<ParsedDataset> Parse(DatasetFormat format, const std::string& text,
                                    SplitRule rule = {}, size_t piece = 1'000'000) {
  DatasetParser parser(format, std::move(rule));
  for (size_t at = 0; at < text.size(); at += piece) {
    const absl::Status added = parser.Add(std::string_view(text).substr(at, piece));
    if (!added.ok()) return added;
  }
  return parser.Finish();
}

class DatasetStoreTest : public testing::Test {
 protected:
  DatasetStoreTest() {
    Store::Options options;
    options.path = (folder_.path() / "test.db").string();
    store_ = *Store::Open(std::move(options));
    datasets_ = *DatasetStore::Open(store_.get());
  }

  DatasetRecord Put(const std::string& name, const std::string& jsonl, SplitRule rule = {}) {
    auto parsed = Parse(DatasetFormat::kJsonl, jsonl, std::move(rule));
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    const auto added = datasets_->Add(name, "", *std::move(parsed));
    EXPECT_TRUE(added.ok()) << added.status();
    existed_ = added->existed;
    return added->record;
  }

  std::vector<Json> ItemsOf(const std::string& name) {
    const auto record = datasets_->Get(name);
    EXPECT_TRUE(record.ok()) << record.status();
    std::vector<Json> items;
    const auto listed = datasets_->ListItems(record->info, "", 1, 100'000, 1 << 30);
    EXPECT_TRUE(listed.ok()) << listed.status();
    for (const StoredItem& item : *listed) items.push_back(item.fields);
    return items;
  }

  int64_t Count(const std::string& table) {
    int64_t count = 0;
    EXPECT_TRUE(store_
                    ->Read([&](Connection& connection) -> absl::Status {
                      auto statement = connection.Prepare("SELECT count(*) FROM " + table);
                      EXPECT_TRUE(statement->Step().ok());
                      count = statement->Int(0);
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<DatasetStore> datasets_;
  bool existed_ = false;
};

// By RFC 4180, in whatever pieces the bytes come.
TEST_F(DatasetStoreTest, ReadsCsv) {
  const std::string csv =
      "\xEF\xBB\xBFquestion,answer,note\r\n"
      "\"What is \"\"it\"\"?\",\"a, b\",\r\n"
      "\"two\r\nlines\", spaces ,\"\"\n"
      "\n"
      "caf\u00e9,1,last";
  for (const size_t piece : {size_t{3}, size_t{7}, csv.size()}) {
    auto parsed = Parse(DatasetFormat::kCsv, csv, {}, piece);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_TRUE(datasets_->Add(fmt::format("csv{}", piece), "", *std::move(parsed)).ok());
    const std::vector<Json> items = ItemsOf(fmt::format("datasets/csv{}", piece));
    ASSERT_EQ(items.size(), 3u);
    EXPECT_EQ(items[0], (Json{{"question", "What is \"it\"?"}, {"answer", "a, b"}, {"note", ""}}));
    EXPECT_EQ(items[1], (Json{{"question", "two\r\nlines"}, {"answer", " spaces "}, {"note", ""}}));
    EXPECT_EQ(items[2], (Json{{"question", "caf\u00e9"}, {"answer", "1"}, {"note", "last"}}));
  }
}

TEST_F(DatasetStoreTest, NamesLineAndColumnOfWhatIsWrong) {
  struct Row {
    DatasetFormat format;
    const char* text;
    const char* where;
  };
  constexpr auto kCsv = DatasetFormat::kCsv;
  constexpr auto kJsonl = DatasetFormat::kJsonl;
  for (const Row& row :
       {Row{kCsv, "a,b\n1,2\n3,4,5\n", "line 3 has 3 fields"},
        Row{kCsv, "a,b\n\"1\n2\",x\n3\n", "line 4 has 1 fields"},
        Row{kCsv, "a,b\n1,x\"y\n", "line 2, column 4"},
        Row{kCsv, "a,b\n1,\"x\"y\n", "line 2, column 6"},
        Row{kCsv, "a,b\n1,\"x\n\n", "line 2 begins a row that ends within quotes"},
        Row{kCsv, "a,a\n1,2\n", "line 1 names two fields 'a'"},
        Row{kCsv, "a,\n1,2\n", "line 1 gives field 2 no name"},
        Row{kCsv, "a\n\xff\n", "line 2 field 'a' is not UTF-8"}, Row{kCsv, "a,b\n", "has no items"},
        Row{kJsonl, "{\"a\": 1}\n\n{\"a\": }\n", "line 3, column 7"},
        Row{kJsonl, "{\"a\": 1}\n[1]\n", "line 2, column 1"},
        Row{kJsonl, "{\"a\": \"\xff\"}\n", "line 1, column"},
        Row{kJsonl, "{\"a\": 1}\n{", "line 2, column"}, Row{kJsonl, "{}", "line 1 has no fields"},
        Row{kJsonl, "", "has no items"}}) {
    const auto parsed = Parse(row.format, row.text);
    ASSERT_EQ(ReasonOf(parsed.status()), Reason::kInvalidField) << row.text;
    EXPECT_NE(MessageOf(parsed.status()).find(row.where), std::string_view::npos)
        << parsed.status() << " for " << row.text;
  }
}

TEST_F(DatasetStoreTest, KeepsLimits) {
  DatasetLimits limits;
  limits.items = 2;
  limits.bytes = 100;
  limits.item_bytes = 20;
  const auto fails = [&](const std::string& text) {
    for (const DatasetFormat format : {DatasetFormat::kJsonl, DatasetFormat::kCsv}) {
      DatasetParser parser(format, {}, limits);
      const absl::Status added = parser.Add(text);
      if (ReasonOf(added) != Reason::kInvalidField) return false;
      if (format == DatasetFormat::kJsonl && text[0] != '{') continue;
    }
    return true;
  };
  EXPECT_TRUE(fails("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"));
  EXPECT_TRUE(fails("{\"a\":\"" + std::string(60, 'x')));  // no end of the line
  EXPECT_TRUE(fails(std::string(101, '\n')));
  DatasetParser csv(DatasetFormat::kCsv, {}, limits);
  EXPECT_EQ(ReasonOf(csv.Add("a\n\"" + std::string(60, 'x'))), Reason::kInvalidField);
}

TEST_F(DatasetStoreTest, TheSameUploadIsTheSameVersion) {
  const std::string jsonl = "{\"q\": \"a\", \"n\": 1}\n{\"q\": \"b\"}\n";
  const DatasetRecord first = Put("set", jsonl);
  EXPECT_FALSE(existed_);
  EXPECT_EQ(first.info.items, 2);
  EXPECT_EQ(first.info.fields, (std::vector<std::string>{"n", "q"}));
  // The order of fields and white space are not content.
  const DatasetRecord again = Put("set", "{\"n\":1,\"q\":\"a\"}\r\n\n{ \"q\" : \"b\" }");
  EXPECT_TRUE(existed_);
  EXPECT_EQ(again.info.digest, first.info.digest);
  const DatasetRecord other = Put("set", jsonl + "{\"q\": \"c\"}\n");
  EXPECT_FALSE(existed_);
  EXPECT_NE(other.info.digest, first.info.digest);
  EXPECT_EQ(datasets_->Get("datasets/set")->info.digest, other.info.digest);
  EXPECT_EQ(datasets_->Get("datasets/set@" + first.info.digest.substr(0, 8))->info.items, 2);
  EXPECT_EQ(*datasets_->Versions("set"),
            (std::vector<std::string>{other.info.digest, first.info.digest}));
  // What is uploaded again is the newest again.
  Put("set", jsonl);
  EXPECT_EQ(datasets_->Get("datasets/set")->info.digest, first.info.digest);
  // Under another name the items are shared.
  Put("twin", jsonl);
  EXPECT_FALSE(existed_);
  EXPECT_EQ(Count("dataset_contents"), 2);
}

TEST_F(DatasetStoreTest, SplitsByAFieldOrByContent) {
  SplitRule by_field;
  by_field.field = "part";
  const DatasetRecord record =
      Put("set", "{\"q\": 1, \"part\": \"train\"}\n{\"q\": 2}\n{\"q\": 3, \"part\": \"test\"}\n",
          by_field);
  EXPECT_EQ(record.info.splits, (std::map<std::string, int32_t>{{"test", 1}, {"train", 1}}));
  EXPECT_EQ(*datasets_->ItemNumbers(record.info, "test"), (std::vector<int32_t>{3}));
  EXPECT_EQ(*datasets_->ItemNumbers(record.info, ""), (std::vector<int32_t>{1, 2, 3}));
  EXPECT_EQ((*datasets_->ReadItems(record.info, {1, 3}))[1]["q"], 3);

  SplitRule drawn;
  drawn.shares = {{"train", 0.2}, {"test", 0.7}};
  std::string many;
  for (int i = 0; i < 2000; ++i) many += fmt::format("{{\"q\": {}}}\n", i);
  const DatasetRecord large = Put("large", many, drawn);
  EXPECT_NEAR(large.info.splits.at("train"), 400, 60);
  EXPECT_NEAR(large.info.splits.at("test"), 1400, 80);
  EXPECT_EQ(Put("large", many, drawn).info.splits, large.info.splits);
  EXPECT_TRUE(existed_);
  // Other splits of the same items are another version.
  EXPECT_NE(Put("large", many).info.digest, large.info.digest);

  SplitRule wrong;
  wrong.shares = {{"a", 0.6}, {"b", 0.6}};
  EXPECT_EQ(ReasonOf(CheckSplitRule(wrong)), Reason::kInvalidField);
  wrong.shares = {{"a b", 0.6}};
  EXPECT_EQ(ReasonOf(CheckSplitRule(wrong)), Reason::kInvalidField);
  EXPECT_EQ(ReasonOf(Parse(DatasetFormat::kJsonl, "{\"part\": \"a b\"}", by_field).status()),
            Reason::kInvalidField);
}

TEST_F(DatasetStoreTest, ListsInPages) {
  std::string many;
  for (int i = 1; i <= 300; ++i) many += fmt::format("{{\"q\": {}, \"p\": \"p{}\"}}\n", i, i % 3);
  SplitRule rule;
  rule.field = "p";
  const DatasetRecord record = Put("set", many, rule);
  int32_t next = 1;
  int seen = 0;
  while (next <= 300) {
    const auto page = datasets_->ListItems(record.info, "p1", next, 7, 1 << 20);
    ASSERT_TRUE(page.ok()) << page.status();
    if (page->empty()) break;
    ASSERT_LE(page->size(), 7u);
    for (const StoredItem& item : *page) {
      EXPECT_EQ(item.fields["q"], item.number);
      EXPECT_EQ(item.split, "p1");
      ++seen;
    }
    next = page->back().number + 1;
  }
  EXPECT_EQ(seen, 100);
  EXPECT_EQ(datasets_->ListItems(record.info, "", 1, 100, 10)->size(), 1u);  // bytes bound it, too
  Put("b", "{\"q\": 1}");
  Put("a", "{\"q\": 1}");
  const auto first = datasets_->List(0, 2);
  ASSERT_EQ(first->size(), 2u);
  const auto rest = datasets_->List(first->back().key, 2);
  ASSERT_EQ(rest->size(), 1u);
  EXPECT_EQ(rest->front().info.name, "a");
}

TEST_F(DatasetStoreTest, DeletesWhatNobodyUses) {
  const DatasetRecord one = Put("set", "{\"q\": 1}");
  const DatasetRecord two = Put("set", "{\"q\": 2}");
  Put("twin", "{\"q\": 1}");
  ASSERT_TRUE(datasets_->Delete("datasets/set@" + two.info.digest).ok());
  EXPECT_EQ(datasets_->Get("datasets/set")->info.digest, one.info.digest);
  EXPECT_EQ(Count("dataset_pages"), 1);
  ASSERT_TRUE(datasets_->Delete("datasets/set").ok());
  EXPECT_EQ(ReasonOf(datasets_->Get("datasets/set").status()), Reason::kNotFound);
  EXPECT_EQ(ItemsOf("datasets/twin").size(), 1u);
  ASSERT_TRUE(datasets_->Delete("datasets/twin").ok());
  EXPECT_EQ(Count("dataset_pages"), 0);
  EXPECT_EQ(ReasonOf(datasets_->Delete("datasets/twin")), Reason::kNotFound);
  for (const char* name :
       {"set", "datasets/", "datasets/A", "datasets/set@12", "datasets/set@xyz"}) {
    EXPECT_EQ(ReasonOf(datasets_->Get(name).status()), Reason::kInvalidField) << name;
  }
}

// What an upload left that a crash cut off is gone when the server starts.
TEST_F(DatasetStoreTest, RemovesWhatAnUploadLeft) {
  Put("set", "{\"q\": 1}");
  ASSERT_TRUE(
      store_
          ->WriteAndWait([](Connection& connection) {
            return connection.Execute(
                "INSERT INTO dataset_contents (id, digest, items, size_bytes, fields, "
                "splits, item_splits_size, item_splits) VALUES (99, x'00', 1, 1, '[]', '[]', "
                "0, x'00'); INSERT INTO dataset_pages VALUES (99, 1, 0, x'5b5d')");
          })
          .ok());
  EXPECT_EQ(Count("dataset_pages"), 2);
  ASSERT_TRUE(DatasetStore::Open(store_.get()).ok());
  EXPECT_EQ(Count("dataset_contents"), 1);
  EXPECT_EQ(Count("dataset_pages"), 1);
}

}  // namespace
}  // namespace troupe
