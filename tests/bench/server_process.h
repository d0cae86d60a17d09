// trouped as a process of its own, and what the kernel counts of it. Thread-compatible.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>

namespace troupe::bench {

class ServerProcess {
 public:
  // Tasks that wait for a person are put to rest this soon.
  static constexpr std::chrono::seconds kRestAfter{1};

  // Starts `trouped` on a free port with its data in `folder` and the model at `model_port`.
  ServerProcess(std::filesystem::path binaries, std::filesystem::path folder, int model_port);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  void Start();
  void Kill();  // SIGKILL, and waits
  void Stop();  // SIGTERM, and waits

  const std::string& address() const { return address_; }
  std::filesystem::path data() const { return folder_ / "data"; }
  double CpuSeconds() const;
  double ResidentMegabytes() const;
  // Without the pages of files, which the system drops when it needs them.
  double AnonymousMegabytes() const;
  double PeakMegabytes() const;
  double WrittenMegabytes() const;
  int OpenFiles() const;

 private:
  void Signal(int signal);
  double StatusMegabytes(const std::string& field) const;

  const std::filesystem::path binaries_;
  const std::filesystem::path folder_;
  pid_t pid_ = -1;
  std::string address_;
};

}  // namespace troupe::bench
