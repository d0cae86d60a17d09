// Server: everything of trouped put together. Thread-compatible.
#pragma once

#include <absl/status/statusor.h>

#include <filesystem>
#include <memory>
#include <string>

#include "server/config/server_config.h"

namespace troupe {

class Server {
 public:
  // Opens the store, resumes unfinished tasks and listens. `share` holds the prompts, toolboxes and
  // kernels that come with the server: the source tree or an installed copy of it.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerConfig config,
                                                       const std::filesystem::path& share);
  ~Server();

  const std::string& address() const;  // "127.0.0.1:7433", with the port that was chosen
  absl::Status WritePort(const std::filesystem::path& file) const;

  // Stops politely: no new calls, streams end with UNAVAILABLE, tasks stop where they are and go on
  // when the server starts again.
  void Stop();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace troupe
