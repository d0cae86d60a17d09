#include "agents/cellagent/toolbox.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tools/base/error.h"
#include "tools/base/json.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr std::string_view kFence = "+++\n";
constexpr std::string_view kRPrefix = "R:";

// Asks R which of its packages are there, in one run of Rscript.
constexpr std::string_view kProbeR = R"py(
import subprocess as _s
_r = _j.loads({})
try:
    _run = _s.run(["Rscript", "--vanilla", "-e", "for (p in commandArgs(TRUE)) "
                   "cat(p, nzchar(system.file(package = p)), '\\n')", *_r],
                  capture_output=True, text=True, timeout=60)
    _there = {{line.split()[0] for line in _run.stdout.splitlines() if line.endswith("TRUE ")}}
except (OSError, _s.TimeoutExpired):
    _there = set()
_found.update({{"R:" + p: p in _there for p in _r}}))py";

absl::Status Malformed(const std::filesystem::path& file, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", file.string(), what),
               {{"file", file.string()}});
}

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) return Malformed(file, "cannot be opened");
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// The text of a file named by an optional key; "" without the key.
absl::StatusOr<std::string> ReadNamed(const toml::table& table, std::string_view key,
                                      const std::filesystem::path& folder) {
  const std::string name = table[key].value_or("");
  if (name.empty()) return "";
  return ReadFile(folder / name);
}

std::vector<std::string> Strings(const toml::node_view<const toml::node>& node) {
  std::vector<std::string> strings;
  if (const toml::array* array = node.as_array()) {
    for (const toml::node& item : *array) {
      if (const auto text = item.value<std::string>(); text.has_value()) strings.push_back(*text);
    }
  }
  return strings;
}

absl::Status CheckKeys(const toml::table& table, const std::set<std::string>& known,
                       const std::filesystem::path& file) {
  for (const auto& [key, value] : table) {
    if (!known.contains(std::string(key.str()))) {
      return Malformed(file, fmt::format("line {}: there is no key '{}'", value.source().begin.line,
                                         std::string(key.str())));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<StepKind> ReadStep(const toml::table& table, const std::filesystem::path& file) {
  RETURN_IF_ERROR(CheckKeys(
      table, {"kind", "title", "hints", "trials", "approaches", "aggregation", "metric"}, file));
  StepKind step;
  step.name = table["kind"].value_or("");
  step.title = table["title"].value_or("");
  if (step.name.empty()) return Malformed(file, "a step needs a kind");
  ASSIGN_OR_RETURN(step.hints, ReadNamed(table, "hints", file.parent_path()));
  ASSIGN_OR_RETURN(step.metric_code, ReadNamed(table, "metric", file.parent_path()));
  step.trials = table["trials"].value_or(1);
  step.approaches = table["approaches"].value_or(1);
  const std::string aggregation = table["aggregation"].value_or("best");
  if (aggregation != "best" && aggregation != "consensus") {
    return Malformed(file, fmt::format("step {}: aggregation is best or consensus", step.name));
  }
  step.aggregation = aggregation == "best" ? Aggregation::kBest : Aggregation::kConsensus;
  return step;
}

absl::StatusOr<ToolCard> ReadCard(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  const size_t end = text.find("\n+++\n", kFence.size() - 1);
  if (!text.starts_with(kFence) || end == std::string::npos) {
    return Malformed(file, "a card begins with a head between two lines of +++");
  }
  ToolCard card;
  try {
    const toml::table head = toml::parse(text.substr(kFence.size(), end + 1 - kFence.size()));
    RETURN_IF_ERROR(CheckKeys(head, {"name", "brief", "steps", "requires", "requires_r"}, file));
    card.name = head["name"].value_or("");
    card.brief = head["brief"].value_or("");
    card.steps = Strings(head["steps"]);
    card.required = Strings(head["requires"]);
    for (const std::string& package : Strings(head["requires_r"])) {
      card.required.push_back(std::string(kRPrefix) + package);
    }
  } catch (const toml::parse_error& e) {
    return Malformed(file, std::string(e.description()));
  }
  if (card.name.empty() || card.brief.empty()) return Malformed(file, "needs a name and a brief");
  card.description = text.substr(end + 5);
  return card;
}

absl::Status ReadSettings(const toml::table& root, const std::filesystem::path& file,
                          Toolbox& toolbox) {
  RETURN_IF_ERROR(CheckKeys(root,
                            {"name", "title", "main_variable", "planning_hints", "describe",
                             "finish", "labels", "consensus", "notebook_files", "steps"},
                            file));
  toolbox.name = root["name"].value_or("");
  toolbox.title = root["title"].value_or("");
  toolbox.main_variable = root["main_variable"].value_or("data");
  if (toolbox.name.empty()) return Malformed(file, "needs a name");
  const auto folder = file.parent_path();
  ASSIGN_OR_RETURN(toolbox.planning_hints, ReadNamed(root, "planning_hints", folder));
  ASSIGN_OR_RETURN(toolbox.describe_code, ReadNamed(root, "describe", folder));
  ASSIGN_OR_RETURN(toolbox.finish_code, ReadNamed(root, "finish", folder));
  ASSIGN_OR_RETURN(toolbox.labels_code, ReadNamed(root, "labels", folder));
  ASSIGN_OR_RETURN(toolbox.consensus_code, ReadNamed(root, "consensus", folder));
  toolbox.notebook_files = Strings(root["notebook_files"]);
  if (const toml::array* steps = root["steps"].as_array()) {
    for (const toml::node& node : *steps) {
      if (!node.is_table()) return Malformed(file, "steps must be tables");
      ASSIGN_OR_RETURN(StepKind step, ReadStep(*node.as_table(), file));
      toolbox.steps.push_back(std::move(step));
    }
  }
  if (toolbox.steps.empty() || toolbox.describe_code.empty() || toolbox.finish_code.empty()) {
    return Malformed(file, "needs steps, describe and finish");
  }
  return absl::OkStatus();
}

}  // namespace

const StepKind* Toolbox::FindStep(const std::string& kind) const {
  for (const StepKind& step : steps) {
    if (step.name == kind) return &step;
  }
  return nullptr;
}

std::string Toolbox::ProbeCode() const {
  std::set<std::string> modules;
  std::set<std::string> packages;
  for (const ToolCard& card : cards) {
    for (const std::string& name : card.required) {
      if (name.starts_with(kRPrefix)) {
        packages.insert(name.substr(kRPrefix.size()));
      } else {
        modules.insert(name);
      }
    }
  }
  // A list of names as a literal of Python's.
  const auto quoted = [](const std::set<std::string>& names) {
    return DumpJson(Json(DumpJson(Json(names))));
  };
  std::string code = fmt::format(
      "import importlib.util as _u, json as _j\n"
      "_found = {{m: _u.find_spec(m) is not None for m in _j.loads({})}}",
      quoted(modules));
  if (!packages.empty()) code += fmt::format(kProbeR, quoted(packages));
  return code + "\nprint(_j.dumps(_found))";
}

absl::StatusOr<Toolbox> LoadToolbox(const std::filesystem::path& folder) {
  Toolbox toolbox;
  toolbox.folder = folder;
  const auto file = folder / "toolbox.toml";
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  try {
    RETURN_IF_ERROR(ReadSettings(toml::parse(text), file, toolbox));
  } catch (const toml::parse_error& e) {
    return Malformed(
        file, fmt::format("line {}: {}", e.source().begin.line, std::string(e.description())));
  }
  std::error_code error;
  std::vector<std::filesystem::path> cards;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "cards", error)) {
    if (entry.path().extension() == ".md") cards.push_back(entry.path());
  }
  std::sort(cards.begin(), cards.end());
  for (const auto& path : cards) {
    ASSIGN_OR_RETURN(ToolCard card, ReadCard(path));
    for (const std::string& step : card.steps) {
      if (toolbox.FindStep(step) == nullptr) {
        return Malformed(path, fmt::format("there is no kind of step '{}'", step));
      }
    }
    toolbox.cards.push_back(std::move(card));
  }
  return toolbox;
}

}  // namespace troupe
