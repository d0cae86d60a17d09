#include "clients/cpp/tool_provider.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "clients/cpp/provider_calls.h"
#include "troupe/v1/tool_service.grpc.pb.h"

namespace troupe::client {
namespace {

using Stream = grpc::ClientReaderWriter<v1::AttachRequest, v1::AttachResponse>;
using std::chrono::milliseconds;

constexpr char kLibrary[] = "troupe-cpp 0.1.0";
constexpr int kMaxMessageBytes = 8 * 1024 * 1024;
constexpr milliseconds kFirstPause(100);
constexpr milliseconds kLongestPause(5000);
constexpr std::chrono::seconds kPatienceWithOthers(60);

void PrintLine(const std::string& line) { std::fprintf(stderr, "troupe: %s\n", line.c_str()); }

// Whether trying again cannot help.
bool IsRefusal(const grpc::Status& status, std::chrono::steady_clock::duration tried) {
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return true;
    case grpc::StatusCode::ALREADY_EXISTS: {
      // An earlier life of this provider may just be ending.
      const bool id = status.error_message().find("hello.provider_id") != std::string::npos;
      return !id || tried > kPatienceWithOthers;
    }
    default:
      return false;
  }
}

}  // namespace

struct ToolProvider::Parts {
  std::string server;
  ProviderOptions options;
  v1::ProviderHello hello;
  std::unique_ptr<ProviderCalls> calls;
  std::map<std::string, ProviderCalls::Function> functions;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<v1::AttachRequest> outbox;
  bool open = false;  // a stream takes messages
  bool attached = false;
  bool stopping = false;
  bool ended = true;
  grpc::ClientContext* context = nullptr;  // of the stream

  bool said_trouble = false;  // of not reaching the server, since it was reached

  void SayAttached(const v1::ProviderWelcome& welcome) {
    said_trouble = false;
    options.log("attached to " + server + " as " + welcome.provider_id() + ", with " +
                std::to_string(functions.size()) + " tools");
  }

  // One line for all attempts that fail in a row.
  void SayTrouble(const grpc::Status& status, bool was_attached) {
    if (was_attached) {
      options.log("the stream to " + server + " ended; attaching again");
    } else if (!said_trouble) {
      options.log("cannot attach to " + server + ", trying again: " + status.error_message());
      said_trouble = true;
    }
  }

  void Send(v1::AttachRequest message) {
    const std::lock_guard lock(mutex);
    if (!attached) return;  // it is sent when the stream is whole again
    outbox.push_back(std::move(message));
    changed.notify_all();
  }

  bool Stopping() {
    const std::lock_guard lock(mutex);
    return stopping;
  }

  // Writes what is in the outbox until the stream is closed and all is written.
  void WriteAll(Stream& stream) {
    for (;;) {
      v1::AttachRequest message;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return !open || !outbox.empty(); });
        if (outbox.empty()) break;
        message = std::move(outbox.front());
        outbox.pop_front();
      }
      if (!stream.Write(message)) return;
    }
    stream.WritesDone();
  }

  void Handle(v1::AttachResponse& message) {
    switch (message.message_case()) {
      case v1::AttachResponse::kCall:
        return calls->Start(message.call());
      case v1::AttachResponse::kCancel:
        return calls->Cancel(message.cancel().call_id());
      case v1::AttachResponse::kTaken:
        return calls->Taken(message.taken());
      case v1::AttachResponse::kPing: {
        v1::AttachRequest pong;
        pong.mutable_pong();
        return Send(std::move(pong));
      }
      case v1::AttachResponse::kWelcome: {
        hello.set_provider_id(message.welcome().provider_id());
        hello.set_session_token(message.welcome().session_token());
        {
          const std::lock_guard lock(mutex);
          attached = true;
          changed.notify_all();
        }
        SayAttached(message.welcome());
        if (message.welcome().resumed()) calls->SendAllAgain();
        return;
      }
      case v1::AttachResponse::MESSAGE_NOT_SET:
        return;
    }
  }

  // One stream, from its opening to its end.
  grpc::Status Attach(v1::ToolService::Stub& stub, bool& was_attached) {
    grpc::ClientContext client_context;
    {
      const std::lock_guard lock(mutex);
      if (stopping) return grpc::Status::OK;
      outbox.clear();
      v1::AttachRequest first;
      *first.mutable_hello() = hello;
      for (const std::string& id : calls->Held()) first.mutable_hello()->add_held_calls(id);
      outbox.push_back(std::move(first));
      open = true;
      context = &client_context;
    }
    const auto stream = stub.Attach(&client_context);
    std::thread writer([&] { WriteAll(*stream); });
    v1::AttachResponse message;
    while (stream->Read(&message)) Handle(message);
    {
      const std::lock_guard lock(mutex);
      was_attached = attached;
      open = attached = false;
      outbox.clear();
      context = nullptr;
      changed.notify_all();
    }
    writer.join();
    return stream->Finish();
  }
};

ToolProvider::ToolProvider(std::string server, ProviderOptions options)
    : parts_(std::make_unique<Parts>()) {
  parts_->server = std::move(server);
  parts_->hello.set_provider_id(options.id);
  parts_->hello.set_max_concurrent(options.max_concurrent);
  parts_->hello.set_library(kLibrary);
  parts_->options = std::move(options);
  if (!parts_->options.log) parts_->options.log = PrintLine;
}

ToolProvider::~ToolProvider() { Stop(milliseconds(0)); }

ToolProvider& ToolProvider::AddFunction(std::string name, std::string description,
                                        ToolOptions options, nlohmann::json arguments_schema,
                                        AnyFunction function) {
  v1::ToolOffer* offer = parts_->hello.add_tools();
  offer->set_name(name);
  offer->set_version(options.version);
  offer->set_description(std::move(description));
  offer->set_arguments_schema(arguments_schema.dump());
  if (!options.result_schema.is_null()) offer->set_result_schema(options.result_schema.dump());
  offer->set_read_only(options.read_only);
  offer->set_idempotent(options.idempotent);
  offer->set_destructive(options.destructive);
  offer->set_needs_approval(options.needs_approval);
  offer->set_max_concurrent(options.max_concurrent);
  offer->mutable_timeout()->set_seconds(options.timeout.count());
  parts_->functions[name + "@" + options.version] = std::move(function);
  return *this;
}

absl::Status ToolProvider::Serve() {
  Parts& parts = *parts_;
  {
    const std::lock_guard lock(parts.mutex);
    parts.ended = false;
  }
  parts.calls = std::make_unique<ProviderCalls>(
      parts.functions, parts.options.max_concurrent,
      [&parts](v1::AttachRequest message) { parts.Send(std::move(message)); });
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  const auto stub = v1::ToolService::NewStub(
      grpc::CreateCustomChannel(parts.server, grpc::InsecureChannelCredentials(), arguments));
  std::minstd_rand random(std::random_device{}());
  milliseconds pause = kFirstPause;
  auto trouble_since = std::chrono::steady_clock::now();
  absl::Status outcome;
  for (;;) {
    bool was_attached = false;
    const grpc::Status status = parts.Attach(*stub, was_attached);
    if (was_attached) {
      pause = kFirstPause;
      trouble_since = std::chrono::steady_clock::now();
    }
    if (IsRefusal(status, std::chrono::steady_clock::now() - trouble_since)) {
      outcome =
          absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
      parts.options.log(parts.server + " refuses what is offered: " + status.error_message());
      break;
    }
    if (parts.Stopping()) break;
    parts.SayTrouble(status, was_attached);
    // Not all providers of a server that was started again come at once.
    const auto wait = pause * (70 + random() % 60) / 100;
    std::unique_lock lock(parts.mutex);
    if (parts.changed.wait_for(lock, wait, [&] { return parts.stopping; })) break;
    pause = std::min(2 * pause, kLongestPause);
  }
  parts.calls->Close();
  const std::lock_guard lock(parts.mutex);
  parts.ended = true;
  parts.changed.notify_all();
  return outcome;
}

void ToolProvider::Stop(milliseconds grace) {
  Parts& parts = *parts_;
  {
    const std::lock_guard lock(parts.mutex);
    if (parts.ended) {
      parts.stopping = true;
      return;
    }
  }
  v1::AttachRequest goodbye;
  goodbye.mutable_goodbye();
  parts.Send(std::move(goodbye));
  parts.calls->WaitUntilIdle(grace);
  std::unique_lock lock(parts.mutex);
  parts.stopping = true;
  parts.open = false;  // the writer closes the stream when all is written
  parts.changed.notify_all();
  const auto ended = [&] { return parts.ended; };
  if (parts.changed.wait_for(lock, std::chrono::seconds(2), ended)) return;
  if (parts.context != nullptr) parts.context->TryCancel();
  parts.changed.wait(lock, ended);
}

bool ToolProvider::WaitUntilAttached(milliseconds time) const {
  std::unique_lock lock(parts_->mutex);
  return parts_->changed.wait_for(lock, time, [&] { return parts_->attached; });
}

}  // namespace troupe::client
