#include "server/server.h"

#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include "agents/cellagent/cellagent_kind.h"
#include "agents/chat/chat_kind.h"
#include "agents/compare/compare_kind.h"
#include "agents/evaluate/evaluate_kind.h"
#include "agents/models/model_directory.h"
#include "agents/solve/solve_kind.h"
#include "agents/spo/spo_kind.h"
#include "agents/trace/optimizer_step_kind.h"
#include "agents/trace/trainers/optimize_workflow_kind.h"
#include "agents/workflow/workflow_kind.h"
#include "server/providers/provider_hub.h"
#include "server/repeating.h"
#include "server/scheduler/resource_name.h"
#include "server/services/api_threads.h"
#include "server/services/dataset_service.h"
#include "server/services/optimizer_service.h"
#include "server/services/prompt_service.h"
#include "server/services/task_service.h"
#include "server/services/tool_service.h"
#include "server/services/trace_service.h"
#include "server/store/dataset_store.h"
#include "server/store/prompt_store.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/builtin/builtin_tools.h"
#include "tools/builtin/worker_pool.h"
#include "tools/library/tool_library.h"
#include "tools/mcp/mcp_hub.h"
#include "tools/sandbox/kernel_tools.h"

namespace troupe {
namespace {

constexpr int kKeepalivePermitMilliseconds = 30'000;
constexpr absl::Duration kSweepInterval = absl::Minutes(1);
constexpr absl::Duration kSweepAgain = absl::Seconds(1);
constexpr int kSecretBytes = 32;

bool IsLoopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("localhost:") ||
         address.starts_with("[::1]") || address.starts_with("unix:");
}

// Whether it is of the form ADDRESS:PORT, or names a socket: gRPC would take a port that is too
// large for another one.
bool CanBeListenedOn(const std::string& address) {
  if (address.starts_with("unix:")) return true;
  uint32_t port = 0;
  const size_t colon = address.rfind(':');
  return colon != std::string::npos && absl::SimpleAtoi(address.substr(colon + 1), &port) &&
         port <= std::numeric_limits<uint16_t>::max();
}

// The key that signs page tokens, the same after a restart.
absl::StatusOr<std::string> ReadOrMakeSecret(const std::filesystem::path& file) {
  std::ifstream existing(file);
  std::ostringstream text;
  text << existing.rdbuf();
  if (existing && !text.str().empty()) return text.str();
  std::random_device device;
  std::string secret;
  for (int i = 0; i < kSecretBytes; ++i) secret.push_back(static_cast<char>(device()));
  secret = absl::BytesToHexString(secret);
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = descriptor >= 0 && write(descriptor, secret.data(), secret.size()) ==
                                              static_cast<ssize_t>(secret.size());
  if (descriptor >= 0) close(descriptor);
  if (written) return secret;
  return Error(Reason::kStoreFailed, fmt::format("{} cannot be written", file.string()));
}

// Two servers on one store would each resume the same tasks.
absl::StatusOr<FileDescriptor> LockFolder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const auto file = folder / "lock";
  FileDescriptor lock(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) {
    return Error(Reason::kStoreFailed,
                 fmt::format("the data folder {} cannot be written to", folder.string()));
  }
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error(Reason::kStoreFailed,
                 fmt::format("another server uses the data folder {}", folder.string()));
  }
  return lock;
}

absl::StatusOr<std::map<std::string, Toolbox>> LoadToolboxes(const ServerConfig& config,
                                                             const std::filesystem::path& share) {
  std::vector<std::filesystem::path> folders(config.toolbox_folders.begin(),
                                             config.toolbox_folders.end());
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(share / "agents/cellagent/toolboxes", error)) {
    if (std::filesystem::exists(entry.path() / "toolbox.toml")) folders.push_back(entry.path());
  }
  std::map<std::string, Toolbox> toolboxes;
  for (const auto& folder : folders) {
    ASSIGN_OR_RETURN(Toolbox toolbox, LoadToolbox(folder));
    const std::string name = toolbox.name;
    toolboxes.emplace(name, std::move(toolbox));
  }
  return toolboxes;
}

// The result of a task that has ended.
absl::StatusOr<v1::TaskResult> ReadResult(Store& store, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string id, ParseTaskName(name));
  TaskRow row;
  RETURN_IF_ERROR(store.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, ReadTask(connection, id));
    return absl::OkStatus();
  }));
  v1::TaskResult result;
  if (row.end_time == absl::InfinitePast()) {
    return Error(Reason::kTaskNotTerminal, fmt::format("{} has not ended", name), {{"name", name}});
  }
  if (!result.ParseFromString(row.result)) {
    return Error(Reason::kStoreFailed, fmt::format("the result of {} cannot be read", name));
  }
  return result;
}

// Whether a task works with the data set of this name, in whichever version.
bool UsesDataset(const TaskRow& row, const std::string& dataset) {
  v1::TaskSpec spec;
  const bool may = row.kind == "evaluate" || row.kind == "optimize_workflow" || row.kind == "spo";
  if (!may || !spec.ParseFromString(row.spec)) return false;
  const v1::OptimizeWorkflowSpec& optimize = spec.optimize_workflow();
  for (const v1::DatasetSelection* selection :
       {&spec.evaluate().items(), &optimize.train(), &optimize.validation(), &optimize.test(),
        &spec.spo().items(), &spec.spo().held_out_items()}) {
    const std::string& name = selection->dataset();
    if (name.substr(0, name.find('@')) == dataset) return true;
  }
  return false;
}

// kTaskNotTerminal if a task that has not ended works with the data set.
absl::Status CheckUnused(Store& store, const std::string& dataset) {
  return store.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<std::string> tasks, UnfinishedTasks(connection));
    for (const std::string& task : tasks) {
      ASSIGN_OR_RETURN(const TaskRow row, ReadTask(connection, task));
      if (!UsesDataset(row, dataset)) continue;
      return Error(
          Reason::kTaskNotTerminal,
          fmt::format("tasks/{} works with {}: wait for its end, or cancel it", task, dataset),
          {{"name", "tasks/" + task}});
    }
    return absl::OkStatus();
  });
}

}  // namespace

struct Server::Parts {
  ServerConfig config;
  FileDescriptor lock;
  PromptLibrary library;
  std::unique_ptr<Store> store;
  std::unique_ptr<StoredPrompts> prompts;
  std::unique_ptr<DatasetStore> datasets;
  std::unique_ptr<ConfiguredModels> models;
  std::shared_ptr<KernelHost> kernels;
  ToolRegistry tools;
  std::unique_ptr<ProviderHub> providers;
  std::unique_ptr<McpHub> mcp;
  PermissionPolicy permissions;
  std::unique_ptr<OptimizerStore> optimizer_store;
  std::unique_ptr<TaskManager> manager;
  std::unique_ptr<Optimizers> optimizers;
  std::unique_ptr<PageTokens> tokens;
  OpenStreams streams;
  std::unique_ptr<ApiThreads> api_threads;
  std::unique_ptr<Repeating> sweeping;
  std::unique_ptr<TaskServiceImpl> tasks;
  std::unique_ptr<TraceServiceImpl> traces;
  std::unique_ptr<ToolServiceImpl> tool_service;
  std::unique_ptr<PromptServiceImpl> prompt_service;
  std::unique_ptr<DatasetServiceImpl> dataset_service;
  std::unique_ptr<OptimizerServiceImpl> optimizer_service;
  std::unique_ptr<grpc::Server> grpc;
  std::string address;
  bool stopped = false;

  absl::Status AddTools(const std::filesystem::path& share,
                        const std::map<std::string, Toolbox>& toolboxes) {
    std::vector<SandboxMount> shared;
    for (const auto& [name, toolbox] : toolboxes) {
      if (std::filesystem::exists(toolbox.lib())) {
        shared.push_back({toolbox.lib(), "/troupe/toolbox/" + name, false});
      }
    }
    kernels = std::make_shared<KernelHost>(config.sandbox, share / "tools/sandbox/kernel",
                                           std::move(shared));
    RETURN_IF_ERROR(tools.Add(std::make_shared<KernelTool>("python", kernels)));
    RETURN_IF_ERROR(tools.Add(std::make_shared<KernelTool>("r", kernels)));
    RETURN_IF_ERROR(tools.Add(std::make_shared<PublishTool>(kernels)));
    RETURN_IF_ERROR(
        AddBuiltinTools({config.http_allowed_hosts, config.http_allow_private_addresses}, tools));
    RETURN_IF_ERROR(LoadLibraries());
    mcp = std::make_unique<McpHub>(config.mcp_servers, config.data_folder / "mcp", &tools);
    mcp->Start();
    providers = std::make_unique<ProviderHub>(config.providers,
                                              config.data_folder / "attached_tools.json", &tools);
    return providers->Start();
  }

  absl::Status LoadLibraries() {
    if (config.tool_libraries.empty()) return absl::OkStatus();
    const auto workers = std::make_shared<WorkerPool>(config.library_threads);
    for (const std::string& path : config.tool_libraries) {
      RETURN_IF_ERROR(LoadToolLibrary(path, workers, tools));
    }
    return absl::OkStatus();
  }

  // Finds the kinds that there are now.
  static FindKindFn FindAmong(const std::vector<std::unique_ptr<TaskKind>>& kinds) {
    std::map<std::string, const TaskKind*> by_name;
    for (const auto& kind : kinds) by_name[std::string(kind->name())] = kind.get();
    return [by_name](const std::string& name) {
      const auto found = by_name.find(name);
      return found == by_name.end() ? nullptr : found->second;
    };
  }

  // Steps run tasks of the kinds before it.
  WorkflowServices ServicesOfWorkflows(const std::vector<std::unique_ptr<TaskKind>>& kinds) {
    WorkflowServices services;
    services.find_kind = FindAmong(kinds);
    services.find_tool =
        [this](const std::string& tool) -> absl::StatusOr<std::shared_ptr<const ToolSpec>> {
      ASSIGN_OR_RETURN(std::shared_ptr<Tool> found, tools.Find(tool));
      const ToolSpec* const spec = &found->spec();
      return std::shared_ptr<const ToolSpec>(std::move(found), spec);
    };
    services.prompts = prompts.get();
    return services;
  }

  // It runs tasks of the kinds before it.
  std::unique_ptr<TaskKind> MakeEvaluateKind(const std::vector<std::unique_ptr<TaskKind>>& kinds) {
    EvaluateServices services;
    services.datasets = datasets.get();
    services.prompts = prompts.get();
    services.workflows = ServicesOfWorkflows(kinds);
    services.read_result = [this](const std::string& name) { return ReadResult(*store, name); };
    return std::make_unique<EvaluateKind>(std::move(services));
  }

  void StartManager(std::map<std::string, Toolbox> toolboxes) {
    RunServices services;
    services.journal = store.get();
    services.models = models.get();
    services.tools = &tools;
    services.prompts = prompts.get();
    services.permissions = &permissions;
    std::vector<std::unique_ptr<TaskKind>> kinds;
    kinds.push_back(std::make_unique<CellAgentKind>(std::move(toolboxes)));
    kinds.push_back(std::make_unique<ChatKind>(&tools));
    kinds.push_back(std::make_unique<SolveKind>(&tools, config.shown_tools));
    kinds.push_back(std::make_unique<WorkflowKind>(ServicesOfWorkflows(kinds)));
    kinds.push_back(std::make_unique<SpoKind>(prompts.get(), datasets.get(), FindAmong(kinds)));
    kinds.push_back(std::make_unique<CompareKind>());
    kinds.push_back(std::make_unique<OptimizerStepKind>());
    kinds.push_back(
        std::make_unique<OptimizeWorkflowKind>(datasets.get(), ServicesOfWorkflows(kinds)));
    kinds.push_back(MakeEvaluateKind(kinds));
    for (const auto& kind : kinds) prompts->Reserve(std::string(kind->name()));
    prompts->Reserve("tool");   // cards of tools
    prompts->Reserve("trace");  // of what optimizes graphs
    TaskManagerOptions options;
    options.data_folder = config.data_folder;
    options.threads = config.threads;
    options.max_running = static_cast<size_t>(config.max_running);
    options.max_pending = static_cast<size_t>(config.max_pending);
    options.allowed_input_folders.assign(config.allowed_input_folders.begin(),
                                         config.allowed_input_folders.end());
    options.rest_after = config.rest_after;
    options.retention = config.retention;
    manager = std::make_unique<TaskManager>(std::move(options), std::move(services), store.get(),
                                            std::move(kinds));
    models->RunOn(manager->executor());
  }

  absl::Status Listen() {
    if (!CanBeListenedOn(config.listen)) {
      return Error(Reason::kInvalidField,
                   fmt::format("server.listen: '{}' is no address: give it as 127.0.0.1:7433, "
                               "with a port up to 65535",
                               config.listen),
                   {{"field", "server.listen"}});
    }
    if (!config.allow_remote_plaintext && !IsLoopback(config.listen)) {
      return Error(Reason::kInvalidField,
                   fmt::format("server.listen: {} can be reached from other machines, without "
                               "encryption; listen on 127.0.0.1, or set allow_remote_plaintext",
                               config.listen),
                   {{"field", "server.listen"}});
    }
    api_threads = std::make_unique<ApiThreads>(config.api_threads, config.max_calls);
    streams.SetLimit(static_cast<size_t>(config.max_watchers));
    tasks =
        std::make_unique<TaskServiceImpl>(manager.get(), tokens.get(), &streams, api_threads.get());
    traces = std::make_unique<TraceServiceImpl>(manager.get(), tokens.get(), &streams,
                                                api_threads.get());
    AcceptVersion accept = [this](const std::string& server, const std::string& version) {
      return mcp->Accept(server, version);
    };
    tool_service = std::make_unique<ToolServiceImpl>(&tools, providers.get(), std::move(accept),
                                                     tokens.get(), api_threads.get());
    prompt_service = std::make_unique<PromptServiceImpl>(prompts.get(), manager.get(), tokens.get(),
                                                         api_threads.get());
    dataset_service = std::make_unique<DatasetServiceImpl>(
        datasets.get(), [this](const std::string& name) { return CheckUnused(*store, name); },
        tokens.get(), &streams, api_threads.get());
    optimizer_store = std::make_unique<OptimizerStore>(store.get());
    optimizers = std::make_unique<Optimizers>(optimizer_store.get(), manager.get());
    optimizer_service = std::make_unique<OptimizerServiceImpl>(optimizers.get(), tokens.get(),
                                                               &streams, api_threads.get());
    grpc::EnableDefaultHealthCheckService(true);
    if (config.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(config.listen, grpc::InsecureServerCredentials(), &port);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               kKeepalivePermitMilliseconds);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnection);
    // Another server on the same port must be an error, not a share of the calls.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(tasks.get());
    builder.RegisterService(traces.get());
    builder.RegisterService(tool_service.get());
    builder.RegisterService(prompt_service.get());
    builder.RegisterService(dataset_service.get());
    builder.RegisterService(optimizer_service.get());
    grpc = builder.BuildAndStart();
    if (grpc == nullptr || port == 0) {
      return Error(
          Reason::kInvalidField,
          fmt::format("server.listen: {} cannot be listened on: is it in use?", config.listen),
          {{"field", "server.listen"}});
    }
    address = config.listen;  // a socket has no port
    if (!address.starts_with("unix:")) {
      address = address.substr(0, address.rfind(':') + 1) + std::to_string(port);
    }
    grpc->GetHealthCheckService()->SetServingStatus(true);
    return absl::OkStatus();
  }

  // Once a minute, and more often while there is something to remove: tasks whose retention is over
  // go, free space is given back, and health says whether the store takes writes.
  void StartSweeping() {
    sweeping = std::make_unique<Repeating>(api_threads->pool(), kSweepInterval, [this] {
      const auto swept = manager->Sweep();
      if (!swept.ok()) spdlog::warn("sweeping: {}", MessageOf(swept.status()));
      grpc->GetHealthCheckService()->SetServingStatus(store->healthy());
      return swept.ok() && *swept > 0 ? kSweepAgain : kSweepInterval;
    });
  }
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() { Stop(); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerConfig config,
                                                      const std::filesystem::path& share) {
  std::unique_ptr<Server> server(new Server(std::make_unique<Parts>()));
  Parts& parts = *server->parts_;
  parts.config = std::move(config);
  ASSIGN_OR_RETURN(parts.lock, LockFolder(parts.config.data_folder));
  RETURN_IF_ERROR(parts.library.LoadFolder(share / "agents/cellagent/prompts"));
  RETURN_IF_ERROR(parts.library.LoadFolder(share / "agents/solve/prompts"));
  RETURN_IF_ERROR(parts.library.LoadFolder(share / "agents/compare/prompts"));
  RETURN_IF_ERROR(parts.library.LoadFolder(share / "agents/spo/prompts"));
  RETURN_IF_ERROR(parts.library.LoadFolder(share / "agents/evaluate/prompts"));
  RETURN_IF_ERROR(parts.library.LoadFolder(share / "agents/trace/prompts"));
  for (const std::string& folder : parts.config.tool_card_folders) {
    RETURN_IF_ERROR(parts.library.LoadCards(folder));
  }
  ASSIGN_OR_RETURN(auto toolboxes, LoadToolboxes(parts.config, share));
  ASSIGN_OR_RETURN(parts.models, ConfiguredModels::Create(parts.config.models, parts.config.roles));
  Store::Options options;
  options.path = (parts.config.data_folder / "troupe.db").string();
  options.writer.give_up = parts.config.give_up;
  ASSIGN_OR_RETURN(parts.store, Store::Open(std::move(options)));
  ASSIGN_OR_RETURN(parts.prompts, StoredPrompts::Load(&parts.library, parts.store.get()));
  ASSIGN_OR_RETURN(parts.datasets, DatasetStore::Open(parts.store.get()));
  ASSIGN_OR_RETURN(const std::string secret,
                   ReadOrMakeSecret(parts.config.data_folder / "page_token.key"));
  parts.tokens = std::make_unique<PageTokens>(secret);
  RETURN_IF_ERROR(parts.AddTools(share, toolboxes));
  parts.permissions.tasks_may_loosen = parts.config.tasks_may_loosen;
  ASSIGN_OR_RETURN(parts.permissions.rules,
                   PermissionRules::Compile(parts.config.permission_rules, "permissions.rules"));
  parts.StartManager(std::move(toolboxes));
  RETURN_IF_ERROR(parts.manager->Recover());
  RETURN_IF_ERROR(parts.Listen());
  parts.manager->Resume();
  parts.StartSweeping();
  return server;
}

const std::string& Server::address() const { return parts_->address; }

absl::Status Server::WritePort(const std::filesystem::path& file) const {
  const auto temporary = file.string() + ".new";
  std::ofstream stream(temporary);
  stream << parts_->address.substr(parts_->address.rfind(':') + 1) << "\n";
  stream.close();
  std::error_code error;
  std::filesystem::rename(temporary, file, error);
  if (!stream || error) {
    return Error(Reason::kStoreFailed, fmt::format("{} cannot be written", file.string()));
  }
  return absl::OkStatus();
}

void Server::Stop() {
  Parts& parts = *parts_;
  if (parts.stopped) return;
  parts.stopped = true;
  const absl::Time deadline = SteadyNow() + parts.config.shutdown_grace;
  if (parts.sweeping != nullptr) parts.sweeping->Stop();
  if (parts.grpc != nullptr) parts.grpc->GetHealthCheckService()->SetServingStatus(false);
  parts.streams.EndAll();
  if (parts.manager != nullptr) parts.manager->Shutdown(deadline);
  if (parts.providers != nullptr) parts.providers->Close();
  if (parts.grpc != nullptr) {
    const absl::Duration left = std::max(deadline - SteadyNow(), absl::ZeroDuration());
    parts.grpc->Shutdown(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(left));
    parts.grpc->Wait();
  }
  if (parts.api_threads != nullptr) parts.api_threads->pool().join();
  if (parts.models != nullptr) parts.models->Stop();
  parts.manager.reset();
  if (parts.providers != nullptr) parts.providers->Join();
  if (parts.mcp != nullptr) parts.mcp->Stop();
}

}  // namespace troupe
