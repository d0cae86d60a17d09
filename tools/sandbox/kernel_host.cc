#include "tools/sandbox/kernel_host.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

constexpr char kKernelInside[] = "/troupe/kernel";

KernelLanguage LanguageOf(const std::string& name, const SandboxConfig& config) {
  KernelLanguage language;
  language.name = name;
  language.command = {config.python, "-u", std::string(kKernelInside) + "/kernel.py"};
  if (name == "python") language.preload = config.preload;
  return language;
}

}  // namespace

KernelHost::KernelHost(SandboxConfig config, std::filesystem::path kernel_folder,
                       std::vector<SandboxMount> shared_folders)
    : config_(std::move(config)),
      kernel_folder_(std::move(kernel_folder)),
      shared_folders_(std::move(shared_folders)),
      work_(asio::make_work_guard(io_)),
      thread_([this] { io_.run(); }) {}

absl::Status KernelHost::CheckLanguage(const std::string& language) const {
  const std::string library = config_.r_home + "/lib/libR.so";
  if (language != "r" || access(library.c_str(), R_OK) == 0) return absl::OkStatus();
  return Error(
      Reason::kSandboxFailed,
      fmt::format("R is not installed on the server ({} is not there): install the package "
                  "r-base-core, or use another tool",
                  library),
      {{"language", language}});
}

KernelHost::~KernelHost() {
  asio::post(io_, [this] { trees_.clear(); });
  work_.reset();
  io_.stop();
  thread_.join();
  trees_.clear();
}

std::shared_ptr<KernelTree> KernelHost::Tree(const std::string& language,
                                             const ToolContext& context) {
  auto& tree = trees_[{context.task_id, language}];
  if (tree == nullptr) {
    std::vector<SandboxMount> shared = shared_folders_;
    shared.push_back({kernel_folder_, kKernelInside, false});
    const Workspace& workspace = context.room.empty() ? context.workspace : context.task_workspace;
    tree = std::make_shared<KernelTree>(config_, LanguageOf(language, config_), workspace,
                                        std::move(shared), context.seed, io_.get_executor());
  }
  return tree;
}

Async<CellResult> KernelHost::RunHere(std::string language, ToolContext context, std::string state,
                                      std::optional<std::string> from, std::string code) {
  auto tree = Tree(language, context);
  CellRequest request;
  request.room = context.room;
  request.state = StateInRoom(context.room, state);
  request.from = from.has_value() ? StateInRoom(context.room, *from) : tree->head(context.room);
  request.code = std::move(code);
  request.cancel = context.cancel;
  request.time_limit =
      std::min(config_.cell_time, std::max(absl::Seconds(1), context.deadline - SteadyNow()));
  CO_ASSIGN_OR_RETURN(CellResult result, co_await tree->Run(std::move(request)));
  result.from = GivenName(result.from);
  co_return result;
}

Async<CellResult> KernelHost::Run(std::string language, ToolContext context, std::string state,
                                  std::optional<std::string> from, std::string code) {
  CO_RETURN_IF_ERROR(CheckLanguage(language));
  auto running = RunHere(std::move(language), std::move(context), std::move(state), std::move(from),
                         std::move(code));
  co_return co_await asio::co_spawn(io_, std::move(running), asio::use_awaitable);
}

void KernelHost::Recall(std::string language, ToolContext context, std::string state,
                        std::optional<std::string> from, std::string code, int64_t recorded_end) {
  asio::post(io_, [=, this] {
    auto tree = Tree(language, context);
    const std::string& room = context.room;
    tree->Recall(room, StateInRoom(room, state),
                 from.has_value() ? StateInRoom(room, *from) : tree->head(room), code,
                 recorded_end);
  });
}

void KernelHost::Discard(std::string language, ToolContext context, std::string state) {
  asio::post(io_, [=, this] {
    const auto found = trees_.find({context.task_id, language});
    if (found != trees_.end()) found->second->Discard(StateInRoom(context.room, state));
  });
}

Async<std::filesystem::path> KernelHost::FindFolder(ToolContext context, std::string state) {
  const std::string& task_id = context.task_id;
  std::shared_ptr<KernelTree> holder;
  std::string full = StateInRoom(context.room, state);
  for (const auto& [key, tree] : trees_) {
    if (key.first == task_id && tree->Has(full)) holder = tree;
  }
  // Unnamed, the newest: of Python, which comes first, or else of R.
  for (auto each = trees_.begin(); full.empty() && each != trees_.end(); ++each) {
    if (each->first.first != task_id || each->second->head(context.room).empty()) continue;
    holder = each->second;
    full = each->second->head(context.room);
  }
  if (holder != nullptr) co_return co_await holder->FolderWithFiles(full, context.cancel);
  co_return Error(Reason::kNotFound, fmt::format("there is no state '{}'", state),
                  {{"field", "state"}});
}

Async<std::filesystem::path> KernelHost::FolderOf(ToolContext context, std::string state) {
  auto finding = FindFolder(std::move(context), std::move(state));
  co_return co_await asio::co_spawn(io_, std::move(finding), asio::use_awaitable);
}

void KernelHost::Forget(std::string task_id) {
  asio::post(io_, [this, task_id = std::move(task_id)] {
    std::erase_if(trees_, [&](const auto& entry) { return entry.first.first == task_id; });
  });
}

void KernelHost::ForgetRoom(std::string task_id, std::string room) {
  asio::post(io_, [=, this] {
    for (const auto& [key, tree] : trees_) {
      if (key.first == task_id) tree->ForgetRoom(room);
    }
  });
}

}  // namespace troupe
