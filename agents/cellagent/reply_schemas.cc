#include "agents/cellagent/reply_schemas.h"

#include "tools/json_schema.h"

namespace troupe {
namespace {

const Json kText = {{"type", "string"}};
const Json kSomeText = {{"type", "string"}, {"minLength", 1}};

Json List(const Json& items, int least, int most) {
  return {{"type", "array"}, {"items", items}, {"minItems", least}, {"maxItems", most}};
}

}  // namespace

ReplySchema PlanSchema(const Json& kinds, int max_steps) {
  const Json step =
      ClosedObject({{"title", kSomeText}, {"kind", {{"enum", kinds}}}, {"description", kSomeText}});
  return {"plan", ClosedObject({{"question", {{"type", {"string", "null"}}}},
                                {"steps", List(step, 0, max_steps)}})};
}

ReplySchema SelectionSchema(const Json& tools, int max_approaches) {
  const Json approach = ClosedObject({{"tools", List({{"enum", tools}}, 1, 6)}, {"idea", kText}});
  return {"selection", ClosedObject({{"approaches", List(approach, 1, max_approaches)}})};
}

ReplySchema CodeSchema() {
  return {"solution", ClosedObject({{"analysis", kText}, {"code", kSomeText}})};
}

ReplySchema VerdictSchema() {
  return {"verdict", ClosedObject({{"critique", kText},
                                   {"score", {{"type", "number"}, {"minimum", 0}, {"maximum", 10}}},
                                   {"ok", {{"type", "boolean"}}},
                                   {"next", kText}})};
}

ReplySchema ConsensusSchema() {
  const Json label = ClosedObject({{"group", kSomeText}, {"label", kSomeText}, {"why", kText}});
  return {"consensus", ClosedObject({{"labels", List(label, 1, 500)}, {"reason", kText}})};
}

ReplySchema ReportSchema() { return {"report", ClosedObject({{"report", kSomeText}})}; }

}  // namespace troupe
