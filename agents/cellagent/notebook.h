// The accepted cells of a task as files for people: a Jupyter notebook that runs from top to
// bottom, the figures, and the report. Stateless functions.
#pragma once

#include <string>
#include <vector>

#include "agents/cellagent/cellagent.h"

namespace troupe {

// nbformat 4.5, outputs and figures included.
Json MakeNotebook(const std::string& title, const CellAgentOptions& options,
                  const std::vector<AcceptedCell>& cells);

// A file to write into the artifacts.
struct TextFile {
  std::string name;
  std::string description;
  std::string text;    // as it is, or
  std::string base64;  // the bytes, encoded
};

// Every figure of the cells, "figure-1.png" and on.
std::vector<TextFile> Figures(const std::vector<AcceptedCell>& cells);

// The report with the plan, the scores and where everything came from.
std::string MakeReport(const CellAgentOptions& options, const CellAgentReport& report,
                       const std::vector<TextFile>& figures);

}  // namespace troupe
