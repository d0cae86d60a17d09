#include "agents/cellagent/notebook.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "tools/base/hash.h"

namespace troupe {
namespace {

// Each line with its newline, as notebooks keep text.
Json Lines(const std::string& text) {
  Json lines = Json::array();
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end == std::string::npos ? end : end - at + 1));
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return lines;
}

Json Markdown(const std::string& id, const std::string& text) {
  return {
      {"cell_type", "markdown"}, {"id", id}, {"metadata", Json::object()}, {"source", Lines(text)}};
}

// Puts the bytes of images back where the kernel's tool took them out.
Json WithImages(Json outputs, const std::vector<ToolContent>& content, int count) {
  Json kept = Json::array();
  for (Json& output : outputs) {
    if (output.contains("data") && output["data"].is_object()) {
      for (auto& [type, value] : output["data"].items()) {
        if (!value.is_object() || !value.contains("content")) continue;
        const auto index = static_cast<size_t>(JsonInt(value, "content"));
        const auto* image =
            index < content.size() ? std::get_if<ToolImage>(&content[index]) : nullptr;
        value = image == nullptr ? Json("") : Json(absl::Base64Escape(image->bytes));
      }
    }
    if (JsonString(output, "output_type") == "execute_result") output["execution_count"] = count;
    kept.push_back(std::move(output));
  }
  return kept;
}

std::string TableCell(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '|') c = ' ';
  }
  return text.size() > 160 ? text.substr(0, 157) + "..." : text;
}

}  // namespace

Json MakeNotebook(const std::string& title, const CellAgentOptions& options,
                  const std::vector<AcceptedCell>& cells) {
  Json list = Json::array();
  std::string intro = fmt::format("# {}\n\n{}\n", title, options.request);
  if (!options.requirements.empty()) {
    intro += fmt::format("\nRequirements: {}\n", options.requirements);
  }
  intro += "\nThe data is expected in `inputs/` beside this notebook.\n";
  list.push_back(Markdown("intro", intro));
  int count = 0;
  for (const AcceptedCell& cell : cells) {
    ++count;
    list.push_back(
        Markdown(fmt::format("title-{}", count), fmt::format("## {}. {}\n", count, cell.title)));
    list.push_back({{"cell_type", "code"},
                    {"id", fmt::format("cell-{}", count)},
                    {"metadata", Json::object()},
                    {"execution_count", count},
                    {"source", Lines(cell.code)},
                    {"outputs", WithImages(cell.outputs, cell.content, count)}});
  }
  return {
      {"nbformat", 4},
      {"nbformat_minor", 5},
      {"metadata",
       {{"kernelspec", {{"display_name", "Python 3"}, {"language", "python"}, {"name", "python3"}}},
        {"language_info", {{"name", "python"}}}}},
      {"cells", list}};
}

std::vector<TextFile> Figures(const std::vector<AcceptedCell>& cells) {
  std::vector<TextFile> figures;
  for (const AcceptedCell& cell : cells) {
    for (const ToolContent& part : cell.content) {
      const auto* image = std::get_if<ToolImage>(&part);
      if (image == nullptr || image->media_type != "image/png") continue;
      figures.push_back({fmt::format("figure-{}.png", figures.size() + 1), cell.title, "",
                         absl::Base64Escape(image->bytes)});
    }
  }
  return figures;
}

std::string MakeReport(const CellAgentOptions& options, const CellAgentReport& report,
                       const std::vector<TextFile>& figures) {
  std::string text = report.text + "\n\n## How it was done\n\n";
  if (!report.stopped.ok()) {
    text += fmt::format("The task was stopped after {} of {} steps: {}\n\n", report.steps.size(),
                        report.plan.size(), std::string(report.stopped.message()));
  }
  text += "| step | trials | chosen | score | evaluator |\n|---|---|---|---|---|\n";
  for (const StepOutcome& outcome : report.steps) {
    double score = 0;
    std::string critique = "no trial ran";
    for (const Trial& trial : outcome.trials) {
      if (trial.number != outcome.chosen) continue;
      score = trial.score;
      critique = trial.critique;
    }
    text += fmt::format("| {} | {} | {} | {:.1f} | {} |\n", TableCell(outcome.step.title),
                        outcome.trials.size(), outcome.chosen, score, TableCell(critique));
  }
  if (!figures.empty()) {
    text += "\n## Figures\n\n";
    for (const TextFile& figure : figures) {
      text += fmt::format("![{}]({})\n\n", TableCell(figure.description), figure.name);
    }
  }
  // Nothing that differs between a task and its replay: the report is part of the record.
  text += fmt::format(
      "\n## Provenance\n\n- request: {}\n- code and outputs: `analysis.ipynb`\n"
      "- every model call, tool call and verdict: the task's trace (`troupe trace`)\n",
      TableCell(options.request));
  return text;
}

}  // namespace troupe
