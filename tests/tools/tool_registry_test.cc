#include "tools/tool_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <stdexcept>
#include <thread>

#include "tests/support/run_async.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/pause.h"
#include "tools/base/safe_file.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;

// Does what its argument "do" says.
class FakeTool : public Tool {
 public:
  explicit FakeTool(std::string name) {
    spec_.name = std::move(name);
    spec_.arguments_schema = {
        {"type", "object"}, {"properties", {{"do", {{"type", "string"}}}}}, {"required", {"do"}}};
    spec_.result_schema = {{"type", "object"}, {"required", {"done"}}};
    spec_.output_limit_bytes = 10;
  }
  ToolSpec& spec() { return spec_; }
  const ToolSpec& spec() const override { return spec_; }
  bool available() const override { return available_; }
  int calls() const { return calls_; }
  std::atomic<bool> available_ = true;

  Async<ToolResult> Call(ToolCall call) override {
    const std::string what = JsonString(call.arguments, "do");
    ++calls_;
    if (what == "throw" || (what == "throw twice" && ++throws_ <= 2)) {
      throw std::runtime_error("out of dice");
    }
    if (what == "wait") {
      CO_RETURN_IF_ERROR(co_await Pause(absl::Hours(1), call.context.cancel));
    }
    ToolResult result;
    result.is_error = what == "err";
    if (what == "work" || what == "throw twice") result.value = {{"done", true}};
    if (what == "talk") {
      result.value = {{"done", true}};
      result.content = {ToolText{"12345"}, ToolText{"6789äöü and more"}, ToolText{"lost"}};
    }
    co_return result;
  }

 private:
  ToolSpec spec_;
  std::atomic<int> calls_ = 0;
  std::atomic<int> throws_ = 0;
};

absl::StatusOr<ToolResult> RunTool(const ToolRegistry& registry, std::string name, ToolCall call) {
  asio::io_context io;
  absl::StatusOr<ToolResult> out = absl::UnknownError("did not end");
  asio::co_spawn(io, registry.Call(std::move(name), std::move(call)),
                 [&](std::exception_ptr thrown, absl::StatusOr<ToolResult> result) {
                   if (!thrown) out = std::move(result);
                 });
  io.run();
  return out;
}

absl::StatusOr<ToolResult> Do(const ToolRegistry& registry, Json arguments) {
  ToolCall call;
  call.arguments = std::move(arguments);
  return RunTool(registry, "dice", std::move(call));
}

class ToolRegistryTest : public ::testing::Test {
 protected:
  ToolRegistryTest() { EXPECT_TRUE(registry_.Add(tool_).ok()); }
  std::shared_ptr<FakeTool> tool_ = std::make_shared<FakeTool>("dice");
  ToolRegistry registry_;
};

TEST_F(ToolRegistryTest, CallsATool) {
  const auto result = Do(registry_, {{"do", "work"}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->value["done"], true);
}

TEST_F(ToolRegistryTest, RefusesNamesThatAreTakenOrNone) {
  EXPECT_TRUE(HasReason(registry_.Add(std::make_shared<FakeTool>("dice")), Reason::kAlreadyExists));
  for (const char* name : {"", "Dice", "1dice", "di ce"}) {
    EXPECT_TRUE(HasReason(registry_.Add(std::make_shared<FakeTool>(name)), Reason::kInvalidField));
  }
  auto broken = std::make_shared<FakeTool>("broken");
  broken->spec().arguments_schema = {{"type", "strnig"}};
  EXPECT_TRUE(HasReason(registry_.Add(broken), Reason::kInvalidField));
}

TEST_F(ToolRegistryTest, UnknownToolNamesTheClosest) {
  ASSERT_TRUE(registry_.Add(std::make_shared<FakeTool>("read_file")).ok());
  const auto found = registry_.Find("reed_file");
  ASSERT_TRUE(HasReason(found.status(), Reason::kToolUnknown));
  EXPECT_THAT(std::string(MessageOf(found.status())), HasSubstr("read_file"));
  EXPECT_TRUE(HasReason(RunTool(registry_, "nope", {}).status(), Reason::kToolUnknown));
}

TEST_F(ToolRegistryTest, WrongArgumentsNeverReachTheTool) {
  const auto result = Do(registry_, {{"do", 3}});
  ASSERT_TRUE(HasReason(result.status(), Reason::kToolArgumentsInvalid));
  EXPECT_THAT(std::string(MessageOf(result.status())), HasSubstr("at $.do: must be string"));
}

TEST_F(ToolRegistryTest, AWrongResultIsTheToolsFault) {
  EXPECT_TRUE(HasReason(Do(registry_, {{"do", "nothing"}}).status(), Reason::kToolFailed));
  const auto error = Do(registry_, {{"do", "err"}});
  ASSERT_TRUE(error.ok()) << "an error for the agent's eyes need not fit the schema";
  EXPECT_TRUE(error->is_error);
}

TEST_F(ToolRegistryTest, AToolThatThrowsFailsAlone) {
  const auto result = Do(registry_, {{"do", "throw"}});
  ASSERT_TRUE(HasReason(result.status(), Reason::kToolFailed));
  EXPECT_THAT(std::string(MessageOf(result.status())), HasSubstr("out of dice"));
}

TEST_F(ToolRegistryTest, KeepsTheToolsDeadline) {
  tool_->spec().timeout = absl::Milliseconds(20);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Do(registry_, {{"do", "wait"}}).status()));
}

TEST_F(ToolRegistryTest, KeepsTheCallersDeadlineAndCancellation) {
  ToolCall call;
  call.arguments = {{"do", "wait"}};
  call.context.deadline = SteadyNow() + absl::Milliseconds(20);
  EXPECT_TRUE(absl::IsDeadlineExceeded(RunTool(registry_, "dice", call).status()));
  call.context.deadline = SteadyNow() - absl::Seconds(1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(RunTool(registry_, "dice", call).status()));
  CancelSource source;
  source.Cancel(CancelReason::kUser, "asked to stop");
  call.context.deadline = absl::InfiniteFuture();
  call.context.cancel = source.token();
  EXPECT_TRUE(absl::IsCancelled(RunTool(registry_, "dice", call).status()));
}

TEST_F(ToolRegistryTest, CutsOutputAndSaysHowMuch) {
  const auto result = Do(registry_, {{"do", "talk"}});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->content.size(), 1u);
  // The beginning falls inside no letter here, nor does the end.
  EXPECT_EQ(std::get<ToolText>(result->content[0]).text,
            "12345678\n[18 bytes are left out here: over the limit of 10]\nst");
}

TEST_F(ToolRegistryTest, WhatIsOverTheLimitIsAnArtifact) {
  const TempFolder folder;
  ToolCall call;
  call.arguments = {{"do", "talk"}};
  call.context.workspace.root = folder.path();
  call.context.path = "turn:1/call";
  const auto result = RunTool(registry_, "dice", call);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->artifacts.size(), 1u);
  const std::string& name = result->artifacts[0].name;
  EXPECT_THAT(std::get<ToolText>(result->content[0]).text,
              HasSubstr("all of it is in the artifact " + name));
  const auto kept = ReadBeneath(call.context.workspace.artifacts(), name, 1000);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(*kept, "123456789äöü and morelost");
}

TEST_F(ToolRegistryTest, RepeatsAFailedCallOnlyIfThatChangesNothingMore) {
  EXPECT_FALSE(Do(registry_, {{"do", "throw"}}).ok());
  EXPECT_EQ(tool_->calls(), 1);
  tool_->spec().idempotent = true;
  const auto failed = Do(registry_, {{"do", "throw"}});
  EXPECT_THAT(std::string(MessageOf(failed.status())), HasSubstr("tried 3 times"));
  EXPECT_EQ(tool_->calls(), 4);
  const auto mended = Do(registry_, {{"do", "throw twice"}});
  ASSERT_TRUE(mended.ok()) << mended.status();
  EXPECT_EQ(mended->notes["attempts"], 3);
}

TEST_F(ToolRegistryTest, AVersionIsNamedAndTheNewestIsUsual) {
  const auto version = [](std::string text, std::string provider) {
    auto tool = std::make_shared<FakeTool>("ruler");
    tool->spec().version = std::move(text);
    tool->spec().provider = std::move(provider);
    return tool;
  };
  ASSERT_TRUE(registry_.Add(version("1.9", "attached")).ok());
  const auto newest = version("1.10", "attached");
  ASSERT_TRUE(registry_.Add(newest).ok());
  EXPECT_TRUE(HasReason(registry_.Add(version("1.9", "attached")), Reason::kAlreadyExists));
  EXPECT_TRUE(HasReason(registry_.Add(version("2", "mcp:x")), Reason::kAlreadyExists));
  EXPECT_EQ((*registry_.Find("ruler"))->spec().version, "1.10");
  EXPECT_EQ((*registry_.Find("ruler@1.9"))->spec().version, "1.9");
  EXPECT_EQ(registry_.List().size(), 2u);
  const auto none = registry_.Find("ruler@3");
  EXPECT_THAT(std::string(MessageOf(none.status())), HasSubstr("ruler@1.9"));
  newest->available_ = false;
  EXPECT_EQ((*registry_.Find("ruler"))->spec().version, "1.9");
  EXPECT_TRUE(registry_.Remove("ruler@1.9"));
  EXPECT_EQ((*registry_.Find("ruler"))->spec().version, "1.10");
  EXPECT_EQ(registry_.List().size(), 1u) << "who is away is not offered";
  EXPECT_TRUE(registry_.Remove("ruler"));
}

TEST_F(ToolRegistryTest, ReplacesAndRemoves) {
  auto other = std::make_shared<FakeTool>("dice");
  other->spec().version = "2";
  ASSERT_TRUE(registry_.Replace(other).ok());
  EXPECT_EQ((*registry_.Find("dice"))->spec().version, "2");
  EXPECT_EQ(registry_.List().size(), 1u);
  EXPECT_TRUE(registry_.Replace(std::make_shared<FakeTool>("coin")).ok());
  EXPECT_TRUE(
      HasReason(registry_.Replace(std::make_shared<FakeTool>("Coin")), Reason::kInvalidField));
  EXPECT_TRUE(registry_.Remove("dice"));
  EXPECT_FALSE(registry_.Remove("dice"));
  EXPECT_TRUE(HasReason(registry_.Find("dice").status(), Reason::kToolUnknown));
  EXPECT_EQ(registry_.List().size(), 1u);
}

TEST_F(ToolRegistryTest, ACallKeepsTheToolItFound) {
  auto found = registry_.Find("dice");
  ASSERT_TRUE(found.ok());
  const std::weak_ptr<Tool> held = *found;
  asio::io_context io;
  CancelSource source;
  ToolCall call;
  call.arguments = {{"do", "wait"}};
  call.context.cancel = source.token();
  absl::StatusOr<ToolResult> out = absl::UnknownError("did not end");
  asio::co_spawn(
      io, registry_.Call(*std::move(found), std::move(call)),
      [&](std::exception_ptr, absl::StatusOr<ToolResult> result) { out = std::move(result); });
  io.poll();
  tool_.reset();
  found = absl::UnknownError("let go");
  ASSERT_TRUE(registry_.Remove("dice"));
  EXPECT_FALSE(held.expired());
  source.Cancel(CancelReason::kUser, "asked to stop");
  io.run();
  EXPECT_TRUE(absl::IsCancelled(out.status()));
}

TEST_F(ToolRegistryTest, SoManyCallsRunAtTheSameTimeAndTheOthersWaitTheirTurn) {
  const auto narrow = std::make_shared<FakeTool>("narrow");
  narrow->spec().max_concurrent = 1;
  ASSERT_TRUE(registry_.Add(narrow).ok());
  asio::io_context io;
  std::vector<CancelSource> sources(3);
  std::vector<absl::Status> ends(3);
  for (size_t i = 0; i < sources.size(); ++i) {
    ToolCall call;
    call.arguments = {{"do", "wait"}};
    call.context.cancel = sources[i].token();
    asio::co_spawn(io, registry_.Call("narrow", std::move(call)),
                   [&ends, i](std::exception_ptr, const absl::StatusOr<ToolResult>& result) {
                     ends[i] = result.status();
                   });
  }
  io.poll();
  EXPECT_EQ(narrow->calls(), 1);
  sources[1].Cancel(CancelReason::kUser, "does not wait any more");
  io.poll();
  EXPECT_TRUE(absl::IsCancelled(ends[1]));
  EXPECT_EQ(narrow->calls(), 1);
  sources[0].Cancel(CancelReason::kUser, "ends");
  io.poll();
  EXPECT_EQ(narrow->calls(), 2);
  sources[2].Cancel(CancelReason::kUser, "ends");
  io.run();
  EXPECT_TRUE(absl::IsCancelled(ends[2]));
}

TEST_F(ToolRegistryTest, ToolsComeAndGoWhileOthersCall) {
  constexpr int kRounds = 200;
  std::atomic<bool> changing = true;
  std::thread changes([&] {
    for (int i = 0; i < kRounds; ++i) {
      auto next = std::make_shared<FakeTool>("dice");
      next->spec().version = std::to_string(i);
      EXPECT_TRUE(registry_.Replace(std::move(next)).ok());
      EXPECT_TRUE(registry_.Add(std::make_shared<FakeTool>("guest")).ok());
      EXPECT_TRUE(registry_.Remove("guest"));
    }
    changing = false;
  });
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      while (changing) {
        EXPECT_TRUE(Do(registry_, {{"do", "work"}}).ok());
        const auto found = registry_.Find("dice");
        ASSERT_TRUE(found.ok());
        ToolCall call;
        call.arguments = {{"do", "work"}};
        std::shared_ptr<Tool> tool = *found;
        EXPECT_TRUE(RunToEnd(registry_.Call(std::move(tool), std::move(call))).ok());
        for (const auto& spec : registry_.List()) EXPECT_FALSE(spec->name.empty());
        // The guest may be here or not; a caller gets an answer either way.
        const auto guest = RunTool(registry_, "guest", {{{"do", "work"}}, {}});
        EXPECT_TRUE(guest.ok() || HasReason(guest.status(), Reason::kToolUnknown));
        registry_.Forget("task");
      }
    });
  }
  changes.join();
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace troupe
