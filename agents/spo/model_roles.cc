#include "agents/spo/model_roles.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/compare/model_opinions.h"
#include "agents/prompts/render.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr int64_t kMaxPromptChars = 65536;

Json ListOf(Json item, int64_t least, int64_t most) {
  return {{"type", "array"}, {"items", std::move(item)}, {"minItems", least}, {"maxItems", most}};
}

Json AttemptsOf(const std::vector<Attempt>& attempts) {
  Json list = Json::array();
  for (const Attempt& attempt : attempts) {
    list.push_back({{"modification", attempt.modification}, {"outcome", attempt.outcome}});
  }
  return list;
}

Json JoinsOf(const std::vector<Join>& joins) {
  Json list = Json::array();
  for (const Join& join : joins) {
    list.push_back({{"number", list.size() + 1},
                    {"add", AttemptsOf(join.add)},
                    {"take_out", AttemptsOf(join.take_out)}});
  }
  return list;
}

// What a join changes, for people.
std::string WordsOf(const Join& join) {
  std::string words;
  for (const Attempt& attempt : join.add) words += fmt::format("With: {} ", attempt.modification);
  for (const Attempt& attempt : join.take_out) {
    words += fmt::format("Without: {} ", attempt.modification);
  }
  if (!words.empty()) words.pop_back();
  return words;
}

Json ValuesOf(const ProposalRequest& request) {
  Json answers = Json::array();
  bool references = false;
  for (size_t i = 0; i < request.answers.size(); ++i) {
    const Answered& each = request.answers[i];
    references = references || !each.reference.empty();
    answers.push_back({{"number", i + 1},
                       {"question", each.question},
                       {"answer", each.answer},
                       {"reference", each.reference}});
  }
  return {{"requirements", request.requirements},
          {"prompt", request.prompt},
          {"answers", answers},
          {"references", references},
          {"words", request.prompt_words > 0 ? std::to_string(request.prompt_words) : ""}};
}

Proposal ProposalInTags(const std::string& reply) {
  return {TextInTag(reply, "prompt").value_or(""), TextInTag(reply, "analyse").value_or(""),
          TextInTag(reply, "modification").value_or("")};
}

}  // namespace

Async<std::vector<Proposal>> ModelOptimizer::Propose(const Scope& scope, std::string name,
                                                     ProposalRequest request) const {
  Json values = ValuesOf(request);
  if (form_ == Form::kTags) {
    CO_ASSIGN_OR_RETURN(ChatRequest chat, PromptRequest(scope, "spo.optimizer_tags", values));
    chat.temperature = kOptimizerTemperature;
    CO_ASSIGN_OR_RETURN(const ChatReply reply,
                        co_await scope.Chat(name, kOptimizer, std::move(chat)));
    co_return std::vector<Proposal>{ProposalInTags(reply.message.text())};
  }
  values["number"] = request.number > 0 ? std::to_string(request.number) : "";
  values["bytes"] = request.prompt_bytes > 0 ? std::to_string(request.prompt_bytes) : "";
  values["places"] = request.places;
  values["failures"] = AttemptsOf(request.failures);
  values["joins"] = JoinsOf(request.joins);
  CO_ASSIGN_OR_RETURN(ChatRequest chat, PromptRequest(scope, "spo.optimizer", values));
  chat.temperature = kOptimizerTemperature;
  const Json text = {{"type", "string"}, {"maxLength", kMaxPromptChars}};
  Json reply_schema = Json::object();
  if (request.number > 0) {
    const Json proposal = ClosedObject({{"analysis", {{"type", "string"}}},
                                        {"modification", {{"type", "string"}}},
                                        {"prompt", text}});
    reply_schema["proposals"] = ListOf(proposal, 1, request.number);
  }
  if (!request.joins.empty()) {
    const auto joins = static_cast<int64_t>(request.joins.size());
    const Json number = {{"type", "integer"}, {"minimum", 1}, {"maximum", joins}};
    reply_schema["joined"] = ListOf(ClosedObject({{"number", number}, {"prompt", text}}), 0, joins);
  }
  chat.reply_schema = ReplySchema{"proposals", ClosedObject(std::move(reply_schema))};
  const auto reply = co_await scope.ChatJson(name, kOptimizer, std::move(chat));
  // A round without a usable proposal is a round that gained nothing.
  if (HasReason(reply.status(), Reason::kModelBadReply)) co_return std::vector<Proposal>();
  CO_RETURN_IF_ERROR(reply.status());
  std::vector<Proposal> proposals;
  for (const Json& each : JsonArray(*reply, "joined")) {
    const auto number = each["number"].get<size_t>();
    proposals.push_back(
        {JsonString(each, "prompt"), "", WordsOf(request.joins[number - 1]), number});
  }
  for (const Json& each : JsonArray(*reply, "proposals")) {
    proposals.push_back({JsonString(each, "prompt"), JsonString(each, "analysis"),
                         JsonString(each, "modification"), 0});
  }
  co_return proposals;
}

std::optional<int64_t> LedgerAllowance::CallsLeft(const Scope& scope) const {
  const Usage& used = scope.usage();
  const auto calls_for = [&used](int64_t left, int64_t spent) -> int64_t {
    // Before the first call nothing is known of what one costs.
    if (used.model_calls == 0 || spent == 0) return left;
    return left * used.model_calls / spent;
  };
  std::optional<int64_t> least;
  for (const char* const role : {kOptimizer, kExecutor, kEvaluator}) {
    const BudgetLeft left = scope.Left(role);
    const auto lower = [&least](int64_t calls) { least = std::min(calls, least.value_or(calls)); };
    if (left.model_calls.has_value()) lower(*left.model_calls);
    if (left.tokens.has_value()) lower(calls_for(*left.tokens, used.tokens()));
    if (left.cost_microusd.has_value()) lower(calls_for(*left.cost_microusd, used.cost_microusd));
  }
  return least;
}

Async<Draft> WriteDraft(const Scope& scope, std::string description, int questions) {
  const Json values = {{"description", description}, {"number", std::to_string(questions)}};
  CO_ASSIGN_OR_RETURN(ChatRequest chat, PromptRequest(scope, "spo.drafter", values));
  const Json text = {{"type", "string"}, {"minLength", 1}};
  chat.reply_schema = ReplySchema{
      "draft", ClosedObject({{"prompt", text},
                             {"requirements", text},
                             {"questions", ListOf(text, std::min(4, questions), questions)}})};
  CO_ASSIGN_OR_RETURN(const Json reply, co_await scope.ChatJson("draft", kOptimizer, chat));
  Draft draft{JsonString(reply, "prompt"), JsonString(reply, "requirements"), {}};
  for (const Json& question : JsonArray(reply, "questions")) {
    draft.questions.push_back(question.get<std::string>());
  }
  co_return draft;
}

}  // namespace troupe
