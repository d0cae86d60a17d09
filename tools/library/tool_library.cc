#include "tools/library/tool_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "tools/artifact_file.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/builtin/worker_pool.h"
#include "tools/library/troupe_tool.h"
#include "tools/tool_registry.h"

// What a tool of a shared object knows its call by.
struct troupe_call {
  troupe::ToolContext context;
  troupe::ToolResult result;
  absl::Status failure;
};

// What it adds its tools to.
struct troupe_registration {
  std::string provider;
  std::shared_ptr<troupe::WorkerPool> threads;
  troupe::ToolRegistry* registry = nullptr;
  absl::Status status;
};

namespace troupe {
namespace {

constexpr size_t kMaxText = 16 * 1024 * 1024;

std::string Text(const char* text) { return text == nullptr ? "" : std::string(text); }

absl::Status Wrong(const std::string& path, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("tools.libraries: {}: {}", path, what),
               {{"field", "tools.libraries"}});
}

// A tool as the shared object described it.
class LibraryTool : public Tool {
 public:
  using Function = void (*)(void* user, troupe_call* call, const char* arguments_json);

  LibraryTool(ToolSpec spec, Function function, void* user, std::shared_ptr<WorkerPool> threads)
      : spec_(std::move(spec)), function_(function), user_(user), threads_(std::move(threads)) {}

  const ToolSpec& spec() const override { return spec_; }

  Async<ToolResult> Call(ToolCall call) override {
    const CancelToken cancel = call.context.cancel;
    auto shared = std::make_shared<ToolCall>(std::move(call));
    const std::function<absl::StatusOr<ToolResult>()> work = [this, shared] {
      return Perform(*shared);
    };
    co_return co_await threads_->Run<ToolResult>(work, cancel);
  }

 private:
  absl::StatusOr<ToolResult> Perform(ToolCall& call) const {
    troupe_call under_way{std::move(call.context), {}, absl::OkStatus()};
    function_(user_, &under_way, DumpJson(call.arguments).c_str());
    RETURN_IF_ERROR(under_way.failure);
    return std::move(under_way.result);
  }

  const ToolSpec spec_;
  const Function function_;
  void* const user_;
  const std::shared_ptr<WorkerPool> threads_;
};

absl::StatusOr<ToolSpec> ReadSpec(const troupe_tool& tool, const std::string& provider) {
  ToolSpec spec;
  spec.name = Text(tool.name);
  spec.version = Text(tool.version);
  spec.description = Text(tool.description);
  spec.brief = spec.description.substr(0, spec.description.find('\n'));
  ASSIGN_OR_RETURN(spec.arguments_schema,
                   ParseJson(Text(tool.arguments_schema), spec.name + ": arguments_schema"));
  spec.result_schema = Json::object();
  if (tool.result_schema != nullptr) {
    ASSIGN_OR_RETURN(spec.result_schema,
                     ParseJson(tool.result_schema, spec.name + ": result_schema"));
  }
  spec.read_only = (tool.flags & TROUPE_TOOL_READ_ONLY) != 0;
  spec.idempotent = (tool.flags & TROUPE_TOOL_IDEMPOTENT) != 0;
  spec.destructive = (tool.flags & TROUPE_TOOL_DESTRUCTIVE) != 0;
  spec.needs_approval = (tool.flags & TROUPE_TOOL_NEEDS_APPROVAL) != 0;
  spec.max_concurrent = static_cast<int>(std::min<uint32_t>(tool.max_concurrent, 1 << 20));
  if (tool.timeout_seconds > 0) spec.timeout = absl::Seconds(tool.timeout_seconds);
  spec.provider = provider;
  return spec;
}

// --- what a shared object calls; no exception may get into it ---

int AddTool(troupe_registration* registration, const troupe_tool* tool) {
  absl::Status& status = registration->status;
  if (tool->struct_size < sizeof(troupe_tool) || tool->call == nullptr) {
    status.Update(absl::InvalidArgumentError("a tool without a function, or of an older header"));
    return -1;
  }
  auto spec = ReadSpec(*tool, registration->provider);
  if (!spec.ok()) {
    status.Update(spec.status());
    return -1;
  }
  const absl::Status added = registration->registry->Add(std::make_shared<LibraryTool>(
      *std::move(spec), tool->call, tool->user, registration->threads));
  status.Update(added);
  return added.ok() ? 0 : -1;
}

int SetValue(troupe_call* call, const char* json) {
  auto value = ParseJson(Text(json), "the value");
  if (!value.ok()) {
    call->failure = Error(Reason::kToolFailed, MessageOf(value.status()));
    return -1;
  }
  call->result.value = *std::move(value);
  return 0;
}

void AddText(troupe_call* call, const char* text) {
  call->result.content.push_back(ToolText{Text(text).substr(0, kMaxText)});
}

void AddImage(troupe_call* call, const char* media_type, const void* data, size_t size) {
  call->result.content.push_back(
      ToolImage{Text(media_type), std::string(static_cast<const char*>(data), size)});
}

int AddFile(troupe_call* call, const char* name, const char* description, const void* data,
            size_t size) {
  auto artifact = PutArtifact(call->context.workspace, Text(name), Text(description),
                              std::string(static_cast<const char*>(data), size));
  if (!artifact.ok()) return -1;
  call->result.artifacts.push_back(*std::move(artifact));
  return 0;
}

void TellError(troupe_call* call, const char* message) {
  call->result.is_error = true;
  call->result.content.push_back(ToolText{Text(message)});
}

void Fail(troupe_call* call, const char* message) {
  call->failure = Error(Reason::kToolFailed, Text(message));
}

void TellProgress(troupe_call* call, const char* text) { call->context.progress(Text(text)); }
int IsCancelled(const troupe_call* call) { return call->context.cancel.cancelled() ? 1 : 0; }
uint64_t SeedOf(const troupe_call* call) { return call->context.seed; }

constexpr troupe_host kHost = {
    sizeof(troupe_host), AddTool, SetValue,     AddText,     AddImage, AddFile,
    TellError,           Fail,    TellProgress, IsCancelled, SeedOf};

}  // namespace

absl::Status LoadToolLibrary(const std::string& path, std::shared_ptr<WorkerPool> threads,
                             ToolRegistry& registry) {
  // Its destructors may run only when nothing of the server runs any more: it is never closed.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return Wrong(path, why == nullptr ? "cannot be loaded" : why);
  }
  using EntryPoint = int (*)(const troupe_host*, troupe_registration*);
  const auto entry_point = reinterpret_cast<EntryPoint>(dlsym(library, "troupe_tools_v1"));
  if (entry_point == nullptr) {
    return Wrong(path, "does not export troupe_tools_v1 (see tools/library/troupe_tool.h)");
  }
  troupe_registration registration;
  registration.provider =
      fmt::format("library:{}", std::filesystem::path(path).stem().string().substr(0, 64));
  registration.threads = std::move(threads);
  registration.registry = &registry;
  const int returned = entry_point(&kHost, &registration);
  if (!registration.status.ok()) {
    if (HasReason(registration.status, Reason::kAlreadyExists)) return registration.status;
    return Wrong(path, MessageOf(registration.status));
  }
  if (returned != 0) return Wrong(path, fmt::format("troupe_tools_v1 returned {}", returned));
  return absl::OkStatus();
}

}  // namespace troupe
