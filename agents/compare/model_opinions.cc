#include "agents/compare/model_opinions.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>

#include "agents/prompts/render.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

Json ValuesOf(const Matter& matter) {
  return {{"question", matter.question},
          {"requirements", matter.requirements},
          {"reference", matter.reference}};
}

Liking LikingOf(std::string_view choice) {
  if (choice == "A") return Liking::kFirst;
  return choice == "B" ? Liking::kSecond : Liking::kNone;
}

Opinion OpinionInTags(const std::string& reply) {
  const auto chosen = TextInTag(reply, "choose");
  if (!chosen.has_value()) return {Liking::kNone, "The judge's reply has no choice.", "", ""};
  return {LikingOf(absl::AsciiStrToUpper(*chosen)), TextInTag(reply, "analyse").value_or(""), "",
          ""};
}

Opinion OpinionInJson(const Json& reply) {
  std::string a = JsonString(reply, "a");
  std::string b = JsonString(reply, "b");
  return {LikingOf(JsonString(reply, "better")), NotesTogether(a, b), std::move(a), std::move(b)};
}

std::string LabelOf(size_t index) { return std::string(1, static_cast<char>('A' + index)); }

RankingOpinion RankingInJson(const Json& reply, size_t count) {
  RankingOpinion opinion;
  std::vector<int64_t> places;
  for (size_t i = 0; i < count; ++i) {
    opinion.order.push_back(i);
    opinion.notes.push_back(JsonString(reply["notes"], LabelOf(i)));
    places.push_back(JsonInt(reply["places"], LabelOf(i)));
  }
  std::stable_sort(opinion.order.begin(), opinion.order.end(),
                   [&places](size_t one, size_t other) { return places[one] < places[other]; });
  for (size_t at = 1; at < count; ++at) {
    if (places[opinion.order[at]] == places[opinion.order[at - 1]]) opinion.ties.insert(at);
  }
  return opinion;
}

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
  const Json note = {{"type", "string"}};
  request.reply_schema = ReplySchema{
      "comparison",
      ClosedObject({{"a", note}, {"b", note}, {"better", {{"enum", {"A", "B", "same"}}}}})};
  const auto reply = co_await scope.ChatJson(name, settings_.role, std::move(request));
  if (HasReason(reply.status(), Reason::kModelBadReply)) {
    co_return Opinion{Liking::kNone, std::string(MessageOf(reply.status())), "", ""};
  }
  CO_RETURN_IF_ERROR(reply.status());
  co_return OpinionInJson(*reply);
}

Async<RankingOpinion> ModelOpinions::Rank(const Scope& scope, std::string name, Matter matter,
                                          std::vector<std::string> texts) const {
  Json values = ValuesOf(matter);
  values["texts"] = Json::array();
  Json notes = Json::object();
  Json places = Json::object();
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string label = LabelOf(i);
    notes[label] = {{"type", "string"}};
    places[label] = {{"type", "integer"}, {"minimum", 1}, {"maximum", texts.size()}};
    values["texts"].push_back({{"label", label}, {"text", std::move(texts[i])}});
  }
  CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "compare.ranking", values));
  request.temperature = settings_.temperature;
  request.reply_schema =
      ReplySchema{"ranking", ClosedObject({{"notes", ClosedObject(std::move(notes))},
                                           {"places", ClosedObject(std::move(places))}})};
  const auto reply = co_await scope.ChatJson(name, settings_.role, std::move(request));
  if (HasReason(reply.status(), Reason::kModelBadReply)) {
    co_return RankingOpinion{{}, std::string(MessageOf(reply.status())), {}, {}};
  }
  CO_RETURN_IF_ERROR(reply.status());
  co_return RankingInJson(*reply, texts.size());
}

}  // namespace troupe
