#include "tools/sandbox/kernel_host.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <tuple>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

constexpr size_t kLeftSandboxes = 16;  // of a task and a language, that wait for another room
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
  asio::post(io_, [this] {
    trees_.clear();
    left_.clear();
  });
  work_.reset();
  io_.stop();
  thread_.join();
  trees_.clear();
  left_.clear();
}

std::shared_ptr<KernelTree> KernelHost::Tree(const std::string& language,
                                             const ToolContext& context) {
  auto& tree = trees_[{context.task_id, context.room, language}];
  if (tree == nullptr) {
    std::vector<SandboxMount> shared = shared_folders_;
    shared.push_back({kernel_folder_, kKernelInside, false});
    KernelLanguage spoken = LanguageOf(language, config_);
    // Rooms come by the hundred: each imports what its own code asks for.
    if (!context.room.empty()) spoken.preload.clear();
    tree = std::make_shared<KernelTree>(config_, std::move(spoken), context.workspace,
                                        std::move(shared), context.seed, io_.get_executor());
  }
  return tree;
}

std::pair<KernelHost::Trees::iterator, KernelHost::Trees::iterator> KernelHost::TreesOf(
    const std::string& task_id) {
  const auto first = trees_.lower_bound({task_id, "", ""});
  auto end = first;
  while (end != trees_.end() && end->first.task == task_id) ++end;
  return {first, end};
}

void KernelHost::RestIdleStates(const std::string& task_id) {
  std::vector<std::tuple<absl::Time, KernelTree*, std::string>> live;
  const auto [first, end] = TreesOf(task_id);
  for (auto each = first; each != end; ++each) {
    for (auto& [used, name] : each->second->LiveStates()) {
      if (name != each->second->head()) live.emplace_back(used, each->second.get(), name);
    }
  }
  std::sort(live.begin(), live.end());
  for (size_t i = 0; i + static_cast<size_t>(config_.idle_states) < live.size(); ++i) {
    std::get<KernelTree*>(live[i])->Rest(std::get<std::string>(live[i]));
  }
}

void KernelHost::FurnishRoom(KernelTree& tree, const std::string& language,
                             const ToolContext& context) {
  auto& left = left_[{context.task_id, "", language}];
  if (left.empty() || LanguagesAtWork(context.task_id, context.room) > 0) return;
  tree.TakeSandbox(*left.back());
  left.pop_back();
}

int KernelHost::LanguagesAtWork(const std::string& task_id, const std::string& room) {
  int at_work = 0;
  const auto [first, end] = TreesOf(task_id);
  for (auto each = first; each != end; ++each) {
    if (each->first.room == room && each->second->started()) ++at_work;
  }
  return at_work;
}

Async<CellResult> KernelHost::RunHere(std::string language, ToolContext context, std::string state,
                                      std::optional<std::string> from, std::string code) {
  auto tree = Tree(language, context);
  if (!context.room.empty() && !tree->started()) FurnishRoom(*tree, language, context);
  CellRequest request;
  request.state = std::move(state);
  request.from = from.has_value() ? *std::move(from) : tree->head();
  request.code = std::move(code);
  request.cancel = context.cancel;
  request.time_limit =
      std::min(config_.cell_time, std::max(absl::Seconds(1), context.deadline - SteadyNow()));
  const auto [first, end] = TreesOf(context.task_id);
  for (auto each = first; each != end; ++each) {
    const auto states = each->second->workspace().states();
    const bool same = !request.folders.empty() && request.folders.back() == states;
    if (!same) request.folders.push_back(states);  // of another language
  }
  auto result = co_await tree->Run(std::move(request));
  RestIdleStates(context.task_id);
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
    tree->Recall(state, from.has_value() ? *from : tree->head(), code, recorded_end);
  });
}

void KernelHost::Discard(std::string language, ToolContext context, std::string state) {
  asio::post(io_, [=, this] {
    const auto found = trees_.find({context.task_id, context.room, language});
    if (found != trees_.end()) found->second->Discard(state);
  });
}

Async<std::filesystem::path> KernelHost::FindFolder(ToolContext context, std::string state) {
  std::shared_ptr<KernelTree> holder;
  // Unnamed, the newest: of Python, which comes first, or else of R.
  for (const char* const language : {"python", "r"}) {
    const auto found = trees_.find({context.task_id, context.room, language});
    if (holder != nullptr || found == trees_.end()) continue;
    const std::string wanted = state.empty() ? found->second->head() : state;
    if (wanted.empty() || !found->second->Has(wanted)) continue;
    holder = found->second;
    state = wanted;
  }
  if (holder != nullptr) co_return co_await holder->FolderWithFiles(state, context.cancel);
  co_return Error(Reason::kNotFound, fmt::format("there is no state '{}'", state),
                  {{"field", "state"}});
}

Async<std::filesystem::path> KernelHost::FolderOf(ToolContext context, std::string state) {
  auto finding = FindFolder(std::move(context), std::move(state));
  co_return co_await asio::co_spawn(io_, std::move(finding), asio::use_awaitable);
}

AsyncStatus KernelHost::HandOn(Key key, std::shared_ptr<KernelTree> tree) {
  CO_RETURN_IF_ERROR(co_await tree->Clean());
  const auto left = left_.find(key);
  // The task may have been forgotten meanwhile.
  if (left != left_.end() && left->second.size() < kLeftSandboxes) {
    left->second.push_back(std::move(tree));
  }
  co_return absl::OkStatus();
}

void KernelHost::Forget(std::string task_id) {
  asio::post(io_, [this, task_id = std::move(task_id)] {
    const auto [first, end] = TreesOf(task_id);
    trees_.erase(first, end);
    std::erase_if(left_, [&](const auto& entry) { return entry.first.task == task_id; });
  });
}

void KernelHost::ForgetRoom(std::string task_id, std::string room) {
  asio::post(io_, [=, this] {
    const bool alone = LanguagesAtWork(task_id, room) == 1;
    const auto [first, end] = TreesOf(task_id);
    for (auto each = first; each != end;) {
      if (each->first.room != room) {
        ++each;
        continue;
      }
      each->second->Clear();
      // With a cell on its way out it is nobody's, and ends with that.
      if (alone && each->second->started() && each->second->AtRest()) {
        const Key key{task_id, "", each->first.language};
        left_.try_emplace(key);
        asio::co_spawn(io_, HandOn(key, each->second), asio::detached);
      }
      each = trees_.erase(each);
    }
  });
}

}  // namespace troupe
