#include "agents/compare/model_opinions.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>

#include "agents/prompts/render.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

Json ValuesOf(const Matter& matter) {
  return {{"question", matter.question},
          {"requirements", matter.requirements},
          {"reference", matter.reference}};
}

Json Object(Json properties) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

Liking LikingOf(std::string_view choice) {
  if (choice == "A") return Liking::kFirst;
  return choice == "B" ? Liking::kSecond : Liking::kNone;
}

Opinion OpinionInTags(const std::string& reply) {
  const auto chosen = TextInTag(reply, "choose");
  if (!chosen.has_value()) return {Liking::kNone, "The judge's reply has no choice."};
  return {LikingOf(absl::AsciiStrToUpper(*chosen)), TextInTag(reply, "analyse").value_or("")};
}

std::string LabelOf(size_t index) { return std::string(1, static_cast<char>('A' + index)); }

}  // namespace

std::optional<std::string> TextInTag(std::string_view text, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag);
  const size_t begin = text.find(open);
  if (begin == std::string_view::npos) return std::nullopt;
  const size_t from = begin + open.size();
  const size_t end = text.find(fmt::format("</{}>", tag), from);
  if (end == std::string_view::npos) return std::nullopt;
  std::string inner(text.substr(from, end - from));
  absl::StripAsciiWhitespace(&inner);
  return inner;
}

Async<Opinion> ModelOpinions::Prefer(const Scope& scope, std::string name, Matter matter,
                                     std::string first, std::string second) const {
  const bool tags = settings_.form == OpinionSettings::Form::kTags;
  Json values = ValuesOf(matter);
  values["first"] = std::move(first);
  values["second"] = std::move(second);
  CO_ASSIGN_OR_RETURN(ChatRequest request,
                      PromptRequest(scope, tags ? "compare.pair_tags" : "compare.pair", values));
  request.temperature = settings_.temperature;
  if (tags) {
    CO_ASSIGN_OR_RETURN(const ChatReply reply,
                        co_await scope.Chat(name, settings_.role, std::move(request)));
    co_return OpinionInTags(reply.message.text());
  }
  request.reply_schema = ReplySchema{
      "comparison",
      Object({{"analysis", {{"type", "string"}}}, {"better", {{"enum", {"A", "B", "same"}}}}})};
  const auto reply = co_await scope.ChatJson(name, settings_.role, std::move(request));
  if (HasReason(reply.status(), Reason::kModelBadReply)) {
    co_return Opinion{Liking::kNone, std::string(MessageOf(reply.status()))};
  }
  CO_RETURN_IF_ERROR(reply.status());
  co_return Opinion{LikingOf(JsonString(*reply, "better")), JsonString(*reply, "analysis")};
}

Async<RankingOpinion> ModelOpinions::Rank(const Scope& scope, std::string name, Matter matter,
                                          std::vector<std::string> texts) const {
  Json values = ValuesOf(matter);
  Json labels = Json::array();
  values["texts"] = Json::array();
  for (size_t i = 0; i < texts.size(); ++i) {
    labels.push_back(LabelOf(i));
    values["texts"].push_back({{"label", LabelOf(i)}, {"text", std::move(texts[i])}});
  }
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "compare.ranking", values));
  request.temperature = settings_.temperature;
  const Json ranking = {{"type", "array"},
                        {"items", {{"enum", labels}}},
                        {"minItems", labels.size()},
                        {"maxItems", labels.size()},
                        {"uniqueItems", true}};
  request.reply_schema =
      ReplySchema{"ranking", Object({{"analysis", {{"type", "string"}}}, {"ranking", ranking}})};
  const auto reply = co_await scope.ChatJson(name, settings_.role, std::move(request));
  if (HasReason(reply.status(), Reason::kModelBadReply)) {
    co_return RankingOpinion{{}, std::string(MessageOf(reply.status()))};
  }
  CO_RETURN_IF_ERROR(reply.status());
  RankingOpinion opinion{{}, JsonString(*reply, "analysis")};
  for (const Json& label : JsonArray(*reply, "ranking")) {
    opinion.order.push_back(static_cast<size_t>(label.get<std::string>().front() - 'A'));
  }
  co_return opinion;
}

}  // namespace troupe
