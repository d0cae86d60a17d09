#include "agents/chat/chat.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/prompts/tool_card.h"
#include "agents/runtime/branches.h"
#include "agents/runtime/task_result.h"
#include "agents/runtime/text.h"
#include "agents/runtime/tool_answer.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr char kRole[] = "assistant";
constexpr size_t kMaxTitle = 80;

// By the tool's card, if it has one.
absl::StatusOr<ToolDeclaration> Declared(const Scope& task, const std::string& name) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const ToolSpec> spec, task.ToolNamed(name));
  ASSIGN_OR_RETURN(DescribedTool tool, DescribeTool(task, *spec));
  return ToolDeclaration{tool.name, tool.description, tool.parameters};
}

// What the model is told of its tools, the same in every life of the task.
Async<std::vector<ToolDeclaration>> DeclareTools(const Scope& task,
                                                 const std::vector<std::string>& names) {
  Json described = Json::array();
  for (const std::string& name : names) {
    ToolDeclaration tool = AskUserDeclaration();
    if (name != kAskUser) {
      CO_ASSIGN_OR_RETURN(tool, Declared(task, name));
    }
    described.push_back(
        {{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}});
  }
  if (names.empty()) co_return std::vector<ToolDeclaration>();
  CO_ASSIGN_OR_RETURN(const Json fixed, co_await task.Fix("tools", std::move(described)));
  std::vector<ToolDeclaration> tools;
  for (const Json& tool : fixed) {
    tools.push_back({JsonString(tool, "name"), JsonString(tool, "description"),
                     JsonMember(tool, "parameters")});
  }
  co_return tools;
}

struct ToolAnswer {
  Message message;
  std::vector<Artifact> artifacts;
};

ToolAnswer TextAnswer(const std::string& id, std::string text) {
  return {ToolMessage(id, std::move(text)), {}};
}

ToolAnswer AnswerOf(const std::string& id, const ToolResult& result, bool with_images) {
  ToolAnswer answer = TextAnswer(id, TextOf(result));
  for (const ToolContent& part : result.content) {
    if (const auto* image = std::get_if<ToolImage>(&part); image != nullptr && with_images) {
      answer.message.parts.push_back(ImagePart{image->media_type, image->bytes});
    }
  }
  answer.artifacts = result.artifacts;
  return answer;
}

Async<ToolAnswer> PerformUse(Scope scope, const ChatOptions& options, ToolUse use) {
  const auto& offered = options.tools;
  // A tool that is offered in a certain version goes by its plain name.
  const auto named = std::find_if(offered.begin(), offered.end(), [&](const std::string& tool) {
    return tool == use.name || tool.starts_with(use.name + "@");
  });
  if (named == offered.end()) {
    co_return TextAnswer(use.id, fmt::format("There is no tool '{}'. You may call: {}.", use.name,
                                             fmt::join(offered, ", ")));
  }
  if (use.arguments.is_null()) {
    co_return TextAnswer(
        use.id, fmt::format("The arguments are not JSON: {}", Elide(use.malformed_arguments, 500)));
  }
  if (use.name == kAskUser) {
    CO_ASSIGN_OR_RETURN(std::string answer, co_await AskUser(std::move(scope), use.arguments));
    co_return TextAnswer(use.id, std::move(answer));
  }
  const auto result = co_await scope.CallTool("call", *named, use.arguments, kRole);
  if (result.ok()) {
    scope.End();
    co_return AnswerOf(use.id, *result, scope.CanSeeImages(kRole));
  }
  scope.End(result.status());
  if (!IsForTheModel(scope, result.status())) co_return result.status();
  co_return TextAnswer(use.id, fmt::format("The call failed: {}", MessageOf(result.status())));
}

// Performs the calls of one reply side by side; their answers in the order of the calls.
Async<std::vector<ToolAnswer>> PerformUses(const Scope& turn, const ChatOptions& options, int round,
                                           const std::vector<ToolUse>& uses) {
  std::vector<NamedBranch<ToolAnswer>> branches;
  for (size_t i = 0; i < uses.size(); ++i) {
    const ToolUse use = uses[i];
    const ChatOptions* shared = &options;
    const auto run = [use, shared](Scope scope) {
      return PerformUse(std::move(scope), *shared, use);
    };
    branches.push_back({"tool_use", fmt::format("use:{}.{}", round, i + 1), use.name, run});
  }
  auto results = co_await All(turn, std::move(branches));
  std::vector<ToolAnswer> answers;
  for (auto& result : results) {
    CO_RETURN_IF_ERROR(result.status());
    answers.push_back(*std::move(result));
  }
  co_return answers;
}

// Answers one turn; `messages` grows by all that is said.
Async<AnsweredTurn> AnswerTurn(const Scope& turn, const ChatOptions& options, ChatRequest& request,
                               std::string user, std::vector<Artifact>& artifacts) {
  AnsweredTurn answered;
  request.messages.push_back(UserMessage(user));
  answered.user = std::move(user);
  for (int round = 1;; ++round) {
    if (!request.tools.empty()) request.tool_choice = round > options.max_rounds ? "none" : "auto";
    const std::string name = fmt::format("reply:{}", round);
    CO_ASSIGN_OR_RETURN(ChatReply reply, co_await turn.Chat(name, kRole, request));
    if (reply.message.tool_uses.empty() || round > options.max_rounds) {
      // What an answer that must not call tools asks for is not answered: it is left out.
      answered.reply = reply.message.text();
      reply.message.tool_uses.clear();
      request.messages.push_back(std::move(reply.message));
      co_return answered;
    }
    request.messages.push_back(reply.message);
    CO_ASSIGN_OR_RETURN(std::vector<ToolAnswer> answers,
                        co_await PerformUses(turn, options, round, reply.message.tool_uses));
    answered.tool_calls += static_cast<int>(answers.size());
    for (ToolAnswer& answer : answers) {
      request.messages.push_back(std::move(answer.message));
      artifacts.insert(artifacts.end(), answer.artifacts.begin(), answer.artifacts.end());
    }
  }
}

}  // namespace

Async<ChatOutcome> RunChat(Scope& task, ChatOptions options) {
  ChatOutcome outcome;
  ChatRequest request;
  if (!options.system.empty()) request.messages.push_back(SystemMessage(options.system));
  request.temperature = options.temperature;
  request.max_tokens = options.max_tokens;
  CO_ASSIGN_OR_RETURN(request.tools, co_await DeclareTools(task, options.tools));
  for (size_t i = 0; i < options.turns.size(); ++i) {
    Scope turn =
        task.Open("turn", fmt::format("turn:{}", i + 1), TruncateUtf8(options.turns[i], kMaxTitle));
    std::string user = std::move(options.turns[i]);
    auto answered = co_await AnswerTurn(turn, options, request, std::move(user), outcome.artifacts);
    turn.End(answered.status());
    if (IsLimit(answered.status())) {
      outcome.stopped = answered.status();
      break;
    }
    CO_RETURN_IF_ERROR(answered.status());
    outcome.turns.push_back(*std::move(answered));
  }
  co_return outcome;
}

}  // namespace troupe
