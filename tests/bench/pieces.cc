// What single pieces of a durable call cost.
#include <benchmark/benchmark.h>
#include <google/protobuf/util/json_util.h>

#include <filesystem>

#include "agents/models/openai_codec.h"
#include "agents/prompts/prompt_template.h"
#include "agents/runtime/content.h"
#include "agents/trace/propagate.h"
#include "server/services/convert.h"
#include "server/services/filter.h"
#include "server/store/journal_table.h"
#include "server/store/store.h"
#include "tests/bench/folder.h"
#include "tools/base/hash.h"
#include "tools/http/sse_parser.h"

namespace troupe {
namespace {

ChatRequest RequestOf(int turns) {
  ChatRequest request;
  for (int i = 0; i < turns; ++i) {
    request.messages.push_back(UserMessage("What is " + std::to_string(i) + " times seven?"));
    request.messages.push_back(AssistantMessage(std::to_string(7 * i) + ", as you would expect."));
  }
  request.messages.push_back(UserMessage("And the sum of them all?"));
  return request;
}

SpanRecord SpanOf(int64_t number) {
  SpanRecord span;
  span.path = "turn:" + std::to_string(number) + "/reply:1";
  span.kind = SpanKind::kModelCall;
  span.type = "chat";
  span.title = "reply:1";
  span.role = "assistant";
  span.model = "m";
  span.state = SpanState::kOk;
  span.begin_sequence = 2 * number + 1;
  span.end_sequence = 2 * number + 2;
  span.search_text = "What is six times seven? Forty-two, as you would expect.";
  return span;
}

void EncodeRequest(benchmark::State& state) {
  const ModelConfig config;
  const ChatRequest request = RequestOf(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(EncodeOpenAiRequest(request, config, false));
}
BENCHMARK(EncodeRequest)->Arg(1)->Arg(20)->Arg(200);

// The conversation is known but for its last message, as in a running task.
void StoreNextRequest(benchmark::State& state) {
  ChatRequest request = RequestOf(static_cast<int>(state.range(0)));
  const auto known = [](const std::string&) { return true; };
  StoreChatRequest(request, "assistant", known);
  for (auto _ : state) {
    ChatRequest next = request;
    next.messages.push_back(UserMessage("And then?"));
    benchmark::DoNotOptimize(StoreChatRequest(next, "assistant", known));
  }
}
BENCHMARK(StoreNextRequest)->Arg(1)->Arg(200);

void StoreReply(benchmark::State& state) {
  ChatReply reply;
  reply.message = AssistantMessage("Forty-two, as you would expect.");
  reply.model = "m";
  const std::string conversation = Sha256Hex("conversation");
  for (auto _ : state) benchmark::DoNotOptimize(StoreChatReply(reply, conversation));
}
BENCHMARK(StoreReply);

void HashOfBytes(benchmark::State& state) {
  const std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(Sha256Hex(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(HashOfBytes)->Arg(200)->Arg(64 * 1024);

void SpanToMessage(benchmark::State& state) {
  const StoredSpan span{1, "task", SpanOf(1)};
  for (auto _ : state) benchmark::DoNotOptimize(SpanMessage(span));
}
BENCHMARK(SpanToMessage);

void SpanToJson(benchmark::State& state) {
  const v1::Span message = SpanMessage({1, "task", SpanOf(1)});
  for (auto _ : state) {
    std::string json;
    benchmark::DoNotOptimize(google::protobuf::util::MessageToJsonString(message, &json).ok());
  }
}
BENCHMARK(SpanToJson);

void ParseEventStream(benchmark::State& state) {
  std::string stream;
  for (int i = 0; i < 100; ++i) {
    stream += R"(data: {"choices":[{"index":0,"delta":{"content":"word "}}]})"
              "\n\n";
  }
  for (auto _ : state) {
    int events = 0;
    SseParser parser([&events](const SseEvent&) { ++events; });
    benchmark::DoNotOptimize(parser.Feed(stream).ok());
  }
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(ParseEventStream);

void CompileSpanFilter(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(CompileFilter(
        R"(kind = MODEL_CALL AND (role = planner OR role = "evaluator"))", SpanFilterFields()));
  }
}
BENCHMARK(CompileSpanFilter);

void RenderPrompt(benchmark::State& state) {
  const DeclaredVariables declared = {{"task", {}}, {"steps", {VariableType::kList}}};
  const auto prompt =
      PromptTemplate::Parse("{{task}}\n{{#each steps}}- {{this.title}}\n{{/each}}", declared);
  const Json values = {{"task", "Count the cells"},
                       {"steps", {{{"title", "Load"}}, {{"title", "Count"}}}}};
  for (auto _ : state) benchmark::DoNotOptimize(prompt->Render(values));
}
BENCHMARK(RenderPrompt);

// A program of chains that meet: every node has two inputs, a parameter stands at every hundredth.
Graph RecordGraph(int nodes) {
  Graph graph;
  graph.DescribeOperator("add", "The sum of x and y.");
  graph.AddParameter("p", int64_t{1});
  graph.AddValue("v", int64_t{2});
  while (graph.size() < nodes) {
    const NodeId last = graph.size() - 1;
    if (last % 100 == 0) {
      graph.AddParameter("p", int64_t{last});
    } else {
      graph.AddOperation("add", {{"x", last}, {"y", last / 2}}, int64_t{last});
    }
  }
  return graph;
}

void RecordGraphOf(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(RecordGraph(static_cast<int>(state.range(0))));
}
BENCHMARK(RecordGraphOf)->Arg(10'000)->Unit(benchmark::kMillisecond);

void PropagateThrough(benchmark::State& state) {
  const Graph graph = RecordGraph(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    Propagation propagation(graph);
    benchmark::DoNotOptimize(propagation.Backward(graph.size() - 1, "too small").ok());
    benchmark::DoNotOptimize(propagation.Whole());
  }
}
BENCHMARK(PropagateThrough)->Arg(10'000)->Unit(benchmark::kMillisecond);

// And what each of the 100 parameters received on its own.
void PropagateToEach(benchmark::State& state) {
  const Graph graph = RecordGraph(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    Propagation propagation(graph);
    benchmark::DoNotOptimize(propagation.Backward(graph.size() - 1, "too small").ok());
    for (const NodeId parameter : graph.parameters()) {
      benchmark::DoNotOptimize(propagation.SubgraphOf(parameter));
    }
  }
}
BENCHMARK(PropagateToEach)->Arg(10'000)->Unit(benchmark::kMillisecond);

// Durable appends, many to a commit, as under load.
void AppendToStore(benchmark::State& state) {
  const bench::Folder folder;
  Store::Options options;
  options.path = folder.path() / "troupe.db";
  const auto store = Store::Open(std::move(options));
  const int tasks = static_cast<int>(state.range(0));
  for (int i = 0; i < tasks; ++i) {
    const auto added = (*store)->WriteAndWait([i](Connection& connection) {
      TaskRow row;
      row.name = "t" + std::to_string(i);
      row.kind = "chat";
      return InsertTask(connection, row);
    });
    if (!added.ok()) state.SkipWithError("no task");
  }
  int64_t number = 0;
  for (auto _ : state) {
    const auto done = (*store)->WriteAndWait([&](Connection& connection) -> absl::Status {
      for (int i = 0; i < tasks; ++i) {
        JournalEntry entry;
        entry.task_id = "t" + std::to_string(i);
        entry.begun.push_back(SpanOf(number));
        entry.ended.push_back(entry.begun[0]);
        const std::string text = entry.task_id + "/" + std::to_string(number);
        entry.contents.push_back({Sha256Hex(text), text});
        const absl::Status appended = AppendEntry(connection, entry);
        if (!appended.ok()) return appended;
      }
      return absl::OkStatus();
    });
    if (!done.ok()) state.SkipWithError("not appended");
    ++number;
  }
  state.SetItemsProcessed(state.iterations() * tasks);
}
BENCHMARK(AppendToStore)->Arg(1)->Arg(200)->MeasureProcessCPUTime();

}  // namespace
}  // namespace troupe
