// Toolbox: domain knowledge as data. A folder with toolbox.toml, tool cards, expert hints and code
// snippets that tells CellAgent's agents how to work in a field; nothing of a field is in the code.
//
//   toolbox.toml      name, title, the kinds of steps, and the snippets
//   cards/*.md        one tool each: TOML head (name, brief, steps, requires), then how to use it
//   hints/*.md        what an expert would say of a kind of step
//   snippets/*.py     describe, finish, metrics ...: run by us, not by the agents
//   lib/              modules that the agents' code may import
//
// Immutable after loading and thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace troupe {

// How the trials of a step become one outcome.
enum class Aggregation { kBest, kConsensus };

struct StepKind {
  std::string name;
  std::string title;
  std::string hints;   // Markdown; may be empty
  int trials = 1;      // at most
  int approaches = 1;  // tried side by side at first
  Aggregation aggregation = Aggregation::kBest;
  std::string metric_code;  // prints {"score": 0..10, "name", "details"} last; empty: no metric
};

struct ToolCard {
  std::string name;
  std::string brief;               // for the selector
  std::string description;         // for the programmer
  std::vector<std::string> steps;  // kinds of steps it is for; empty: all
  // Python modules and R packages, these as "R:Seurat"; a card is offered if all are there.
  std::vector<std::string> required;
};

struct Toolbox {
  std::string name;
  std::string title;
  std::string main_variable;  // what the agents' code calls the main data; "data" unless told
  std::string planning_hints;
  std::string describe_code;  // prints the text form of the data
  std::string finish_code;    // saves the results; prints {"files": [{"file", "description"}]} last
  std::string labels_code;    // prints the labels of a trial as JSON, for a consensus
  std::string consensus_code;  // applies CONSENSUS, a dictionary of group to label
  std::vector<StepKind> steps;
  std::vector<ToolCard> cards;
  std::vector<std::string> notebook_files;  // of lib/, put beside the notebook
  std::filesystem::path folder;

  std::filesystem::path lib() const { return folder / "lib"; }
  const StepKind* FindStep(const std::string& kind) const;
  // Prints, as one JSON object, which of all required modules and packages there are.
  std::string ProbeCode() const;
};

// kInvalidField, naming the file, for a toolbox that cannot be used.
absl::StatusOr<Toolbox> LoadToolbox(const std::filesystem::path& folder);

}  // namespace troupe
