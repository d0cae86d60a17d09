#include "server/services/catalog_services.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>

#include "server/providers/attach_stream.h"
#include "server/scheduler/resource_name.h"
#include "server/services/convert.h"
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

v1::PromptVersion VersionMessage(const PromptDefinition& prompt,
                                 const PromptVersionRecord& version) {
  v1::PromptVersion message;
  message.set_name(fmt::format("prompts/{}/versions/{}", prompt.name, version.version));
  message.set_version(version.version);
  message.set_template_(version.text);
  for (const PromptVariable& variable : prompt.variables) {
    v1::PromptVariable* added = message.add_variables();
    added->set_name(variable.name);
    added->set_description(variable.description);
    added->set_required(variable.required);
  }
  message.set_sha256(version.sha256);
  if (version.create_time != absl::InfinitePast()) {
    *message.mutable_create_time() = TimestampOf(version.create_time);
  }
  message.set_parent_version(version.parent_version);
  message.set_origin(version.origin);
  message.set_note(version.note);
  return message;
}

v1::Prompt PromptMessage(const PromptRecord& record, bool all_versions) {
  v1::Prompt prompt;
  prompt.set_name("prompts/" + record.definition->name);
  prompt.set_description(record.definition->description);
  prompt.set_active_version(record.active_version);
  for (const PromptVersionRecord& version : record.versions) {
    if (all_versions || version.version == record.active_version) {
      *prompt.add_versions() = VersionMessage(*record.definition, version);
    }
  }
  prompt.set_etag(std::to_string(record.revision));
  return prompt;
}

// One page of `all`; the key counts what came before. Where tools come or go between two pages, a
// reader may see one twice or not at all.
template <typename T, typename Add>
absl::StatusOr<std::string> Page(const std::vector<T>& all, int size, const std::string& token,
                                 const PageTokens& tokens, const std::string& arguments, Add add) {
  ASSIGN_OR_RETURN(const int page_size, PageSize(size, 100, 1000));
  ASSIGN_OR_RETURN(const PageKey key, tokens.Read(token, arguments));
  const size_t first = static_cast<size_t>(std::max<int64_t>(0, key.first));
  const size_t end = std::min(all.size(), first + static_cast<size_t>(page_size));
  for (size_t i = first; i < end; ++i) add(all[i]);
  if (end >= all.size()) return "";
  return tokens.Make({static_cast<int64_t>(end), 0}, arguments);
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
                     Page(tools_->List(), request->page_size(), request->page_token(), *tokens_,
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

grpc::ServerUnaryReactor* PromptServiceImpl::ListPrompts(Context* context,
                                                         const v1::ListPromptsRequest* request,
                                                         v1::ListPromptsResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    const auto add = [&](const PromptRecord& record) {
      *response->add_prompts() = PromptMessage(record, false);
    };
    ASSIGN_OR_RETURN(const std::string next,
                     Page(prompts_->List(), request->page_size(), request->page_token(), *tokens_,
                          "ListPrompts", add));
    response->set_next_page_token(next);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::GetPrompt(Context* context,
                                                       const v1::GetPromptRequest* request,
                                                       v1::GetPromptResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string name, ParseIn("prompts", request->name()));
    ASSIGN_OR_RETURN(const PromptRecord record, prompts_->Find(name));
    *response->mutable_prompt() = PromptMessage(record, true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::CreatePromptVersion(
    Context* context, const v1::CreatePromptVersionRequest* request,
    v1::CreatePromptVersionResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string name, ParseIn("prompts", request->parent(), "parent"));
    if (request->template_().empty() || request->template_().size() > kMaxPromptTemplate) {
      return Error(Reason::kInvalidField, "template: give 1 byte to 256 KiB",
                   {{"field", "template"}});
    }
    if (request->parent_version() < 0) {
      return Error(Reason::kInvalidField, "parent_version: must not be negative",
                   {{"field", "parent_version"}});
    }
    PromptVersionRecord version;
    version.text = request->template_();
    version.parent_version = request->parent_version();
    version.origin = request->origin();
    version.note = request->note();
    ASSIGN_OR_RETURN(const PromptVersionRecord added, prompts_->Add(name, std::move(version)));
    ASSIGN_OR_RETURN(const PromptRecord record, prompts_->Find(name));
    *response->mutable_version() = VersionMessage(*record.definition, added);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::PromotePrompt(Context* context,
                                                           const v1::PromotePromptRequest* request,
                                                           v1::PromotePromptResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    const std::vector<std::string> parts = absl::StrSplit(request->name(), '/');
    int version = 0;
    if (parts.size() != 4 || parts[0] != "prompts" || parts[2] != "versions" ||
        !absl::SimpleAtoi(parts[3], &version)) {
      return Error(Reason::kInvalidField,
                   fmt::format("name: '{}' is not of the form "
                               "prompts/{{prompt}}/versions/{{version}}",
                               request->name()),
                   {{"field", "name"}});
    }
    if (request->reason().empty()) {
      return Error(Reason::kInvalidField, "reason: say why, for the record", {{"field", "reason"}});
    }
    ASSIGN_OR_RETURN(const PromptRecord record,
                     prompts_->Promote(parts[1], version, request->reason(), request->evidence(),
                                       request->etag()));
    *response->mutable_prompt() = PromptMessage(record, true);
    return absl::OkStatus();
  });
}

}  // namespace troupe
