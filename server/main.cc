// trouped: the server.
#include <absl/strings/str_split.h>
#include <fmt/format.h>
#ifdef TROUPE_MIMALLOC
#include <mimalloc.h>
#endif
#include <signal.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "server/server.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// The allocator gives pages that are free back to the system after this many milliseconds (25 by
// its own choice), and pays for them when they are needed again: calls of models take and free
// memory all the time.
[[maybe_unused]] constexpr long kKeepFreePages = 1000;

void SetUpAllocator() {
#ifdef TROUPE_MIMALLOC
  mi_option_set_default(mi_option_decommit_delay, kKeepFreePages);
#endif
}

// Waits for a polite request to stop. The signals are blocked in all threads.
void WaitForStop(const sigset_t& signals) {
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("stopping: signal {}", signal);
}

absl::Status Run(const std::string& config_file, const std::string& share_folder,
                 const std::string& listen, const std::string& port_file, const sigset_t& signals) {
  ASSIGN_OR_RETURN(ServerConfig config, LoadServerConfig(config_file));
  if (!listen.empty()) config.listen = listen;
  spdlog::set_level(spdlog::level::from_str(config.log_level));
  ASSIGN_OR_RETURN(auto server, Server::Start(config, share_folder));
  if (!port_file.empty()) RETURN_IF_ERROR(server->WritePort(port_file));
  spdlog::info("listening on {}, data in {}", server->address(), config.data_folder.string());
  WaitForStop(signals);
  server->Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) {
  troupe::SetUpAllocator();
  CLI::App app{"trouped: a durable service for LLM agents"};
  std::string config = "troupe.toml";
  std::string share = TROUPE_SHARE_FOLDER;
  std::string listen;
  std::string port_file;
  app.add_option("--config", config, "Configuration file (TOML)")->capture_default_str();
  app.add_option("--share", share, "Folder of prompts, toolboxes and kernels")
      ->capture_default_str();
  app.add_option("--listen", listen, "Address to listen on, over the configuration's");
  app.add_option("--port-file", port_file, "Write the port to this file once listening");
  CLI11_PARSE(app, argc, argv);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const absl::Status status = troupe::Run(config, share, listen, port_file, signals);
  if (status.ok()) return 0;
  std::cerr << "trouped: " << troupe::MessageOf(status) << std::endl;
  return 1;
}
