#include "agents/runtime/branches.h"

#include "tests/agents/runtime/run_fixture.h"

namespace troupe {
namespace {

struct Outcome {
  std::string text;
  std::vector<int> numbers;
};

Async<Outcome> Speak(Scope scope, int number) {
  ChatRequest request;
  request.messages.push_back(UserMessage(std::to_string(number)));
  CO_ASSIGN_OR_RETURN(const ChatReply reply,
                      co_await scope.Chat("say", "speaker", std::move(request)));
  scope.End();
  co_return Outcome{reply.message.text(), {number}};
}

std::vector<NamedBranch<Outcome>> Speakers(int count) {
  std::vector<NamedBranch<Outcome>> branches;
  for (int i = 1; i <= count; ++i) {
    branches.push_back({"branch", "branch:" + std::to_string(i), "",
                        [i](Scope scope) { return Speak(std::move(scope), i); }});
  }
  return branches;
}

using BranchesTest = RunTest;

TEST_F(BranchesTest, AllGivesResultsInOrder) {
  for (size_t limit : {0u, 1u, 2u}) {
    options_.seed = limit;
    const auto texts = Live<std::string>([limit](Scope& root) -> Async<std::string> {
      Scope scope = root.Open("group", "group:" + std::to_string(limit), "");
      auto results = co_await All(scope, Speakers(5), limit);
      std::string joined;
      for (auto& result : results) {
        CO_RETURN_IF_ERROR(result.status());
        joined += result->text + ";";
      }
      scope.End();
      co_return joined;
    });
    ASSERT_TRUE(texts.ok()) << texts.status();
    EXPECT_EQ(*texts, "echo 1;echo 2;echo 3;echo 4;echo 5;");
  }
}

TEST_F(BranchesTest, CompletionOrderIsRepeated) {
  const auto collect = [](Scope& root) -> Async<std::string> {
    auto stream = co_await CompletionStream<Outcome>::Start(&root, "race", Speakers(4));
    std::string order;
    while (!stream.done()) {
      CO_ASSIGN_OR_RETURN(auto item, co_await stream.Next());
      CO_RETURN_IF_ERROR(item.result.status());
      order += std::to_string(item.index) + item.result->text + ";";
    }
    co_return order;
  };
  const auto first = Live<std::string>(collect);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(model_.calls, 4);
  const auto second = Live<std::string>(collect);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*second, *first);
  EXPECT_EQ(model_.calls, 4);
}

}  // namespace
}  // namespace troupe
