#include "agents/solve/toolset.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "agents/prompts/tool_card.h"
#include "agents/runtime/permissions.h"
#include "agents/runtime/tool_answer.h"
#include "agents/solve/results.h"
#include "agents/solve/roles.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxFound = 8;  // by one search

ToolDeclaration FindToolsDeclaration(size_t hidden) {
  return {
      kFindTools,
      fmt::format("Searches the {} tools that you are not shown, by words for what they do. What "
                  "it finds you can call from the next round on.",
                  hidden),
      {{"type", "object"},
       {"properties",
        {{"query",
          {{"type", "string"},
           {"minLength", 1},
           {"description", "Such as: convert currency, read text in an image."}}}}},
       {"required", {"query"}},
       {"additionalProperties", false}}};
}

// The agent's own tools come before a server's of the same name.
bool IsOwn(const std::string& tool) {
  return tool == kAskUser || tool == kFindTools || tool == kReadResult || tool == kUpdatePlan;
}

bool Fits(const std::vector<std::string>& patterns, const std::string& tool) {
  return !IsOwn(tool) &&
         std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return MatchesPattern(pattern, tool); });
}

// `call`: what the tool is called by, its name or NAME@VERSION.
absl::Status Describe(const Scope& task, const ToolSpec& spec, const std::string& call,
                      Json& described) {
  ASSIGN_OR_RETURN(const DescribedTool tool, DescribeTool(task, spec));
  described.push_back({{"name", tool.name},
                       {"call", call},
                       {"brief", tool.brief},
                       {"description", tool.description},
                       {"parameters", tool.parameters},
                       {"card", tool.card}});
  return absl::OkStatus();
}

absl::StatusOr<Json> DescribeAll(const Scope& task, const std::vector<std::string>& patterns) {
  Json described = Json::array();
  std::set<std::string> pinned;
  for (const std::string& pattern : patterns) {
    if (pattern.find('@') == std::string::npos) continue;
    ASSIGN_OR_RETURN(const auto spec, task.ToolNamed(pattern));
    pinned.insert(spec->name);
    RETURN_IF_ERROR(Describe(task, *spec, pattern, described));
  }
  for (const auto& spec : task.Tools()) {
    if (pinned.contains(spec->name) || !Fits(patterns, spec->name)) continue;
    RETURN_IF_ERROR(Describe(task, *spec, spec->name, described));
  }
  return described;
}

}  // namespace

Async<Toolset> Toolset::Choose(const Scope& task, std::vector<std::string> patterns,
                               std::string request, int shown) {
  Toolset set;
  if (patterns.empty()) co_return set;
  // What the record has is not described again: cards may be others by now.
  CO_ASSIGN_OR_RETURN(Json recorded, task.RecallValue("tools", SpanKind::kValue));
  if (recorded.is_null()) {
    CO_ASSIGN_OR_RETURN(Json described, DescribeAll(task, patterns));
    CO_ASSIGN_OR_RETURN(recorded, co_await task.Fix("tools", std::move(described)));
  }
  for (const Json& tool : recorded) {
    set.tools_.push_back(
        {JsonString(tool, "name"), JsonString(tool, "brief"), JsonString(tool, "description")});
    set.parameters_.push_back(JsonMember(tool, "parameters"));
    set.calls_.push_back(JsonString(tool, "call"));
  }
  std::vector<size_t> chosen(set.tools_.size());
  std::iota(chosen.begin(), chosen.end(), 0);
  if (const auto most = static_cast<size_t>(shown); chosen.size() > most) {
    CO_ASSIGN_OR_RETURN(chosen, SearchTools(set.tools_, request, most));
  }
  Json names = Json::array();
  for (const size_t place : chosen) names.push_back(set.tools_[place].name);
  CO_ASSIGN_OR_RETURN(const Json fixed, co_await task.Fix("shown_tools", std::move(names)));
  for (size_t i = 0; i < set.tools_.size(); ++i) {
    if (std::find(fixed.begin(), fixed.end(), set.tools_[i].name) != fixed.end()) {
      set.shown_.push_back(i);
    }
  }
  co_return set;
}

std::vector<ToolDeclaration> Toolset::Declarations() const {
  std::vector<ToolDeclaration> declarations;
  for (const size_t place : shown_) {
    const SearchedTool& tool = tools_[place];
    declarations.push_back(
        {tool.name, tool.description.empty() ? tool.brief : tool.description, parameters_[place]});
  }
  if (hidden() > 0) declarations.push_back(FindToolsDeclaration(hidden()));
  return declarations;
}

std::string Toolset::CallOf(const std::string& name) const {
  for (size_t i = 0; i < tools_.size(); ++i) {
    if (tools_[i].name == name) return calls_[i];
  }
  return "";
}

Async<std::string> Toolset::Find(Scope scope, Json arguments, bool full) {
  const std::string query = JsonString(arguments, "query");
  std::vector<size_t> hidden_places;
  std::vector<SearchedTool> candidates;
  for (size_t i = 0; i < tools_.size(); ++i) {
    if (std::find(shown_.begin(), shown_.end(), i) != shown_.end()) continue;
    hidden_places.push_back(i);
    candidates.push_back(tools_[i]);
  }
  CO_ASSIGN_OR_RETURN(const std::vector<size_t> best, SearchTools(candidates, query, kMaxFound));
  Json names = Json::array();
  for (const size_t place : best) names.push_back(candidates[place].name);
  const auto fixed = co_await scope.Fix("found", std::move(names));
  scope.End(fixed.status());
  CO_RETURN_IF_ERROR(fixed.status());
  std::string text;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (std::find(fixed->begin(), fixed->end(), candidates[i].name) == fixed->end()) continue;
    // Another search of the same round may have found it too.
    const size_t place = hidden_places[i];
    if (std::find(shown_.begin(), shown_.end(), place) == shown_.end()) shown_.push_back(place);
    text += full ? fmt::format("## {}\n{}\n{}\n", candidates[i].name, candidates[i].description,
                               DumpJson(parameters_[place]))
                 : fmt::format("- {}: {}\n", candidates[i].name, candidates[i].brief);
  }
  // Whichever of several searches came first.
  std::sort(shown_.begin(), shown_.end());
  if (text.empty()) {
    co_return fmt::format("No tool fits '{}'. Try other words for what it should do.", query);
  }
  co_return "You can call these now:\n" + text;
}

}  // namespace troupe
