#include "clients/cpp/download_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "clients/cpp/connection.h"

namespace troupe::client {

namespace {

// A device or a pipe, as /dev/stdout, is written to; a file is replaced when all is there.
std::string PartialOf(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  const bool is_file = !std::filesystem::exists(status) || std::filesystem::is_regular_file(status);
  return is_file ? path + ".partial" : path;
}

}  // namespace

DownloadFile::DownloadFile(const std::string& path) : path_(path), partial_(PartialOf(path)) {
  if (path_.empty()) return;
  file_.open(partial_, std::ios::binary | std::ios::trunc);
  if (!file_) throw CLI::ValidationError(path_, "cannot be written");
}

DownloadFile::~DownloadFile() {
  std::error_code ignored;
  if (partial_ != path_) std::filesystem::remove(partial_, ignored);
}

void DownloadFile::Write(const std::string& bytes) {
  (path_.empty() ? std::cout : file_) << bytes;
  bytes_ += static_cast<int64_t>(bytes.size());
}

int DownloadFile::Finish(const grpc::Status& status, const GlobalOptions& global) {
  if (!status.ok()) return Report(status, global.json);
  if (path_.empty()) {
    std::cout << std::flush;
    return kExitOk;
  }
  file_.close();
  std::error_code error;
  if (partial_ != path_) std::filesystem::rename(partial_, path_, error);
  if (file_.fail() || error) {
    const std::string what = path_ + " could not be written: is the disk full?";
    if (global.json) {
      std::cerr << ErrorJson("INTERNAL", "", what) << std::endl;
    } else {
      std::cerr << "troupe: " << what << std::endl;
    }
    return kExitFailed;
  }
  if (global.json) {
    std::cout << JsonOf({{"file", path_}, {"bytes", std::to_string(bytes_)}}) << std::endl;
  }
  return kExitOk;
}

int FetchArtifact(const GlobalOptions& global, const std::string& task, const std::string& file,
                  const std::string& output) {
  Connection connection(global.server);
  v1::ReadArtifactRequest request;
  request.set_name(fmt::format("{}/artifacts/{}", TaskName(task), file));
  grpc::ClientContext context;
  auto stream = connection.tasks().ReadArtifact(&context, request);
  DownloadFile out(output);
  v1::ReadArtifactResponse piece;
  while (stream->Read(&piece)) out.Write(piece.chunk());
  return out.Finish(stream->Finish(), global);
}

}  // namespace troupe::client
