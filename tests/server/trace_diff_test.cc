#include "server/services/trace_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/slowness.h"
#include "tools/base/hash.h"

namespace troupe {
namespace {

using testing::ElementsAre;
using v1::SpanDiff;

// A trace whose spans are added one after another.
class Trace {
 public:
  SpanRecord& Add(const std::string& path, SpanKind kind = SpanKind::kModelCall) {
    SpanRecord span;
    span.path = path;
    span.kind = kind;
    span.state = SpanState::kOk;
    span.begin_sequence = ++sequence_;
    span.end_sequence = ++sequence_;
    span.request_hash = Sha256("request of " + path);
    span.result_hash = Sha256("result of " + path);
    spans.push_back(span);
    return spans.back();
  }
  std::vector<SpanRecord> spans;

 private:
  int64_t sequence_ = 0;
};

std::vector<std::string> Paths(const TraceDiff& diff) {
  std::vector<std::string> paths;
  for (const SpanPair& pair : diff.pairs) {
    if (pair.differs()) paths.push_back(pair.any().path);
  }
  return paths;
}

TEST(TraceDiffTest, EqualTracesDoNotDiffer) {
  Trace a;
  a.Add("", SpanKind::kSpan);
  a.Add("one").usage.input_tokens = 5;
  const TraceDiff diff = CompareTraces(a.spans, a.spans);
  EXPECT_EQ(diff.First(), nullptr);
  EXPECT_EQ(diff.pairs.size(), 2U);
  EXPECT_EQ(diff.usage_a.input_tokens, 5);
}

TEST(TraceDiffTest, EveryAspectIsTold) {
  Trace a;
  Trace b;
  SpanRecord& before = a.Add("x");
  SpanRecord& after = b.Add("x", SpanKind::kToolCall);
  after.request_hash = Sha256("other");
  after.result_hash = Sha256("other");
  after.state = SpanState::kError;
  after.model = "other";
  before.attributes = {{"score", 6}, {"same", 1}, {"gone", true}};
  after.attributes = {{"score", 9}, {"same", 1}, {"came", true}};
  after.usage.output_tokens = 7;
  after.usage.cost_microusd = 1;
  const TraceDiff diff = CompareTraces(a.spans, b.spans);
  ASSERT_EQ(diff.pairs.size(), 1U);
  EXPECT_THAT(diff.pairs[0].aspects,
              ElementsAre(SpanDiff::ASPECT_KIND, SpanDiff::ASPECT_REQUEST, SpanDiff::ASPECT_RESULT,
                          SpanDiff::ASPECT_STATE, SpanDiff::ASPECT_ATTRIBUTES,
                          SpanDiff::ASPECT_MODEL, SpanDiff::ASPECT_TOKENS, SpanDiff::ASPECT_COST));
  EXPECT_THAT(diff.pairs[0].attributes, ElementsAre("came", "gone", "score"));
}

TEST(TraceDiffTest, WhereASpanComesFromAndHowLongItTookIsNoDifference) {
  Trace a;
  Trace b;
  a.Add("x");
  SpanRecord& after = b.Add("x");
  after.attributes = {{kInheritedFrom, "tasks/a/spans/1"}, {kRequestDiffers, true}};
  after.end_time = absl::Now();
  after.usage.model_time = absl::Seconds(3);
  EXPECT_EQ(CompareTraces(a.spans, b.spans).First(), nullptr);
}

TEST(TraceDiffTest, TheFirstDifferenceIsTheEffectThatCausedTheOthers) {
  Trace a;
  Trace b;
  for (Trace* trace : {&a, &b}) {
    trace->Add("", SpanKind::kSpan).attributes["score"] = trace == &a ? 1 : 2;
    trace->Add("step:1", SpanKind::kSpan).attributes["score"] = trace == &a ? 1 : 2;
    trace->Add("step:1/same");
    trace->Add("step:1/ask").result_hash = Sha256(trace == &a ? "yes" : "no");
    trace->Add("step:1/then").request_hash = Sha256(trace == &a ? "yes" : "no");
  }
  const TraceDiff diff = CompareTraces(a.spans, b.spans);
  ASSERT_NE(diff.First(), nullptr);
  EXPECT_EQ(diff.First()->any().path, "step:1/ask");
  EXPECT_THAT(Paths(diff), ElementsAre("", "step:1", "step:1/ask", "step:1/then"));
}

TEST(TraceDiffTest, SpansOfOneAloneStandWhereTheyHappened) {
  Trace a;
  Trace b;
  for (const char* path : {"1", "2", "gone", "3"}) a.Add(path);
  // The branches of b ran in another order.
  for (const char* path : {"2", "1", "new", "newer", "3"}) b.Add(path);
  const TraceDiff diff = CompareTraces(a.spans, b.spans);
  std::vector<std::string> order;
  for (const SpanPair& pair : diff.pairs) order.push_back(pair.any().path);
  EXPECT_THAT(order, ElementsAre("1", "2", "new", "newer", "gone", "3"));
  EXPECT_THAT(Paths(diff), ElementsAre("new", "newer", "gone"));
  EXPECT_EQ(diff.Find("new")->a, nullptr);
  EXPECT_EQ(diff.Find("gone")->b, nullptr);
  EXPECT_EQ(diff.Find("none"), nullptr);
}

TEST(TraceDiffTest, RepliesThatSayTheSameAreTheSame) {
  std::map<std::string, std::string> contents;
  const auto reply_of = [&](const std::string& text, const std::string& id) {
    ChatReply reply;
    reply.message = AssistantMessage(text);
    reply.response_id = id;
    const StoredValue stored = StoreChatReply(reply);
    for (const Content& content : stored.contents) contents[content.hash.hex()] = content.bytes;
    contents[stored.root.hex()] = stored.root_bytes;
    return stored.root;
  };
  const ReadContentFn read = [&](const Hash& hash) { return contents.at(hash.hex()); };
  Trace a;
  Trace b;
  a.Add("same").result_hash = reply_of("yes", "id-1");
  b.Add("same").result_hash = reply_of("yes", "id-2");
  a.Add("other").result_hash = reply_of("yes", "id-3");
  b.Add("other").result_hash = reply_of("no", "id-4");
  EXPECT_THAT(Paths(CompareTraces(a.spans, b.spans, read)), ElementsAre("other"));
}

TEST(TraceDiffTest, LargeTracesAreComparedQuickly) {
  Trace a;
  Trace b;
  for (int i = 0; i < 50'000; ++i) {
    const std::string path = "step:" + std::to_string(i / 10) + "/call:" + std::to_string(i);
    a.Add(path).attributes["score"] = i;
    b.Add(path).attributes["score"] = i + i % 2;
  }
  const absl::Time start = absl::Now();
  const TraceDiff diff = CompareTraces(a.spans, b.spans);
  EXPECT_EQ(Paths(diff).size(), 25'000U);
  // Ten times the largest usual trace; the bound leaves room for busy machines.
  EXPECT_LT(absl::Now() - start, absl::Seconds(2) * Slowness());
}

}  // namespace
}  // namespace troupe
