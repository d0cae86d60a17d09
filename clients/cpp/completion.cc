#include "clients/cpp/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "clients/cpp/connection.h"
#include "clients/cpp/declarations.h"

namespace troupe::client {
namespace {

constexpr auto kServerTime = std::chrono::seconds(1);
constexpr int kMostTasks = 50;

// What an option or an argument takes, by its name: the declarations do not say.
enum class Takes { kNothing, kText, kTask, kTool, kPrompt, kChoice };

struct Argument {
  Takes takes = Takes::kText;
  std::vector<std::string> choices;
};

Argument ArgumentOf(const std::string& command, const std::string& name) {
  static const std::map<std::string, Argument> known = {
      {"task", {Takes::kTask, {}}},
      {"fork name", {Takes::kTask, {}}},
      {"respond name", {Takes::kTask, {}}},
      {"tool", {Takes::kTool, {}}},
      {"solve tools", {Takes::kTool, {}}},
      {"allow-tool", {Takes::kTool, {}}},
      {"ask-tool", {Takes::kTool, {}}},
      {"deny-tool", {Takes::kTool, {}}},
      {"prompt", {Takes::kPrompt, {}}},
      {"format", {Takes::kChoice, {"jsonl", "notebook"}}},
      {"evaluate baseline", {Takes::kTask, {}}},
      {"evaluate registered", {Takes::kPrompt, {}}},
      {"by", {Takes::kChoice, {"model", "role", "tool", "task", "day"}}},
      {"toolbox", {Takes::kChoice, {"single_cell", "tabular"}}},
  };
  auto found = known.find(command + " " + name);
  if (found == known.end()) found = known.find(name);
  return found == known.end() ? Argument() : found->second;
}

std::unique_ptr<grpc::ClientContext> ShortContext() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + kServerTime);
  return context;
}

std::string WithoutCollection(const std::string& name) { return name.substr(name.find('/') + 1); }

// Nothing if the server does not answer: completion stays silent.
std::vector<std::string> Candidates(const Argument& argument, const GlobalOptions& global) {
  std::vector<std::string> names;
  if (argument.takes == Takes::kChoice) return argument.choices;
  Connection connection(global.server);
  if (argument.takes == Takes::kTask) {
    v1::ListTasksRequest request;
    request.set_page_size(kMostTasks);
    v1::ListTasksResponse response;
    connection.tasks().ListTasks(ShortContext().get(), request, &response);
    for (const v1::Task& task : response.tasks()) names.push_back(task.name());
  } else if (argument.takes == Takes::kTool) {
    v1::ListToolsResponse response;
    connection.tools().ListTools(ShortContext().get(), {}, &response);
    for (const v1::Tool& tool : response.tools()) names.push_back(WithoutCollection(tool.name()));
  } else if (argument.takes == Takes::kPrompt) {
    v1::ListPromptsResponse response;
    connection.prompts().ListPrompts(ShortContext().get(), {}, &response);
    for (const v1::Prompt& prompt : response.prompts()) {
      names.push_back(WithoutCollection(prompt.name()));
    }
  }
  return names;
}

const CLI::Option* FindOption(const CLI::App& command, const CLI::App& app,
                              const std::string& word) {
  for (const CLI::App* each : {&command, &app}) {
    for (const CLI::Option* option : OptionsOf(*each)) {
      const auto words = Spellings(*option);
      if (std::find(words.begin(), words.end(), word) != words.end()) return option;
    }
  }
  return nullptr;
}

const CLI::App* FindCommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

// Where the cursor stands: in which command, at which argument, or after an option that takes one.
struct Place {
  const CLI::App* command = nullptr;
  size_t arguments = 0;
  const CLI::Option* option = nullptr;
};

Place FindPlace(const CLI::App& app, const std::vector<std::string>& before,
                GlobalOptions& global) {
  Place place{&app};
  for (const std::string& word : before) {
    if (place.option != nullptr) {
      if (LongName(*place.option) == "server") global.server = word;
      place.option = nullptr;
    } else if (word.starts_with("-")) {
      const CLI::Option* option = FindOption(*place.command, app, word);
      if (option != nullptr && option->get_items_expected_max() > 0) place.option = option;
    } else if (const CLI::App* command = FindCommand(*place.command, word); command != nullptr) {
      place.command = command;
      place.arguments = 0;
    } else {
      ++place.arguments;
    }
  }
  return place;
}

}  // namespace

std::string CompletionScript() {
  // Candidates stand one a line; without any, bash completes names of files.
  return R"sh(_troupe() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" complete-words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _troupe troupe
)sh";
}

std::vector<std::string> Complete(const CLI::App& app, std::vector<std::string> words,
                                  const GlobalOptions& global) {
  std::string last;
  if (!words.empty()) {
    last = words.back();
    words.pop_back();
  }
  GlobalOptions options = global;
  const Place place = FindPlace(app, words, options);
  const std::string& command = place.command->get_name();
  std::vector<std::string> found;
  if (place.option != nullptr) {
    found = Candidates(ArgumentOf(command, LongName(*place.option)), options);
  } else if (last.starts_with("-")) {
    for (const CLI::App* each : {place.command, &app}) {
      for (const CLI::Option* option : OptionsOf(*each)) {
        if (!option->get_lnames().empty()) found.push_back("--" + option->get_lnames()[0]);
      }
    }
  } else {
    for (const CLI::App* inner : place.command->get_subcommands({})) {
      found.push_back(inner->get_name());
    }
    const auto arguments = ArgumentsOf(*place.command);
    if (place.arguments < arguments.size()) {
      const auto more =
          Candidates(ArgumentOf(command, arguments[place.arguments]->get_name(true)), options);
      found.insert(found.end(), more.begin(), more.end());
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  std::erase_if(found, [&](const std::string& word) { return !word.starts_with(last); });
  return found;
}

}  // namespace troupe::client
