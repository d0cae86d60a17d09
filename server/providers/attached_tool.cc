#include "server/providers/attached_tool.h"

#include <fmt/format.h>

#include "server/providers/provider_hub.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {

absl::StatusOr<std::shared_ptr<Tool>> AttachedTool::Make(
    ToolSpec spec, std::string key, ProviderHub* hub,
    std::shared_ptr<const std::atomic<bool>> served) {
  ASSIGN_OR_RETURN(JsonSchema result, JsonSchema::Compile(spec.result_schema));
  return std::shared_ptr<Tool>(
      new AttachedTool(std::move(spec), std::move(key), hub, std::move(served), std::move(result)));
}

Async<ToolResult> AttachedTool::Call(ToolCall call) {
  std::string arguments = DumpJson(call.arguments);
  if (arguments.size() > kMaxArgumentsBytes) {
    co_return Error(
        Reason::kToolArgumentsInvalid,
        fmt::format("the arguments of {} have {} bytes; give at most {}, and large data "
                    "as files",
                    spec_.name, arguments.size(), kMaxArgumentsBytes),
        {{"tool", spec_.name}});
  }
  auto asked = std::make_shared<AttachedCall>();
  asked->id = CallId(call.context, key_, arguments);
  asked->key = key_;
  asked->subject = spec_.name;
  asked->repeatable = spec_.idempotent || spec_.read_only;
  asked->result_schema = result_schema_;
  v1::ToolWork* work = asked->message.mutable_tool();
  work->set_name(spec_.name);
  work->set_version(spec_.version);
  work->set_arguments_json(std::move(arguments));
  asked->message.set_task("tasks/" + call.context.task_id);
  asked->message.set_path(call.context.path);
  asked->message.set_seed(call.context.seed);
  asked->context = std::move(call.context);
  co_return co_await hub_->Perform(std::move(asked));
}

}  // namespace troupe
