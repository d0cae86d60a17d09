#include "clients/cpp/trace/calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace troupe::trace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kCall{30};  // beyond what is waited for
constexpr std::chrono::milliseconds kFirstPause{100}, kLongestPause{2000};
constexpr int kMostMessageBytes = 64 << 20;

bool Broken(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
}

}  // namespace

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMostMessageBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::string RandomHex(int digits) {
  std::random_device random;
  std::string text;
  while (static_cast<int>(text.size()) < digits) text += fmt::format("{:08x}", random());
  text.resize(static_cast<size_t>(digits));
  return text;
}

std::string RandomUuid() {
  const std::string hex = RandomHex(32);
  return fmt::format("{}-{}-4{}-a{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(13, 3),
                     hex.substr(17, 3), hex.substr(20));
}

absl::Status CallAgain(const ServerChannel& server, std::chrono::seconds wait,
                       const std::function<grpc::Status(grpc::ClientContext&)>& call) {
  const Clock::time_point end = Clock::now() + server.patience;
  std::chrono::milliseconds pause = kFirstPause;
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + wait + kCall);
    const grpc::Status status = call(context);
    if (status.ok()) return absl::OkStatus();
    const auto code = static_cast<absl::StatusCode>(status.error_code());
    if (!Broken(status)) return absl::Status(code, status.error_message());
    if (Clock::now() > end) {
      return absl::Status(code, fmt::format("no server at {} within {} s: {}", server.address,
                                            server.patience.count(), status.error_message()));
    }
    server.channel->WaitForConnected(std::chrono::system_clock::now() + pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

}  // namespace troupe::trace
