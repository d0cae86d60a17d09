#include "agents/cellagent/reply_schemas.h"

namespace troupe {
namespace {

const Json kText = {{"type", "string"}};
const Json kSomeText = {{"type", "string"}, {"minLength", 1}};

// All properties are required and no others allowed: what strict backends ask for.
Json Object(const Json& properties) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {{"type", "object"},
          {"properties", properties},
          {"required", required},
          {"additionalProperties", false}};
}

Json List(const Json& items, int least, int most) {
  return {{"type", "array"}, {"items", items}, {"minItems", least}, {"maxItems", most}};
}

}  // namespace

ReplySchema PlanSchema(const Json& kinds, int max_steps) {
  const Json step =
      Object({{"title", kSomeText}, {"kind", {{"enum", kinds}}}, {"description", kSomeText}});
  return {"plan", Object({{"question", {{"type", {"string", "null"}}}},
                          {"steps", List(step, 0, max_steps)}})};
}

ReplySchema SelectionSchema(const Json& tools, int max_approaches) {
  const Json approach = Object({{"tools", List({{"enum", tools}}, 1, 6)}, {"idea", kText}});
  return {"selection", Object({{"approaches", List(approach, 1, max_approaches)}})};
}

ReplySchema CodeSchema() {
  return {"solution", Object({{"analysis", kText}, {"code", kSomeText}})};
}

ReplySchema VerdictSchema() {
  return {"verdict", Object({{"critique", kText},
                             {"score", {{"type", "number"}, {"minimum", 0}, {"maximum", 10}}},
                             {"ok", {{"type", "boolean"}}},
                             {"next", kText}})};
}

ReplySchema ConsensusSchema() {
  const Json label = Object({{"group", kSomeText}, {"label", kSomeText}, {"why", kText}});
  return {"consensus", Object({{"labels", List(label, 1, 500)}, {"reason", kText}})};
}

ReplySchema ReportSchema() { return {"report", Object({{"report", kSomeText}})}; }

}  // namespace troupe
