#include "agents/trace/projections.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "agents/runtime/permissions.h"
#include "agents/runtime/text.h"
#include "agents/runtime/tool_answer.h"
#include "agents/trace/code_checker.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxFormatReason = 1000;
constexpr int kFormatterSeconds = 20;

constexpr char kFormatProgram[] = R"py(import json, subprocess
class TroupeSays(Exception):
    pass
def _formatted(command, text):
    try:
        run = subprocess.run(command, input=text, capture_output=True, text=True, timeout={})
    except Exception as error:
        return {{"refused": f"{{type(error).__name__}}: {{error}}"[:1000]}}
    if run.returncode != 0:
        return {{"refused": (run.stderr or run.stdout or f"exit code {{run.returncode}}")[:1000]}}
    return {{"text": run.stdout}}
raise TroupeSays(json.dumps(_formatted(*json.loads({}))))
)py";

// A number moved into the range; integers stay integers.
GraphValue Clipped(const Projection& projection, GraphValue value) {
  if (auto* whole = std::get_if<int64_t>(&value)) {
    constexpr double kEnd = 9.2e18;
    if (projection.least.has_value() && static_cast<double>(*whole) < *projection.least) {
      *whole = static_cast<int64_t>(std::ceil(std::min(*projection.least, kEnd)));
    }
    if (projection.most.has_value() && static_cast<double>(*whole) > *projection.most) {
      *whole = static_cast<int64_t>(std::floor(std::max(*projection.most, -kEnd)));
    }
  } else if (auto* number = std::get_if<double>(&value)) {
    if (projection.least.has_value()) *number = std::max(*number, *projection.least);
    if (projection.most.has_value()) *number = std::min(*number, *projection.most);
  }
  return value;
}

std::string WhyTooLong(const Projection& projection, const GraphValue& value) {
  if (!projection.max_length.has_value()) return "";
  const auto most = static_cast<size_t>(*projection.max_length);
  size_t length = 0;
  std::string_view unit = "bytes";
  if (const auto* text = std::get_if<std::string>(&value)) length = text->size();
  if (const auto* code = std::get_if<GraphCode>(&value)) length = code->text.size();
  if (const auto* json = std::get_if<GraphJson>(&value)) {
    length = json->value.size();
    unit = "elements";
  }
  if (length <= most) return "";
  return fmt::format("it has {} {} and may have {}", length, unit, most);
}

Async<Projected> Format(const Scope& scope, std::string name, std::vector<std::string> command,
                        GraphValue value) {
  const auto* code = std::get_if<GraphCode>(&value);
  const auto* plain = std::get_if<std::string>(&value);
  if (code == nullptr && plain == nullptr) co_return Projected{std::move(value), ""};
  const std::string& text = code != nullptr ? code->text : *plain;
  Json arguments = {{"code", fmt::format(kFormatProgram, kFormatterSeconds,
                                         DumpJson(DumpJson(Json::array({command, text}))))},
                    {"from", ""}};
  CO_ASSIGN_OR_RETURN(const ToolResult result,
                      co_await scope.CallTool(name, "python", std::move(arguments)));
  const auto said = SaidBy(result);
  if (!said.has_value()) {
    co_return Projected{std::move(value), fmt::format("the formatter was not run: {}",
                                                      Elide(TextOf(result), kMaxFormatReason))};
  }
  CO_ASSIGN_OR_RETURN(const Json outcome, ParseJson(*said, "what the formatter says"));
  const std::string refused = JsonString(outcome, "refused");
  if (!refused.empty()) {
    co_return Projected{std::move(value), fmt::format("the formatter refuses it: {}", refused)};
  }
  const std::string formatted = JsonString(outcome, "text");
  if (code != nullptr) co_return Projected{GraphCode{formatted}, ""};
  co_return Projected{formatted, ""};
}

}  // namespace

Async<Projected> Project(const Scope& scope, std::string name,
                         const std::vector<Projection>& projections, std::string parameter,
                         GraphValue value) {
  Projected projected{std::move(value), ""};
  for (size_t i = 0; i < projections.size(); ++i) {
    const Projection& projection = projections[i];
    if (!MatchesPattern(projection.parameter, parameter)) continue;
    projected.value = Clipped(projection, std::move(projected.value));
    if (!projection.formatter.empty()) {
      CO_ASSIGN_OR_RETURN(projected,
                          co_await Format(scope, fmt::format("{}.format:{}", name, i + 1),
                                          projection.formatter, std::move(projected.value)));
    }
    if (projected.refused.empty()) projected.refused = WhyTooLong(projection, projected.value);
    if (projected.refused.empty() && projection.schema != nullptr) {
      const absl::Status valid = projection.schema->Validate(JsonOf(projected.value));
      if (!valid.ok()) projected.refused = std::string(MessageOf(valid));
    }
    if (!projected.refused.empty()) break;
  }
  co_return projected;
}

}  // namespace troupe
