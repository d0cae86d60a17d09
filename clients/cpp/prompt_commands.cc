// troupe prompts: list, show, history, diff, create, add, promote, rollback.
#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/prompt_view.h"

namespace troupe::client {
namespace {

struct PromptOptions {
  std::string prompt;
  std::string version;
  std::string other;
  std::string file;
  std::string description;
  std::vector<std::string> variables;
  std::string note;
  std::string reason;
  std::string evidence;
  bool without_evidence = false;
  int parent = 0;
  std::string task;
  std::string evaluation;
};

std::string PromptResource(const std::string& name) { return "prompts/" + PromptId(name); }

std::string TaskOrNothing(const std::string& name) { return name.empty() ? "" : TaskName(name); }

std::string TemplateIn(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw CLI::ValidationError(path, "cannot be opened");
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// "NAME", "NAME:TYPE", either with "!" behind it: a template must use it.
v1::PromptVariable VariableOf(const std::string& given) {
  v1::PromptVariable variable;
  std::string text = given;
  if (text.ends_with('!')) {
    variable.set_required(true);
    text.pop_back();
  }
  const size_t colon = text.find(':');
  variable.set_name(text.substr(0, colon));
  std::string type = colon == std::string::npos ? "unspecified" : text.substr(colon + 1);
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  v1::PromptVariable::Type parsed = v1::PromptVariable::TYPE_UNSPECIFIED;
  if (!v1::PromptVariable::Type_Parse("TYPE_" + type, &parsed)) {
    throw CLI::ValidationError(given, "the type is text, list, object, number or boolean");
  }
  variable.set_type(parsed);
  return variable;
}

int ListPrompts(const GlobalOptions& global) {
  Connection connection(global.server);
  v1::ListPromptsRequest request;
  v1::ListPromptsResponse all;
  do {
    v1::ListPromptsResponse page;
    const auto status = connection.prompts().ListPrompts(CallContext().get(), request, &page);
    if (!status.ok()) return Report(status, global.json);
    request.set_page_token(page.next_page_token());
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  all.clear_next_page_token();
  std::cout << (global.json ? ToJson(all) + "\n" : PromptListText(all)) << std::flush;
  return kExitOk;
}

grpc::Status GetPrompt(Connection& connection, const std::string& name, v1::Prompt& prompt) {
  v1::GetPromptRequest request;
  request.set_name(PromptResource(name));
  v1::GetPromptResponse response;
  const auto status = connection.prompts().GetPrompt(CallContext().get(), request, &response);
  prompt = std::move(*response.mutable_prompt());
  return status;
}

int ShowHistory(const GlobalOptions& global, const PromptOptions& options) {
  Connection connection(global.server);
  v1::Prompt prompt;
  const auto status = GetPrompt(connection, options.prompt, prompt);
  if (!status.ok()) return Report(status, global.json);
  std::cout << (global.json ? ToJson(prompt) + "\n" : PromptHistoryText(prompt)) << std::flush;
  return kExitOk;
}

// A prompt with its active version, or the version that is named.
int ShowPrompt(const GlobalOptions& global, const PromptOptions& options) {
  Connection connection(global.server);
  v1::GetPromptVersionRequest request;
  request.set_name(VersionName(options.prompt));
  v1::GetPromptVersionResponse response;
  const auto status =
      connection.prompts().GetPromptVersion(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  std::cout << (global.json ? ToJson(response.version()) + "\n"
                            : PromptVersionText(response.version()))
            << std::flush;
  return kExitOk;
}

int ShowDiff(const GlobalOptions& global, const PromptOptions& options) {
  Connection connection(global.server);
  v1::DiffPromptVersionsRequest request;
  request.set_name_a(VersionName(options.prompt));
  // Of the same prompt, unless another is named.
  const std::string prompt = options.prompt.substr(0, options.prompt.find('@'));
  const bool number_alone = options.other.find_first_not_of("0123456789") == std::string::npos ||
                            options.other == "active";
  request.set_name_b(VersionName(number_alone ? prompt + "@" + options.other : options.other));
  v1::DiffPromptVersionsResponse response;
  const auto status =
      connection.prompts().DiffPromptVersions(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  std::cout << (global.json ? ToJson(response) + "\n" : PromptDiffText(response)) << std::flush;
  return kExitOk;
}

int CreatePrompt(const GlobalOptions& global, const PromptOptions& options) {
  Connection connection(global.server);
  v1::CreatePromptRequest request;
  request.set_prompt_id(options.prompt);
  request.set_description(options.description);
  for (const std::string& variable : options.variables) {
    *request.add_variables() = VariableOf(variable);
  }
  request.set_template_(TemplateIn(options.file));
  request.set_origin("command line");
  request.set_note(options.note);
  v1::CreatePromptResponse response;
  const auto status = connection.prompts().CreatePrompt(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  std::cout << (global.json ? ToJson(response.prompt()) : response.prompt().name()) << std::endl;
  return kExitOk;
}

int AddVersion(const GlobalOptions& global, const PromptOptions& options) {
  Connection connection(global.server);
  v1::CreatePromptVersionRequest request;
  request.set_parent(PromptResource(options.prompt));
  request.set_template_(TemplateIn(options.file));
  request.set_parent_version(options.parent);
  request.set_origin("command line");
  request.set_note(options.note);
  request.set_task(TaskOrNothing(options.task));
  request.set_evaluation(TaskOrNothing(options.evaluation));
  v1::CreatePromptVersionResponse response;
  const auto status =
      connection.prompts().CreatePromptVersion(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  std::cout << (global.json ? ToJson(response.version()) : response.version().name()) << std::endl;
  return kExitOk;
}

int PrintActive(const grpc::Status& status, const v1::Prompt& prompt, const GlobalOptions& global) {
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(prompt) << std::endl;
  } else {
    std::cout << fmt::format("{} uses version {}", prompt.name(), prompt.active_version())
              << std::endl;
  }
  return kExitOk;
}

int PromoteVersion(const GlobalOptions& global, const PromptOptions& options) {
  // The active version would stay the active one, which looks like a success.
  if (options.version.find_first_of("@/") == std::string::npos) {
    throw CLI::ValidationError(options.version, "say which version, as " + options.version + "@2");
  }
  Connection connection(global.server);
  v1::PromotePromptRequest request;
  request.set_name(VersionName(options.version));
  request.set_reason(options.reason);
  request.set_evidence(TaskOrNothing(options.evidence));
  request.set_without_evidence(options.without_evidence);
  v1::PromotePromptResponse response;
  const auto status = connection.prompts().PromotePrompt(CallContext().get(), request, &response);
  return PrintActive(status, response.prompt(), global);
}

int RollbackPrompt(const GlobalOptions& global, const PromptOptions& options) {
  Connection connection(global.server);
  v1::RollbackPromptRequest request;
  request.set_name(PromptResource(options.prompt));
  request.set_reason(options.reason);
  v1::RollbackPromptResponse response;
  const auto status = connection.prompts().RollbackPrompt(CallContext().get(), request, &response);
  return PrintActive(status, response.prompt(), global);
}

using Command = int (*)(const GlobalOptions&, const PromptOptions&);

}  // namespace

void AddPromptCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<PromptOptions>();
  CLI::App* prompts = app.add_subcommand("prompts", "List prompts; show, compare or change them");
  prompts->require_subcommand(0, 1);
  const auto add = [&, prompts](const char* name, const char* what, Command run) {
    CLI::App* command = prompts->add_subcommand(name, what);
    command->callback([=, &global, &exit_code] { exit_code = run(global, *options); });
    return command;
  };
  const auto takes_prompt = [&](CLI::App* command, const char* what) {
    command->add_option("prompt", options->prompt, what)->required();
  };
  add("list", "List all prompts",
      [](const GlobalOptions& shared, const PromptOptions&) { return ListPrompts(shared); });
  takes_prompt(add("show", "Show a prompt's template", ShowPrompt),
               "As solve.solver; with @2, that version and not the active one");
  takes_prompt(
      add("history", "Show where a prompt's versions came from, and promotions", ShowHistory),
      "As solve.solver");

  CLI::App* diff = add("diff", "Show what differs between two versions", ShowDiff);
  takes_prompt(diff, "The old one, as solve.solver@1");
  diff->add_option("other", options->other, "The new one: 2, active, or another prompt's version")
      ->default_val("active");

  CLI::App* create = add("create", "Make a prompt of your own from a file", CreatePrompt);
  takes_prompt(create, "Its name, as quiz.answer");
  create->add_option("file", options->file, "The template")->required();
  create->add_option("--description", options->description, "What it is for");
  AddList(*create, "--var", options->variables,
          "A variable: NAME (of any type), NAME:TYPE (text, list, object, number, boolean); with ! "
          "behind it a template must use it");
  create->add_option("--note", options->note, "Why it is made");

  CLI::App* version = add("add", "Add a version from a file", AddVersion);
  takes_prompt(version, "As solve.solver");
  version->add_option("file", options->file, "The template")->required();
  version->add_option("--note", options->note, "Why it is made");
  version->add_option("--parent", options->parent,
                      "The version it is made from, if not the active");
  version->add_option("--task", options->task, "The task that made it");
  version->add_option("--evaluation", options->evaluation, "The task that tells how good it is");

  CLI::App* promote = add("promote", "Make a version the active one", PromoteVersion);
  promote->add_option("version", options->version, "As solve.solver@2")->required();
  promote->add_option("--reason", options->reason, "Why")->required();
  auto* evidence = promote->add_option("--evidence", options->evidence,
                                       "The task that found it better than the active one");
  promote
      ->add_flag("--without-evidence", options->without_evidence,
                 "Promote it though no task found it better")
      ->excludes(evidence);

  CLI::App* rollback =
      add("rollback", "Go back to the version that was active before", RollbackPrompt);
  takes_prompt(rollback, "As solve.solver");
  rollback->add_option("--reason", options->reason, "Why")->required();

  prompts->callback([=, &global, &exit_code] {
    if (prompts->get_subcommands().empty()) exit_code = ListPrompts(global);
  });
}

}  // namespace troupe::client
