#include "tests/bench/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace troupe::bench {

ServerProcess::ServerProcess(std::filesystem::path binaries, std::filesystem::path folder,
                             int model_port)
    : binaries_(std::move(binaries)), folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ / "troupe.toml")
      << "[server]\nlisten = \"127.0.0.1:0\"\ndata_folder = \"" << data().string()
      << "\"\nlog_level = \"warn\"\nrest_after_seconds = " << kRestAfter.count()
      << "\n[models.m]\nkind = \"openai\"\nmodel = \"m\"\nconcurrency = 0\n"
      << "url = \"http://127.0.0.1:" << model_port << "/v1\"\n[roles]\ndefault = \"m\"\n";
  Start();
}

ServerProcess::~ServerProcess() { Stop(); }

void ServerProcess::Start() {
  const auto port_file = folder_ / "port";
  std::filesystem::remove(port_file);
  const std::string binary = binaries_ / "trouped";
  const std::string config = folder_ / "troupe.toml";
  const std::string port_text = port_file;
  const std::string log = folder_ / "trouped.log";
  pid_ = fork();
  if (pid_ == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execl(binary.c_str(), binary.c_str(), "--config", config.c_str(), "--port-file",
          port_text.c_str(), nullptr);
    _exit(127);
  }
  for (int i = 0; i < 3000 && !std::filesystem::exists(port_file); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::string port;
  std::ifstream(port_file) >> port;
  if (port.empty()) throw std::runtime_error("trouped did not start: see " + log);
  address_ = "127.0.0.1:" + port;
}

void ServerProcess::Signal(int signal) {
  if (pid_ <= 0) return;
  kill(pid_, signal);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ServerProcess::Kill() { Signal(SIGKILL); }
void ServerProcess::Stop() { Signal(SIGTERM); }

double ServerProcess::CpuSeconds() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  std::istringstream fields(all.substr(all.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double ServerProcess::StatusMegabytes(const std::string& field) const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(field + ":", 0) == 0) return std::stod(line.substr(field.size() + 1)) / 1024;
  }
  return 0;
}

double ServerProcess::ResidentMegabytes() const { return StatusMegabytes("VmRSS"); }
double ServerProcess::AnonymousMegabytes() const { return StatusMegabytes("RssAnon"); }
double ServerProcess::PeakMegabytes() const { return StatusMegabytes("VmHWM"); }

double ServerProcess::WrittenMegabytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/io");
  std::string name;
  double value = 0;
  while (file >> name >> value) {
    if (name == "write_bytes:") return value / 1e6;
  }
  return 0;
}

int ServerProcess::OpenFiles() const {
  int count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/fd")) {
    ++count;
  }
  return count;
}

}  // namespace troupe::bench
