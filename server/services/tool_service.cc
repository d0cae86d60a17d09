#include "server/services/tool_service.h"

#include <fmt/format.h>

#include "server/providers/attach_stream.h"
#include "server/scheduler/resource_name.h"
#include "server/services/list_page.h"
#include "server/services/unary.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr std::string_view kMcpProvider = "mcp:";

v1::Tool ToolMessage(const ToolSpec& spec) {
  v1::Tool tool;
  tool.set_name("tools/" + spec.name);
  tool.set_version(spec.version);
  tool.set_brief(spec.brief);
  tool.set_description(spec.description);
  tool.set_arguments_schema(DumpJson(spec.arguments_schema));
  tool.set_result_schema(DumpJson(spec.result_schema));
  tool.set_read_only(spec.read_only);
  tool.set_idempotent(spec.idempotent || spec.read_only);
  tool.set_destructive(spec.destructive);
  tool.mutable_timeout()->set_seconds(absl::ToInt64Seconds(spec.timeout));
  tool.set_output_limit_bytes(spec.output_limit_bytes);
  tool.set_needs_approval(spec.needs_approval);
  tool.set_max_concurrent(spec.max_concurrent);
  tool.set_provider(spec.provider);
  return tool;
}

}  // namespace

grpc::ServerUnaryReactor* ToolServiceImpl::ListTools(Context* context,
                                                     const v1::ListToolsRequest* request,
                                                     v1::ListToolsResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    const auto add = [&](const std::shared_ptr<const ToolSpec>& spec) {
      *response->add_tools() = ToolMessage(*spec);
    };
    ASSIGN_OR_RETURN(const std::string next,
                     ListPage(tools_->List(), request->page_size(), request->page_token(), *tokens_,
                              "ListTools", add));
    response->set_next_page_token(next);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ToolServiceImpl::GetTool(Context* context,
                                                   const v1::GetToolRequest* request,
                                                   v1::GetToolResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string name, ParseIn("tools", request->name()));
    ASSIGN_OR_RETURN(const std::shared_ptr<Tool> tool, tools_->Find(name));
    *response->mutable_tool() = ToolMessage(tool->spec());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ToolServiceImpl::AcceptTool(Context* context,
                                                      const v1::AcceptToolRequest* request,
                                                      v1::AcceptToolResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string name, ParseIn("tools", request->name(), "name"));
    if (request->version().empty()) {
      return Error(Reason::kInvalidField, "version: give the one that is accepted",
                   {{"field", "version"}});
    }
    ASSIGN_OR_RETURN(const std::shared_ptr<Tool> tool, tools_->Find(name));
    const ToolSpec& spec = tool->spec();
    if (!spec.provider.starts_with(kMcpProvider)) {
      return Error(Reason::kInvalidField,
                   fmt::format("name: {} is served by {}: only tools of MCP servers are accepted",
                               name, spec.provider),
                   {{"field", "name"}});
    }
    if (spec.version != request->version()) {
      return Error(
          Reason::kEtagMismatch,
          fmt::format("{} has the version {} by now: look at it first", name, spec.version),
          {{"name", request->name()}, {"version", spec.version}});
    }
    RETURN_IF_ERROR(accept_(spec.provider.substr(kMcpProvider.size()), spec.version));
    ASSIGN_OR_RETURN(const std::shared_ptr<Tool> accepted, tools_->Find(name));
    *response->mutable_tool() = ToolMessage(accepted->spec());
    return absl::OkStatus();
  });
}

grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* ToolServiceImpl::Attach(
    Context* context) {
  return AttachStream::Start(providers_, context);
}

}  // namespace troupe
