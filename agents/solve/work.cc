#include "agents/solve/work.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/runtime/branches.h"
#include "agents/runtime/text.h"
#include "agents/runtime/tool_answer.h"
#include "agents/solve/roles.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxCallTitle = 120;
constexpr size_t kMaxMalformed = 500;

// What came of one call, before it is cut to what the agent is shown.
struct CallOutcome {
  std::string text;
  bool failed = false;
  bool of_tool = false;  // of a tool of the server: its result can be read again
  std::vector<MessagePart> images;
  std::vector<Artifact> artifacts;
};

CallOutcome Failed(std::string why) { return {"The call failed.\n" + why, true, false, {}, {}}; }

std::vector<std::string> NamesOf(const std::vector<ToolDeclaration>& tools) {
  std::vector<std::string> names;
  names.reserve(tools.size());
  for (const ToolDeclaration& tool : tools) names.push_back(tool.name);
  return names;
}

Async<CallOutcome> CallTool(Scope scope, Work* work, std::string tool, Json arguments) {
  const auto result =
      co_await scope.CallTool("call", std::move(tool), std::move(arguments), kSolver);
  scope.End(result.status());
  if (!result.ok()) {
    if (HasReason(result.status(), Reason::kBudgetExceeded) && scope.cancelled().ok()) {
      work->out_of_calls = true;
      co_return Failed("It was not made: the budget of tool calls is used up.");
    }
    if (!IsForTheModel(scope, result.status())) co_return result.status();
    co_return Failed(std::string(MessageOf(result.status())));
  }
  CallOutcome outcome;
  outcome.text = TextOf(*result);
  outcome.failed = result->is_error;
  outcome.of_tool = true;
  outcome.artifacts = result->artifacts;
  for (const ToolContent& part : result->content) {
    const auto* image = std::get_if<ToolImage>(&part);
    if (image == nullptr) continue;
    if (work->setup.images) {
      outcome.images.push_back(ImagePart{image->media_type, image->bytes});
    } else {
      outcome.text += fmt::format("[A picture, {}, {} bytes: you cannot see pictures.]\n",
                                  image->media_type, image->bytes.size());
    }
  }
  co_return outcome;
}

Async<CallOutcome> CallOwnTool(Scope scope, Work* work, ToolUse use) {
  CallOutcome outcome;
  if (use.name == kAskUser) {
    CO_ASSIGN_OR_RETURN(outcome.text, co_await AskUser(std::move(scope), use.arguments));
    co_return outcome;
  }
  if (use.name == kFindTools) {
    const bool full = !work->setup.native;
    CO_ASSIGN_OR_RETURN(outcome.text,
                        co_await work->tools.Find(std::move(scope), use.arguments, full));
    co_return outcome;
  }
  scope.End();
  if (use.name == kReadResult) {
    outcome.text = work->results.Read(use.arguments);
  } else {
    outcome.text = UpdatePlan(use.arguments, work->outcome.plan).text;
  }
  outcome.failed = outcome.text.starts_with("The call failed.");
  co_return outcome;
}

Async<CallOutcome> Perform(Scope scope, Work* work, ToolUse use) {
  const auto offered = NamesOf(work->Declarations());
  const bool is_offered = std::find(offered.begin(), offered.end(), use.name) != offered.end();
  std::string call = work->tools.CallOf(use.name);
  if (!is_offered && call.empty()) {
    scope.End();
    co_return Failed(fmt::format("There is no tool '{}'. {}", use.name,
                                 offered.empty()
                                     ? std::string("There are none: answer.")
                                     : fmt::format("You may call: {}.", fmt::join(offered, ", "))));
  }
  if (use.arguments.is_null()) {
    scope.End();
    co_return Failed(fmt::format("The arguments are not JSON: {}",
                                 Elide(use.malformed_arguments, kMaxMalformed)));
  }
  if (!call.empty()) {
    co_return co_await CallTool(std::move(scope), work, std::move(call), std::move(use.arguments));
  }
  co_return co_await CallOwnTool(std::move(scope), work, std::move(use));
}

std::string CallTitle(const ToolUse& use) {
  return TruncateUtf8(fmt::format("{}({})", use.name, DumpJson(use.arguments)), kMaxCallTitle);
}

}  // namespace

std::vector<ToolDeclaration> Work::Declarations() const {
  std::vector<ToolDeclaration> declarations = tools.Declarations();
  if (!tools.empty()) declarations.push_back(ReadResultDeclaration());
  if (may_ask) declarations.push_back(AskUserDeclaration());
  if (options.plan) declarations.push_back(UpdatePlanDeclaration());
  return declarations;
}

Async<std::vector<AnsweredCall>> PerformCalls(const Scope& round, Work& work, int number,
                                              std::vector<ToolUse> uses) {
  std::vector<NamedBranch<CallOutcome>> branches;
  for (size_t i = 0; i < uses.size(); ++i) {
    const ToolUse use = uses[i];
    Work* const shared = &work;
    const auto run = [use, shared](Scope scope) { return Perform(std::move(scope), shared, use); };
    branches.push_back({"tool_use", fmt::format("call:{}", i + 1), CallTitle(use), run});
  }
  auto outcomes = co_await All(round, std::move(branches));
  std::vector<AnsweredCall> answered;
  for (size_t i = 0; i < uses.size(); ++i) {
    CO_RETURN_IF_ERROR(outcomes[i].status());
    CallOutcome& outcome = *outcomes[i];
    const ToolUse& use = uses[i];
    AnsweredCall call{use, fmt::format("{}.{}", number, i + 1), "", std::move(outcome.images)};
    int before = 0;
    // A plan that is changed again and again is no progress.
    if (use.name != kUpdatePlan) {
      before =
          work.progress.NoteCall(number, use.name, use.arguments, outcome.text, outcome.failed);
    }
    call.shown = outcome.of_tool ? work.results.Keep(call.id, std::move(outcome.text))
                                 : std::move(outcome.text);
    if (before > 0) {
      call.shown +=
          fmt::format("\n[You made this very call in round {}, with the same result.]", before);
    }
    auto& artifacts = work.outcome.artifacts;
    artifacts.insert(artifacts.end(), outcome.artifacts.begin(), outcome.artifacts.end());
    answered.push_back(std::move(call));
  }
  work.outcome.tool_calls += static_cast<int>(uses.size());
  co_return answered;
}

}  // namespace troupe
