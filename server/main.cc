// trouped: the server.
#include <fmt/format.h>
#ifdef TROUPE_MIMALLOC
#include <mimalloc.h>
#endif
#include <signal.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <iostream>
#include <thread>

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

// What asks the server politely to stop. A terminal that goes does, unless it was started with
// nohup.
sigset_t PoliteSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  struct sigaction on_hangup = {};
  sigaction(SIGHUP, nullptr, &on_hangup);
  if (on_hangup.sa_handler != SIG_IGN) sigaddset(&signals, SIGHUP);
  return signals;
}

// A polite request to stop. Made before all other threads, which must not take the signals. One
// that comes while the server still starts ends it at once: to bring a large store up to date may
// take longer than whoever stops it waits, and what is begun then is done whole or not at all.
class StopRequest {
 public:
  StopRequest() : signals_(PoliteSignals()) {
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::thread([this] { Listen(); });
  }
  ~StopRequest() {
    pthread_kill(thread_.native_handle(), SIGTERM);  // it may wait yet
    thread_.join();
  }
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  // The server has started, or failed to.
  void NoteStarted() { starting_ = false; }
  // Returns the signal that came.
  int Wait() { return came_.get_future().get(); }

 private:
  void Listen() {
    int signal = 0;
    sigwait(&signals_, &signal);
    if (starting_) {
      spdlog::info("stopping while it starts: signal {}", signal);
      std::_Exit(0);
    }
    came_.set_value(signal);
  }

  const sigset_t signals_;
  std::atomic<bool> starting_ = true;
  std::promise<int> came_;
  std::thread thread_;
};

absl::Status Run(const std::string& config_file, const std::string& share_folder,
                 const std::string& listen, const std::string& port_file, StopRequest& stop) {
  ASSIGN_OR_RETURN(ServerConfig config, LoadServerConfig(config_file));
  if (!listen.empty()) config.listen = listen;
  spdlog::set_level(spdlog::level::from_str(config.log_level));
  ASSIGN_OR_RETURN(auto server, Server::Start(config, share_folder));
  stop.NoteStarted();
  if (!port_file.empty()) RETURN_IF_ERROR(server->WritePort(port_file));
  spdlog::info("listening on {}, data in {}", server->address(), config.data_folder.string());
  spdlog::info("stopping: signal {}", stop.Wait());
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

  troupe::StopRequest stop;
  signal(SIGPIPE, SIG_IGN);

  const absl::Status status = troupe::Run(config, share, listen, port_file, stop);
  stop.NoteStarted();
  if (status.ok()) return 0;
  std::cerr << "trouped: " << troupe::MessageOf(status) << std::endl;
  return 1;
}
