// The command that lists and fetches the files that a task left.
#include <fmt/format.h>

#include <iostream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/download_file.h"
#include "clients/cpp/render.h"

namespace troupe::client {
namespace {

constexpr std::string_view kBefore = "/artifacts/";

int List(const GlobalOptions& global, const std::string& task) {
  Connection connection(global.server);
  v1::GetTaskRequest request;
  request.set_name(TaskName(task));
  v1::GetTaskResponse response;
  const auto status = connection.tasks().GetTask(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    v1::TaskResult files;
    *files.mutable_artifacts() = response.task().result().artifacts();
    std::cout << ToJson(files) << std::endl;
    return kExitOk;
  }
  for (const v1::Artifact& artifact : response.task().result().artifacts()) {
    // What is in a room of the task has the room before its name.
    const size_t end = artifact.name().find(kBefore);
    const std::string file =
        end == std::string::npos ? artifact.name() : artifact.name().substr(end + kBefore.size());
    std::cout << fmt::format("{:<24} {:>12} bytes  {}", file, artifact.size_bytes(),
                             OneLine(artifact.description(), 0))
              << std::endl;
  }
  return kExitOk;
}

}  // namespace

void AddArtifactCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  struct Options {
    std::string task;
    std::string file;
    std::string output;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("artifacts", "List a task's files, or fetch one");
  command->add_option("task", options->task, "tasks/ID or ID")->required();
  command->add_option("file", options->file, "A file to fetch");
  command->add_option("-o,--output", options->output, "Where to; without it, standard output");
  command->callback([=, &global, &exit_code] {
    exit_code = options->file.empty()
                    ? List(global, options->task)
                    : FetchArtifact(global, options->task, options->file, options->output);
  });
}

}  // namespace troupe::client
