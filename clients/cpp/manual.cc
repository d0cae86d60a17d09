#include "clients/cpp/manual.h"

#include <fmt/format.h>

#include "clients/cpp/declarations.h"

namespace troupe::client {
namespace {

void AddEntry(std::string& text, const std::string& head, const std::string& what, int indent) {
  const std::string space(static_cast<size_t>(indent), ' ');
  text += fmt::format("{}{}\n{}       {}\n", space, head, space, what);
}

std::string OptionHead(const CLI::Option& option) {
  std::string head;
  for (const std::string& word : Spellings(option)) head += (head.empty() ? "" : ", ") + word;
  if (option.get_items_expected_max() > 0) head += " " + option.get_type_name();
  return head;
}

void AddCommand(const CLI::App& command, const std::string& prefix, std::string& text) {
  std::string head = prefix + command.get_name();
  for (const CLI::Option* argument : ArgumentsOf(command)) {
    const std::string name = argument->get_name(true);
    head += argument->get_required() ? " " + name : " [" + name + "]";
  }
  AddEntry(text, head, command.get_description(), 7);
  for (const CLI::Option* argument : ArgumentsOf(command)) {
    AddEntry(text, argument->get_name(true), argument->get_description(), 14);
  }
  for (const CLI::Option* option : OptionsOf(command)) {
    if (LongName(*option) != "help") {
      AddEntry(text, OptionHead(*option), option->get_description(), 14);
    }
  }
  text += "\n";
  for (const CLI::App* inner : command.get_subcommands({})) {
    AddCommand(*inner, prefix + command.get_name() + " ", text);
  }
}

}  // namespace

std::string ManualText(const CLI::App& app) {
  std::string text =
      "TROUPE(1)\n\nNAME\n       troupe - submit tasks to a Troupe server, follow them, look at "
      "what they did\n\nSYNOPSIS\n       troupe [--server ADDRESS] [--json] COMMAND [ARGUMENTS]\n\n"
      "OPTIONS\n";
  for (const CLI::Option* option : OptionsOf(app)) {
    AddEntry(text, OptionHead(*option), option->get_description(), 7);
  }
  text += "\nCOMMANDS\n";
  for (const CLI::App* command : app.get_subcommands({})) AddCommand(*command, "", text);
  text +=
      "OUTPUT\n"
      "       Text for people, on a terminal in color unless NO_COLOR is set. With --json every\n"
      "       command prints one JSON value on standard output; watch and submit --watch print "
      "one\n"
      "       event a line. Errors go to standard error; with --json as {\"error\": {\"code\",\n"
      "       \"reason\", \"message\", \"metadata\"}}.\n\n"
      "EXIT STATUS\n"
      "       0      done\n"
      "       1      the server refused, or the task that was watched failed\n"
      "       2      the command line is wrong\n"
      "       3      the server cannot be reached\n"
      "       4      the task that was watched was stopped by a limit or cancelled\n\n"
      "ENVIRONMENT\n"
      "       TROUPE_SERVER\n              the server's address, in place of --server\n"
      "       NO_COLOR\n              no color on a terminal\n\n"
      "EXAMPLES\n"
      "       troupe submit \"Which cell types are in these cells?\" -i cells.h5ad --watch\n"
      "       troupe tasks --filter 'state = RUNNING AND labels.team = bio'\n"
      "       troupe trace TASK --json | jq '.spans[].path'\n"
      "       troupe fork tasks/TASK/spans/42 --text '{\"code\": \"total = 7\"}'\n"
      "       troupe export TASK --format notebook -o analysis.ipynb\n";
  return text;
}

}  // namespace troupe::client
