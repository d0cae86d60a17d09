// Where a command puts bytes that a server streams: a file, which comes to be when all is there, or
// standard output. Thread-compatible.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "clients/cpp/commands.h"

namespace troupe::client {

class DownloadFile {
 public:
  // An empty path is standard output. Throws CLI's error if the file cannot be made.
  explicit DownloadFile(const std::string& path);
  DownloadFile(const DownloadFile&) = delete;
  DownloadFile& operator=(const DownloadFile&) = delete;
  // Without Finish, what was written to a file is removed.
  ~DownloadFile();

  void Write(const std::string& bytes);

  // Keeps the file if the stream ended well, reports what went wrong otherwise, and says how to
  // exit.
  int Finish(const grpc::Status& status, const GlobalOptions& global);

 private:
  const std::string path_;
  const std::string partial_;  // what it is called until it is whole; path_: it is no file
  std::ofstream file_;
  int64_t bytes_ = 0;
};

// Fetches a file that a task left; an empty `output` is standard output. Says how to exit.
int FetchArtifact(const GlobalOptions& global, const std::string& task, const std::string& file,
                  const std::string& output);

}  // namespace troupe::client
