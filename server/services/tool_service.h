// The gRPC face of the tools that agents have at hand.
#pragma once

#include <functional>
#include <string>

#include "server/providers/provider_hub.h"
#include "server/services/api_threads.h"
#include "server/services/page_token.h"
#include "tools/tool_registry.h"
#include "troupe/v1/tool_service.grpc.pb.h"

namespace troupe {

// Accepts a version of a tool of an MCP server.
using AcceptVersion =
    std::function<absl::Status(const std::string& server, const std::string& version)>;

class ToolServiceImpl : public v1::ToolService::CallbackService {
 public:
  // All outlive the service.
  ToolServiceImpl(const ToolRegistry* tools, ProviderHub* providers, AcceptVersion accept,
                  const PageTokens* tokens, ApiThreads* threads)
      : tools_(tools),
        providers_(providers),
        accept_(std::move(accept)),
        tokens_(tokens),
        threads_(threads) {}

  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* ListTools(Context* context, const v1::ListToolsRequest* request,
                                      v1::ListToolsResponse* response) override;
  grpc::ServerUnaryReactor* GetTool(Context* context, const v1::GetToolRequest* request,
                                    v1::GetToolResponse* response) override;
  grpc::ServerUnaryReactor* AcceptTool(Context* context, const v1::AcceptToolRequest* request,
                                       v1::AcceptToolResponse* response) override;
  grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* Attach(Context* context) override;

 private:
  const ToolRegistry* const tools_;
  ProviderHub* const providers_;
  const AcceptVersion accept_;
  const PageTokens* const tokens_;
  ApiThreads* const threads_;
};

}  // namespace troupe
