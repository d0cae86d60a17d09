#include "agents/cellagent/cellagent.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "agents/cellagent/notebook.h"
#include "agents/cellagent/roles.h"
#include "agents/cellagent/step.h"
#include "agents/cellagent/trial.h"
#include "agents/runtime/task_result.h"
#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxDataText = 12'000;

// Looks at the data and at what is installed.
AsyncStatus Survey(const Scope& task, Situation& situation) {
  Scope scope = task.Open("survey", "survey", "Look at the data");
  const Toolbox& toolbox = *situation.toolbox;
  // States are named by where they are made: an analysis may be one of several in its task.
  Json describe = {
      {"code", toolbox.describe_code}, {"from", ""}, {"state", scope.path() + "/describe"}};
  CO_ASSIGN_OR_RETURN(const ToolResult described,
                      co_await scope.CallTool("describe", "python", std::move(describe)));
  situation.data = Elide(PrintedText(described), kMaxDataText);
  Json probe = {{"code", toolbox.ProbeCode()}, {"from", ""}, {"state", scope.path() + "/probe"}};
  CO_ASSIGN_OR_RETURN(const ToolResult probed,
                      co_await scope.CallTool("probe", "python", std::move(probe)));
  const auto available = PrintedJson(probed);
  for (const ToolCard& card : toolbox.cards) {
    const auto& needed = card.required;
    const bool usable = std::all_of(needed.begin(), needed.end(), [&](const std::string& name) {
      return available.ok() && JsonBool(*available, name);
    });
    if (usable) situation.cards.push_back(&card);
  }
  scope.Note("tools_offered", situation.cards.size());
  scope.End();
  co_return absl::OkStatus();
}

Async<std::vector<PlannedStep>> MakePlan(const Scope& task, const Situation& situation) {
  Scope scope = task.Open("plan", "plan", "Plan the steps");
  CO_ASSIGN_OR_RETURN(PlanReply plan, co_await ProposePlan(scope, situation, "propose", "",
                                                           situation.options.ask_clarification));
  if (!plan.question.empty()) {
    Question question;
    question.prompt = plan.question;
    CO_ASSIGN_OR_RETURN(const Json answer, co_await scope.Ask("clarify", std::move(question)));
    const std::string clarification =
        fmt::format("You asked: {}\nThe user answered: {}", plan.question,
                    answer.is_string() ? answer.get<std::string>() : DumpJson(answer));
    CO_ASSIGN_OR_RETURN(
        plan, co_await ProposePlan(scope, situation, "propose.again", clarification, false));
  }
  if (plan.steps.empty()) {
    const absl::Status empty = Error(
        Reason::kModelBadReply, "the planner gave no steps: say more precisely what to find out");
    scope.End(empty);
    co_return empty;
  }
  std::string line = fmt::format("Plan of {} steps:", plan.steps.size());
  for (const PlannedStep& step : plan.steps) line += fmt::format(" {}. {};", step.id, step.title);
  scope.Progress(line);
  scope.Note("steps", plan.steps.size());
  scope.End();
  co_return plan.steps;
}

// Carries out the plan as far as limits allow.
AsyncStatus CarryOut(const Scope& task, Situation& situation, CellAgentReport& report,
                     std::string& state) {
  for (const PlannedStep& step : report.plan) {
    Scope scope = task.Open("step", fmt::format("step:{}", step.id), step.title);
    CO_ASSIGN_OR_RETURN(FinishedStep finished,
                        co_await RunStep(std::move(scope), situation, step, state));
    state = finished.state;
    if (!finished.cell.code.empty()) situation.memory.push_back(std::move(finished.cell));
    report.steps.push_back(std::move(finished.outcome));
  }
  co_return absl::OkStatus();
}

bool Failed(const absl::StatusOr<ToolResult>& result) {
  if (result.ok()) return result->is_error;
  return HasReason(result.status(), Reason::kToolFailed) ||
         HasReason(result.status(), Reason::kStoreFailed) ||
         HasReason(result.status(), Reason::kSandboxFailed);
}

// Calls a tool, and once more if it fails: what is saved at the end nobody makes again. A failure
// is known only when it is recorded, so a disk that was full has room then.
Async<ToolResult> CallToSave(const Scope& scope, std::string name, std::string tool,
                             Json arguments) {
  auto result = co_await scope.CallTool(name, tool, arguments);
  if (!Failed(result) || !scope.cancelled().ok()) co_return result;
  co_return co_await scope.CallTool(name + ".again", std::move(tool), std::move(arguments));
}

AsyncStatus WriteFile(const Scope& scope, TextFile file, CellAgentReport& report) {
  const std::string effect = "write " + file.name;
  Json arguments = {{"name", file.name}, {"description", file.description}};
  if (file.base64.empty()) {
    arguments["text"] = std::move(file.text);
  } else {
    arguments["base64"] = std::move(file.base64);
  }
  CO_ASSIGN_OR_RETURN(const ToolResult written,
                      co_await CallToSave(scope, effect, "write_artifact", std::move(arguments)));
  report.artifacts.insert(report.artifacts.end(), written.artifacts.begin(),
                          written.artifacts.end());
  co_return absl::OkStatus();
}

// Saves what the last state holds: labels, data, whatever the toolbox knows to save.
AsyncStatus SaveResults(const Scope& scope, const Toolbox& toolbox, const std::string& state,
                        std::vector<AcceptedCell>& cells, CellAgentReport& report) {
  const std::string saving = scope.path() + "/save";
  Json arguments = {{"code", toolbox.finish_code}, {"from", state}, {"state", saving}};
  CO_ASSIGN_OR_RETURN(const ToolResult saved,
                      co_await CallToSave(scope, "save", "python", std::move(arguments)));
  const auto listed = PrintedJson(saved);
  if (saved.is_error || !listed.ok()) co_return absl::OkStatus();
  cells.push_back(
      {"Save the results", toolbox.finish_code, JsonArray(saved.value, "outputs"), saved.content});
  Json publish = {{"state", saving}, {"files", JsonArray(*listed, "files")}};
  CO_ASSIGN_OR_RETURN(const ToolResult published,
                      co_await CallToSave(scope, "publish", "publish", std::move(publish)));
  report.artifacts.insert(report.artifacts.end(), published.artifacts.begin(),
                          published.artifacts.end());
  co_return absl::OkStatus();
}

AsyncStatus Close(const Scope& task, Situation& situation, const std::string& state,
                  CellAgentReport& report) {
  Scope scope = task.ForClosing().Open("closing", "closing", "Save and report");
  std::vector<AcceptedCell> cells = situation.memory;
  if (!state.empty()) {
    CO_RETURN_IF_ERROR(co_await SaveResults(scope, *situation.toolbox, state, cells, report));
  }
  const std::vector<TextFile> figures = Figures(cells);
  for (const TextFile& figure : figures) {
    CO_RETURN_IF_ERROR(co_await WriteFile(scope, figure, report));
  }
  std::vector<TextFile> files = {
      {"analysis.ipynb", "The accepted code with its outputs",
       PrettyJson(MakeNotebook(situation.toolbox->title, situation.options, cells)), ""}};
  for (const std::string& name : situation.toolbox->notebook_files) {
    std::ostringstream text;
    text << std::ifstream(situation.toolbox->lib() / name).rdbuf();
    files.push_back({name, "A file that the notebook uses", text.str(), ""});
  }
  files.push_back({"report.md", "The report", MakeReport(situation.options, report, figures), ""});
  for (const TextFile& file : files) {
    CO_RETURN_IF_ERROR(co_await WriteFile(scope, file, report));
  }
  scope.End();
  co_return absl::OkStatus();
}

}  // namespace

Async<CellAgentReport> RunCellAgent(Scope& task, CellAgentOptions options, const Toolbox& toolbox) {
  Situation situation;
  situation.options = std::move(options);
  situation.toolbox = &toolbox;
  CellAgentReport report;
  std::string state;
  CO_RETURN_IF_ERROR(co_await Survey(task, situation));
  CO_ASSIGN_OR_RETURN(report.plan, co_await MakePlan(task, situation));
  const absl::Status carried_out = co_await CarryOut(task, situation, report, state);
  if (!carried_out.ok() && !IsLimit(carried_out)) co_return carried_out;
  report.stopped = carried_out;
  if (report.stopped.ok()) {
    Scope scope = task.Open("report", "report", "Write the report");
    auto written = co_await WriteReport(scope, situation, report.steps);
    scope.End(written.status());
    if (written.ok()) {
      report.text = *std::move(written);
    } else if (IsLimit(written.status())) {
      report.stopped = written.status();
    } else if (!HasReason(written.status(), Reason::kModelBadReply)) {
      co_return written.status();
    }
  }
  if (report.text.empty()) {
    report.text = fmt::format("# {}\n\n{} of {} steps were carried out.", toolbox.title,
                              report.steps.size(), report.plan.size());
  }
  CO_RETURN_IF_ERROR(co_await Close(task, situation, state, report));
  co_return report;
}

}  // namespace troupe
