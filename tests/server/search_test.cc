// Full-text search over spans, and how the store packs what it keeps.
#include <gtest/gtest.h>

#include "agents/runtime/content.h"
#include "server/store/indexes.h"
#include "server/store/packed.h"
#include "server/store/schema.h"
#include "server/store/task_table.h"
#include "server/store/trace_queries.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

class SearchTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened =
        Connection::Open((folder_.path() / "troupe.db").string(), Connection::Mode::kReadWrite);
    ASSERT_TRUE(opened.ok()) << opened.status();
    connection_ = *std::move(opened);
    ASSERT_TRUE(Migrate(*connection_).ok());
  }

  // A task with one ended span for each text; span keys count on from 1.
  void AddTask(const std::string& name, const std::vector<std::string>& texts) {
    TaskRow row;
    row.name = name;
    row.create_time = row.update_time = absl::FromUnixSeconds(1'000'000'000);
    ASSERT_TRUE(InsertTask(*connection_, row).ok());
    int64_t sequence = 0;
    for (const std::string& text : texts) {
      SpanRecord span;
      span.path = "call:" + std::to_string(sequence);
      span.begin_sequence = ++sequence;
      JournalEntry begin{.task_id = name, .begun = {span}};
      ASSERT_TRUE(AppendEntry(*connection_, begin).ok());
      span.end_sequence = ++sequence;
      span.search_text = text;
      JournalEntry end{.task_id = name, .ended = {span}};
      ASSERT_TRUE(AppendEntry(*connection_, end).ok());
    }
  }

  // Keys of the spans that are found, page after page.
  std::vector<int64_t> Find(const std::string& query, int page_size = 10, int64_t task = 0) {
    std::vector<int64_t> keys;
    int64_t before = 0;
    do {
      auto page = SearchSpanText(*connection_, query, task, before, page_size);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      for (const SearchHit& hit : page->hits) keys.push_back(hit.span_key);
      before = page->next_before;
    } while (before != 0);
    return keys;
  }

  std::string Snippet(const std::string& query) {
    auto page = SearchSpanText(*connection_, query, 0, 0, 1);
    return page.ok() && !page->hits.empty() ? page->hits[0].snippet : "";
  }

  // What one write of the index leaves is a segment, whose number is part of its rows' keys.
  int64_t Segments() {
    auto segments =
        connection_->Prepare("SELECT count(DISTINCT id >> 37) FROM span_search_data WHERE id > 10");
    return segments->Step().ok() ? segments->Int(0) : -1;
  }

  // Compares the index with the texts that it is made from.
  void ExpectSoundIndex() {
    const absl::Status checked = connection_->Execute(
        "INSERT INTO span_search (span_search, rank) VALUES ('integrity-check', 1)");
    EXPECT_TRUE(checked.ok()) << checked;
  }

  using Keys = std::vector<int64_t>;
  TempFolder folder_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(SearchTest, FindsWordsPhrasesAndPrefixesNewestFirst) {
  AddTask("a", {"The quick brown fox", "brown quick: no fox-hunt", "Größe of the café"});
  AddTask("b", {"a quick brown bird"});
  EXPECT_EQ(Find("quick brown"), (Keys{4, 2, 1}));
  EXPECT_EQ(Find("\"quick brown\""), (Keys{4, 1}));
  EXPECT_EQ(Find("\"QUICK  brown\" fox"), (Keys{1}));
  EXPECT_EQ(Find("fox-hunt"), (Keys{2}));
  EXPECT_EQ(Find("hunt-fox"), (Keys{}));
  EXPECT_EQ(Find("CAFE grosse"), (Keys{}));
  EXPECT_EQ(Find("cafe größe"), (Keys{3}));
  EXPECT_EQ(Find("bir*"), (Keys{4}));
  EXPECT_EQ(Find("bir"), (Keys{}));
  EXPECT_EQ(Find("quick", 10, 2), (Keys{4}));
  EXPECT_EQ(Snippet("brown bird"), "a quick [brown] [bird]");
}

TEST_F(SearchTest, TakesWhatLooksLikeAnOperatorForWords) {
  AddTask("a", {"this AND that (or NEAR) text: none"});
  EXPECT_EQ(Find("AND"), (Keys{1}));
  EXPECT_EQ(Find("(or"), (Keys{1}));
  EXPECT_EQ(Find("text:none"), (Keys{1}));
  for (const char* query : {"", "  ", "\"open", "*", "--", "\"\""}) {
    const auto page = SearchSpanText(*connection_, query, 0, 0, 10);
    EXPECT_EQ(ReasonOf(page.status()), Reason::kInvalidField) << query;
  }
}

TEST_F(SearchTest, PagesThroughEveryHitOnce) {
  AddTask("a", std::vector<std::string>(25, "same words here"));
  Keys all(25);
  for (int i = 0; i < 25; ++i) all[i] = 25 - i;
  EXPECT_EQ(Find("words", 7), all);
  EXPECT_EQ(Find("\"same words\"", 5), all);
}

TEST_F(SearchTest, LeavesOutOfATextWhatTheReplySaysToo) {
  std::string words;
  for (int i = 0; i < 400; ++i) words += "word" + std::to_string(i * i) + " ";
  AddTask("a", {""});
  SpanRecord span;
  span.begin_sequence = 1;
  span.end_sequence = 3;
  span.search_text = "What are the words?\n" + words;
  const std::string reply = "{\"text\":\"" + words + "\"}";
  JournalEntry end{.task_id = "a", .contents = {{Sha256(reply), reply}}, .ended = {span}};
  ASSERT_TRUE(AppendEntry(*connection_, end).ok());
  EXPECT_EQ(Snippet("\"the words\" word160000"), "");
  EXPECT_EQ(Snippet("\"the words\""),
            "What are [the] [words]?\nword0 word1 word4 word9 word16 "
            "word25 word36 word49 word64 word81 word100 word121...");
  EXPECT_EQ(Find("word159201"), (Keys{1}));
  auto stored = connection_->Prepare("SELECT length(bytes) FROM span_texts");
  ASSERT_TRUE(stored->Step().ok());
  EXPECT_LT(stored->Int(0), 100);
}

TEST_F(SearchTest, WritesTheIndexOnceForAllOfATransaction) {
  ASSERT_TRUE(connection_->Execute("BEGIN").ok());
  AddTask("a", std::vector<std::string>(100, "some words"));
  ASSERT_TRUE(connection_->Execute("COMMIT").ok());
  // What one write of the index leaves is a segment, whose number is part of its rows' keys.
  auto segments =
      connection_->Prepare("SELECT count(DISTINCT id >> 37) FROM span_search_data WHERE id > 10");
  ASSERT_TRUE(segments->Step().ok());
  EXPECT_EQ(segments->Int(0), 1);
  EXPECT_EQ(Find("words").size(), 100u);
}

TEST_F(SearchTest, PutsTextsOffUntilThereAreSomeOrSomebodyAsks) {
  AddTask("a", {});
  Indexes indexes;
  TextIndex& index = indexes.texts;
  int64_t sequence = 0;
  const auto add = [&](int count) {
    ASSERT_TRUE(connection_->Execute("BEGIN").ok());
    ASSERT_TRUE(index.Begin(*connection_, /*at_once=*/false).ok());
    for (int i = 0; i < count; ++i) {
      SpanRecord span;
      span.begin_sequence = ++sequence;
      span.end_sequence = ++sequence;
      span.search_text = "some words";
      const JournalEntry entry{.task_id = "a", .begun = {span}, .ended = {span}};
      ASSERT_TRUE(AppendEntry(*connection_, entry, &indexes).ok());
    }
    ASSERT_TRUE(index.Finish(*connection_, /*all=*/false).ok());
  };
  const auto commit = [&] {
    ASSERT_TRUE(connection_->Execute("COMMIT").ok());
    index.Committed();
  };
  for (int i = 0; i < 10; ++i) {
    add(10);
    commit();
  }
  EXPECT_TRUE(index.behind());
  EXPECT_EQ(Segments(), 0);
  // What a transaction put off goes with it.
  add(100);
  ASSERT_TRUE(connection_->Execute("ROLLBACK").ok());
  add(0);
  ASSERT_TRUE(index.CatchUp(*connection_).ok());
  commit();
  EXPECT_FALSE(index.behind());
  EXPECT_EQ(Segments(), 1);
  EXPECT_EQ(Find("words", 200).size(), 100u);
  // Many are written by themselves.
  for (int i = 0; i < 6; ++i) {
    add(100);
    commit();
  }
  EXPECT_FALSE(index.behind());
  EXPECT_EQ(Segments(), 2);
  EXPECT_EQ(Find("words", 800).size(), 700u);
}

TEST_F(SearchTest, FindsWhatWasPutOffWhenTheServerWasKilled) {
  AddTask("a", {"first words"});
  {
    Indexes indexes;  // goes without having caught up
    TextIndex& index = indexes.texts;
    ASSERT_TRUE(index.Begin(*connection_, /*at_once=*/false).ok());
    SpanRecord span;
    span.begin_sequence = 10;
    span.end_sequence = 11;
    span.search_text = "other words";
    const JournalEntry entry{.task_id = "a", .begun = {span}, .ended = {span}};
    ASSERT_TRUE(AppendEntry(*connection_, entry, &indexes).ok());
  }
  EXPECT_EQ(Find("words"), (Keys{1}));
  ASSERT_TRUE(TextIndex::AddMissing(*connection_).ok());
  ASSERT_TRUE(TextIndex::AddMissing(*connection_).ok());
  EXPECT_EQ(Find("words"), (Keys{2, 1}));
  ExpectSoundIndex();
}

TEST_F(SearchTest, KeepsNoTextThatTwoMessagesSay) {
  AddTask("a", {});
  const auto end = [&](int64_t sequence, const std::string& question, const std::string& answer) {
    ChatRequest request;
    request.messages.push_back(UserMessage(question));
    ChatReply reply;
    reply.message = AssistantMessage(answer);
    SpanRecord span;
    span.begin_sequence = sequence;
    span.search_text = SearchText(request.messages.back(), reply.message);
    StoredValue asked = StoreChatRequest(request, "r", [](const Hash&) { return false; });
    StoredValue replied = StoreChatReply(reply, request.messages.stored_hash());
    span.asked_hash = request.messages.stored_hash();
    span.replied_hash = replied.message;
    ASSERT_TRUE(
        AppendEntry(*connection_, {.task_id = "a", .contents = asked.contents, .begun = {span}})
            .ok());
    span.end_sequence = sequence + 1;
    ASSERT_TRUE(
        AppendEntry(*connection_, {.task_id = "a", .contents = replied.contents, .ended = {span}})
            .ok());
  };
  end(1, "What is \"Größe\"?\n\tSay it.", "A German word for \\ size.");
  std::string words;
  for (int i = 0; i < 3000; ++i) words += "word" + std::to_string(i * i) + " ";
  end(3, words, words + "last");  // both are cut off
  auto kept = connection_->Prepare("SELECT count(*) FROM span_texts WHERE bytes IS NULL");
  ASSERT_TRUE(kept->Step().ok());
  EXPECT_EQ(kept->Int(0), 2);
  EXPECT_EQ(Find("größe german"), (Keys{1}));
  EXPECT_EQ(Find("\"say it\""), (Keys{1}));
  EXPECT_EQ(Snippet("german"), "What is \"Größe\"?\n\tSay it.\nA [German] word for \\ size.");
  EXPECT_EQ(Find("word100"), (Keys{2}));
  EXPECT_EQ(Find("last"), (Keys{}));
  ExpectSoundIndex();
  ASSERT_TRUE(DeleteTask(*connection_, "a").ok());
  EXPECT_EQ(Find("german"), (Keys{}));
  EXPECT_EQ(Find("word100"), (Keys{}));
  for (const char* table : {"contents", "span_texts"}) {
    auto left = connection_->Prepare(std::string("SELECT count(*) FROM ") + table);
    ASSERT_TRUE(left->Step().ok());
    EXPECT_EQ(left->Int(0), 0) << table;
  }
  ExpectSoundIndex();
}

TEST_F(SearchTest, ASpanThatEndsAgainHasItsLastEnd) {
  AddTask("a", {""});
  SpanRecord span;
  span.begin_sequence = 1;
  for (const int64_t sequence : {3, 4}) {
    span.end_sequence = sequence;
    ASSERT_TRUE(AppendEntry(*connection_, {.task_id = "a", .ended = {span}}).ok());
  }
  auto ends = connection_->Prepare("SELECT count(*), max(end_sequence) FROM span_ends");
  ASSERT_TRUE(ends->Step().ok());
  EXPECT_EQ(ends->Int(0), 1);
  EXPECT_EQ(ends->Int(1), 4);
}

TEST_F(SearchTest, ForgetsATaskWithoutATraceInTheIndex) {
  std::string words;
  for (int i = 0; i < 400; ++i) words += "word" + std::to_string(i) + " ";
  AddTask("a", {words, "stays"});
  AddTask("b", {words});
  EXPECT_EQ(Find("word7 word399"), (Keys{3, 1}));
  ASSERT_TRUE(DeleteTask(*connection_, "a").ok());
  EXPECT_EQ(Find("word7"), (Keys{3}));
  EXPECT_EQ(Find("stays"), (Keys{}));
  ExpectSoundIndex();
}

TEST_F(SearchTest, KeepsLongSpecsAndResultsAsTheyWere) {
  TaskRow row;
  row.name = "a";
  row.create_time = row.update_time = absl::FromUnixSeconds(1'000'000'000);
  for (int i = 0; i < 300; ++i) row.spec += "question " + std::to_string(i * i);
  ASSERT_TRUE(InsertTask(*connection_, row).ok());
  EXPECT_EQ(ReadTask(*connection_, "a")->spec, row.spec);
  TaskRow change;  // as a caller that holds no spec has it
  change.name = "a";
  change.update_time = row.update_time;
  change.result = row.spec + "answer";
  ASSERT_TRUE(UpdateTask(*connection_, change).ok());
  EXPECT_EQ(ReadTask(*connection_, "a")->result, change.result);
  auto stored = connection_->Prepare("SELECT length(result) FROM tasks");
  ASSERT_TRUE(stored->Step().ok());
  EXPECT_LT(stored->Int(0), 200);
}

TEST(PackedTest, SaysWhatIsDamaged) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::to_string(i * i);
  const Packed packed = Pack(text);
  ASSERT_TRUE(packed.compressed);
  EXPECT_EQ(*Unpack(packed.SizeColumn(text), packed.bytes), text);
  EXPECT_EQ(ReasonOf(Unpack(packed.SizeColumn(text) + 1, packed.bytes).status()),
            Reason::kStoreFailed);
  EXPECT_EQ(ReasonOf(Unpack(int64_t{1} << 60, "short").status()), Reason::kStoreFailed);
  EXPECT_EQ(ReasonOf(Unpack(packed.SizeColumn(text), packed.bytes.substr(0, 50)).status()),
            Reason::kStoreFailed);
  EXPECT_FALSE(Pack("short").compressed);
}

}  // namespace
}  // namespace troupe
