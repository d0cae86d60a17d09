#include "agents/solve/move.h"

#include <fmt/format.h>

#include "agents/models/structured_reply.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

constexpr size_t kMaxSchema = 64 * 1024;
constexpr char kCutOff[] =
    "it was cut off at the limit of tokens. Be briefer, or do it in smaller pieces.";

Json Branch(Json properties, Json required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

// Where a schema refers to its own root it cannot become a part of another.
bool CanBePart(const Json& schema) {
  return DumpJson(schema).find("\"$ref\"") == std::string::npos;
}

}  // namespace

Move NativeMove(const ChatReply& reply) {
  Move move;
  move.uses = reply.message.tool_uses;
  const std::string text = reply.message.text();
  if (!move.uses.empty()) {
    move.thought = text;
  } else if (reply.finish == FinishReason::kLength) {
    move.problem = kCutOff;
  } else if (text.empty()) {
    move.problem = "it is empty: call a tool, or answer.";
  } else {
    move.is_answer = true;
    move.answer = text;
  }
  return move;
}

Move JsonMove(const ChatReply& reply) {
  Move move;
  if (reply.finish == FinishReason::kLength) {
    move.problem = kCutOff;
    return move;
  }
  const auto parsed = ParseStructuredReply(reply, {"move", {{"type", "object"}}});
  if (!parsed.ok()) {
    move.problem = MessageOf(parsed.status());
    return move;
  }
  move.thought = JsonString(*parsed, "thought");
  const bool calls = parsed->contains("action");
  const bool answers = parsed->contains("final");
  if (calls == answers) {
    move.problem = calls ? "it has both \"action\" and \"final\": give one of them."
                         : "it has neither \"action\" nor \"final\": give one of them.";
    return move;
  }
  if (answers) {
    const Json& answer = (*parsed)["final"];
    move.is_answer = true;
    move.answer = answer.is_string() ? answer.get<std::string>() : DumpJson(answer);
    return move;
  }
  ToolUse use;
  use.id = "1";
  use.name = JsonString(*parsed, "action");
  use.arguments = parsed->contains("arguments") ? (*parsed)["arguments"] : Json::object();
  if (use.name.empty() || !use.arguments.is_object()) {
    move.problem = "\"action\" must be the name of a tool and \"arguments\" an object.";
    return move;
  }
  move.uses.push_back(std::move(use));
  return move;
}

ReplySchema MoveSchema(const std::vector<ToolDeclaration>& tools, const Json& answer_schema) {
  const Json thought = {{"type", "string"}};
  const Json any = {{"type", "object"}};
  Json branches = Json::array();
  Json names = Json::array();
  for (const ToolDeclaration& tool : tools) {
    names.push_back(tool.name);
    branches.push_back(Branch({{"thought", thought},
                               {"action", {{"enum", {tool.name}}}},
                               {"arguments", CanBePart(tool.parameters) ? tool.parameters : any}},
                              {"thought", "action", "arguments"}));
  }
  // A backend that constrains replies need not take a book for a schema.
  if (DumpJson(branches).size() > kMaxSchema) {
    branches = {Branch({{"thought", thought}, {"action", {{"enum", names}}}, {"arguments", any}},
                       {"thought", "action", "arguments"})};
  }
  Json answer = {{"type", "string"}};
  if (!answer_schema.is_null()) answer = CanBePart(answer_schema) ? answer_schema : Json::object();
  branches.push_back(Branch({{"thought", thought}, {"final", answer}}, {"thought", "final"}));
  if (branches.size() == 1) return {"move", branches[0]};
  return {"move", {{"anyOf", branches}}};
}

}  // namespace troupe
