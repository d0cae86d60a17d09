#include "agents/cellagent/roles.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/cellagent/reply_schemas.h"
#include "agents/prompts/render.h"
#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxOutputShown = 12'000;
constexpr size_t kMaxErrorShown = 6'000;
constexpr size_t kMaxFiguresShown = 4;

// A request with one prompt rendered into it.
absl::StatusOr<ChatRequest> Render(const Scope& scope, const std::string& prompt,
                                   const Json& values, ReplySchema schema) {
  ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, prompt, values));
  request.reply_schema = std::move(schema);
  return request;
}

Json ContextList(const std::map<std::string, std::string>& context) {
  Json list = Json::array();
  for (const auto& [key, value] : context) list.push_back({{"key", key}, {"value", value}});
  return list;
}

Json MemoryList(const std::vector<AcceptedCell>& memory) {
  Json list = Json::array();
  for (const AcceptedCell& cell : memory) {
    list.push_back({{"title", cell.title}, {"code", cell.code}});
  }
  return list;
}

Json StepJson(const PlannedStep& step) {
  return fmt::format("{} ({}): {}", step.title, step.kind, step.description);
}

bool IsFor(const ToolCard& card, const std::string& kind) {
  return card.steps.empty() ||
         std::find(card.steps.begin(), card.steps.end(), kind) != card.steps.end();
}

std::string TextOf(const std::vector<ToolContent>& content) {
  std::string text;
  for (const ToolContent& part : content) {
    if (const auto* shown = std::get_if<ToolText>(&part)) text += shown->text;
  }
  return text;
}

std::string HintsOf(const Situation& situation, const PlannedStep& step) {
  const StepKind* kind = situation.toolbox->FindStep(step.kind);
  return kind == nullptr ? "" : kind->hints;
}

}  // namespace

Async<PlanReply> ProposePlan(const Scope& scope, const Situation& situation, std::string name,
                             std::string clarification, bool may_ask) {
  Json kinds = Json::array();
  Json names = Json::array();
  for (const StepKind& kind : situation.toolbox->steps) {
    kinds.push_back({{"name", kind.name}, {"title", kind.title}});
    names.push_back(kind.name);
  }
  const Json values = {{"request", situation.options.request},
                       {"requirements", situation.options.requirements},
                       {"context", ContextList(situation.options.context)},
                       {"data", situation.data},
                       {"field", situation.toolbox->title},
                       {"step_kinds", kinds},
                       {"hints", situation.toolbox->planning_hints},
                       {"max_steps", situation.options.max_steps},
                       {"may_ask", may_ask},
                       {"clarification", clarification}};
  CO_ASSIGN_OR_RETURN(ChatRequest request, Render(scope, "cellagent.planner", values,
                                                  PlanSchema(names, situation.options.max_steps)));
  CO_ASSIGN_OR_RETURN(const Json reply,
                      co_await scope.ChatJson(name, "planner", std::move(request)));
  PlanReply plan;
  if (may_ask) plan.question = JsonString(reply, "question");
  for (const Json& step : JsonArray(reply, "steps")) {
    plan.steps.push_back({fmt::format("{}", plan.steps.size() + 1), JsonString(step, "title"),
                          JsonString(step, "kind"), JsonString(step, "description")});
  }
  co_return plan;
}

Async<std::vector<Approach>> SelectTools(const Scope& scope, const Situation& situation,
                                         const PlannedStep& step, int approaches,
                                         std::vector<std::string> remarks) {
  Json cards = Json::array();
  Json names = Json::array();
  for (const ToolCard* card : situation.cards) {
    if (!IsFor(*card, step.kind)) continue;
    cards.push_back({{"name", card->name}, {"brief", card->brief}});
    names.push_back(card->name);
  }
  if (names.empty()) co_return std::vector<Approach>{Approach()};
  const Json values = {{"request", situation.options.request},
                       {"requirements", situation.options.requirements},
                       {"step", StepJson(step)},
                       {"data", situation.data},
                       {"tools", cards},
                       {"hints", HintsOf(situation, step)},
                       {"approaches", approaches},
                       {"remarks", remarks}};
  CO_ASSIGN_OR_RETURN(ChatRequest request, Render(scope, "cellagent.tool_selector", values,
                                                  SelectionSchema(names, approaches)));
  CO_ASSIGN_OR_RETURN(const Json reply,
                      co_await scope.ChatJson("select", "tool_selector", std::move(request)));
  std::vector<Approach> chosen;
  for (const Json& each : JsonArray(reply, "approaches")) {
    Approach approach;
    approach.idea = JsonString(each, "idea");
    for (const Json& tool : JsonArray(each, "tools")) approach.tools.push_back(tool);
    chosen.push_back(std::move(approach));
  }
  co_return chosen;
}

Async<ChatRequest> ProgrammerRequest(const Scope& scope, const Situation& situation,
                                     const PlannedStep& step, const Approach& approach,
                                     std::vector<std::string> remarks) {
  Json docs = Json::array();
  for (const ToolCard* card : situation.cards) {
    const auto& tools = approach.tools;
    if (std::find(tools.begin(), tools.end(), card->name) == tools.end()) continue;
    docs.push_back({{"name", card->name}, {"description", card->description}});
  }
  const Json values = {{"request", situation.options.request},
                       {"requirements", situation.options.requirements},
                       {"context", ContextList(situation.options.context)},
                       {"step", StepJson(step)},
                       {"data", situation.data},
                       {"memory", MemoryList(situation.memory)},
                       {"tools", docs},
                       {"main_variable", situation.toolbox->main_variable},
                       {"idea", approach.idea},
                       {"hints", HintsOf(situation, step)},
                       {"remarks", remarks}};
  co_return Render(scope, "cellagent.programmer", values, CodeSchema());
}

Async<ProposedCode> ProposeCode(const Scope& scope, std::string name, ChatRequest& conversation) {
  CO_ASSIGN_OR_RETURN(const Json reply, co_await scope.ChatJson(name, "programmer", conversation));
  conversation.messages.push_back(AssistantMessage(DumpJson(reply)));
  co_return ProposedCode{JsonString(reply, "analysis"), JsonString(reply, "code")};
}

AsyncStatus Evaluate(const Scope& scope, const Situation& situation, const PlannedStep& step,
                     Trial& trial) {
  const Json values = {{"request", situation.options.request},
                       {"requirements", situation.options.requirements},
                       {"step", StepJson(step)},
                       {"hints", HintsOf(situation, step)},
                       {"code", trial.code},
                       {"output", Elide(TextOf(trial.content), kMaxOutputShown)},
                       {"metric", trial.metric_text}};
  CO_ASSIGN_OR_RETURN(ChatRequest request,
                      Render(scope, "cellagent.evaluator", values, VerdictSchema()));
  if (situation.options.use_vision && scope.CanSeeImages("evaluator")) {
    Message message = request.messages.back();
    size_t shown = 0;
    for (const ToolContent& part : trial.content) {
      const auto* image = std::get_if<ToolImage>(&part);
      if (image == nullptr || ++shown > kMaxFiguresShown) continue;
      message.parts.push_back(ImagePart{image->media_type, image->bytes});
    }
    request.messages = {message};
  }
  CO_ASSIGN_OR_RETURN(const Json reply,
                      co_await scope.ChatJson("judge", "evaluator", std::move(request)));
  const double judged = JsonDouble(reply, "score");
  // The metric first, the judgement second: neither can carry a trial alone.
  trial.score = trial.metric >= 0 ? 0.6 * trial.metric + 0.4 * judged : judged;
  trial.ok = JsonBool(reply, "ok");
  trial.critique = JsonString(reply, "critique");
  trial.next = JsonString(reply, "next");
  co_return absl::OkStatus();
}

Async<Consensus> AgreeOnLabels(const Scope& scope, const Situation& situation,
                               const PlannedStep& step, std::vector<std::string> proposals) {
  const Json values = {{"request", situation.options.request},
                       {"context", ContextList(situation.options.context)},
                       {"step", StepJson(step)},
                       {"hints", HintsOf(situation, step)},
                       {"proposals", proposals}};
  CO_ASSIGN_OR_RETURN(ChatRequest request,
                      Render(scope, "cellagent.aggregator", values, ConsensusSchema()));
  CO_ASSIGN_OR_RETURN(const Json reply,
                      co_await scope.ChatJson("agree", "aggregator", std::move(request)));
  Consensus consensus;
  consensus.reason = JsonString(reply, "reason");
  for (const Json& label : JsonArray(reply, "labels")) {
    consensus.labels[JsonString(label, "group")] = JsonString(label, "label");
  }
  co_return consensus;
}

Async<std::string> WriteReport(const Scope& scope, const Situation& situation,
                               const std::vector<StepOutcome>& steps) {
  Json list = Json::array();
  for (const StepOutcome& outcome : steps) {
    std::string result = "no trial succeeded";
    for (const Trial& trial : outcome.trials) {
      if (trial.number != outcome.chosen) continue;
      result = fmt::format("score {:.1f}; {}\n{}", trial.score, trial.critique,
                           Elide(TextOf(trial.content), kMaxErrorShown));
    }
    list.push_back({{"title", outcome.step.title},
                    {"description", outcome.step.description},
                    {"result", result}});
  }
  const Json values = {{"request", situation.options.request},
                       {"requirements", situation.options.requirements},
                       {"context", ContextList(situation.options.context)},
                       {"steps", list}};
  CO_ASSIGN_OR_RETURN(ChatRequest request,
                      Render(scope, "cellagent.reporter", values, ReportSchema()));
  CO_ASSIGN_OR_RETURN(const Json reply,
                      co_await scope.ChatJson("write", "reporter", std::move(request)));
  co_return JsonString(reply, "report");
}

}  // namespace troupe
