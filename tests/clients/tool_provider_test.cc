// Tools that a C++ program serves, over a real stream.
#include "clients/cpp/tool_provider.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>
#include <future>
#include <thread>

#include "server/providers/attach_stream.h"
#include "server/providers/provider_hub.h"
#include "tests/support/slowness.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/mutex.h"
#include "tools/base/safe_file.h"
#include "troupe/v1/tool_service.grpc.pb.h"

namespace troupe {
namespace {

using client::CallContext;
using client::ToolOutput;
using client::ToolProvider;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct City {
  std::string name;
  static void Describe(Described<City>& d) { d.Field("name", &City::name, "In English"); }
};

// A server that can do nothing but take providers in.
class AttachServer : public v1::ToolService::CallbackService {
 public:
  AttachServer(const std::filesystem::path& folder, ToolRegistry* registry, int port)
      : hub_(ProviderLimits(), folder / "tools.json", registry) {
    EXPECT_TRUE(hub_.Start().ok());
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~AttachServer() override {
    hub_.Close();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    server_->Wait();
    hub_.Join();
  }
  grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* Attach(
      grpc::CallbackServerContext* context) override {
    return AttachStream::Start(&hub_, context);
  }
  int port() const { return port_; }

 private:
  ProviderHub hub_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class ToolProviderTest : public testing::Test {
 protected:
  ToolProviderTest() : server_(std::make_unique<AttachServer>(folder_.path(), &registry_, 0)) {
    client::ProviderOptions options;
    options.log = [this](const std::string& line) {
      MutexLock lock(&mutex_);
      said_.push_back(line);
    };
    provider_ = std::make_unique<ToolProvider>("127.0.0.1:" + std::to_string(server_->port()),
                                               std::move(options));
  }
  ~ToolProviderTest() override {
    provider_->Stop();
    if (serving_.joinable()) serving_.join();
    threads_.join();
  }
  void Serve() {
    serving_ = std::thread([this] { EXPECT_TRUE(provider_->Serve().ok()); });
  }
  absl::StatusOr<ToolResult> Call(const std::string& name) {
    ToolCall call;
    call.arguments = {{"name", name}};
    call.context.task_id = "t";
    call.context.path = name;
    call.context.workspace.root = folder_.path();
    call.context.progress = [this](std::string_view line) {
      MutexLock lock(&mutex_);
      progress_ += line;
    };
    return asio::co_spawn(asio::make_strand(threads_), registry_.Call("city", std::move(call)),
                          asio::use_future)
        .get();
  }
  // The tool is not there before the provider has attached.
  void WaitForTool() {
    ASSERT_TRUE(provider_->WaitUntilAttached(
        std::chrono::milliseconds(static_cast<int>(20'000 * Slowness()))));
    ASSERT_EQ(registry_.List().size(), 1u);
  }

  std::vector<std::string> Said() {
    MutexLock lock(&mutex_);
    return said_;
  }
  void WaitUntilSaid(const std::string& words) {
    MutexLock lock(&mutex_);
    const auto said = [&] {
      return !said_.empty() && said_.back().find(words) != std::string::npos;
    };
    ASSERT_TRUE(mutex_.AwaitWithTimeout(Condition(&said), Slowness() * absl::Seconds(20))) << words;
  }

  TempFolder folder_;
  ToolRegistry registry_;
  asio::thread_pool threads_{2};
  std::unique_ptr<AttachServer> server_;
  std::unique_ptr<ToolProvider> provider_;
  std::thread serving_;
  Mutex mutex_;
  std::string progress_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> said_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<ToolOutput> Tell(const City& city, CallContext& context) {
  context.Progress("looking for " + city.name);
  if (city.name == "Atlantis") return absl::NotFoundError("there is no Atlantis; try Lima");
  if (city.name == "Nowhere") throw std::runtime_error("the atlas is lost");
  ToolOutput output;
  output.value = {{"people", 10}};
  output.files.push_back({city.name + ".txt", std::string(1'200'000, 'x'), "About it"});
  return output;
}

TEST_F(ToolProviderTest, AFunctionOfAClientIsATool) {
  provider_->Add<City>("city", "Tells of a city.", {.read_only = true}, Tell);
  Serve();
  WaitForTool();
  const auto found = Call("Lima");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->value["people"], 10);
  ASSERT_EQ(found->artifacts.size(), 1u);
  EXPECT_EQ(ReadBeneath(folder_.path() / "artifacts", "Lima.txt", 10'000'000)->size(), 1'200'000u);
  const auto mendable = Call("Atlantis");
  ASSERT_TRUE(mendable.ok()) << mendable.status();
  EXPECT_TRUE(mendable->is_error);
  EXPECT_EQ(std::get<ToolText>(mendable->content[0]).text, "there is no Atlantis; try Lima");
  EXPECT_THAT(std::string(MessageOf(Call("Nowhere").status())), HasSubstr("the atlas is lost"));
  MutexLock lock(&mutex_);
  EXPECT_THAT(progress_, HasSubstr("looking for Lima"));
}

TEST_F(ToolProviderTest, AttachesAgainToAServerThatStartsAgain) {
  provider_->Add<City>("city", "Tells of a city.", {.read_only = true}, Tell);
  Serve();
  WaitForTool();
  const int port = server_->port();
  server_.reset();
  server_ = std::make_unique<AttachServer>(folder_.path(), &registry_, port);
  const auto found = Call("Lima");  // waits for the provider
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->value["people"], 10);
}

TEST_F(ToolProviderTest, ARefusalEndsTheProvider) {
  provider_->Add<City>("City", "Has no good name.", {}, Tell);
  const absl::Status refused = provider_->Serve();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("hello.tools[0].name"));
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("refuses what is offered: hello.tools[0].name")));
}

TEST_F(ToolProviderTest, SaysOnceThatItCannotReachTheServerAndWhenItHas) {
  const int port = server_->port();
  server_.reset();
  provider_->Add<City>("city", "Tells of a city.", {.read_only = true}, Tell);
  Serve();
  WaitUntilSaid("cannot attach");
  EXPECT_FALSE(
      provider_->WaitUntilAttached(std::chrono::milliseconds(500)));  // attempts, more than one
  server_ = std::make_unique<AttachServer>(folder_.path(), &registry_, port);
  WaitUntilSaid("attached to");
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("trying again"), HasSubstr("with 1 tools")));
}

}  // namespace
}  // namespace troupe
