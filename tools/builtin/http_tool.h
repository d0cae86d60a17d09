// The tool http_request: GET and POST to hosts that the configuration allows. Each hop, redirects
// too, is checked against the rules and tied to the addresses that were checked. Thread-safe.
#pragma once

#include <memory>

#include "tools/builtin/address_rules.h"
#include "tools/tool.h"

namespace troupe {

class HttpClient;
class WorkerPool;
struct HttpRequest;
struct HttpResponse;

// Arguments {"url", "method"?, "headers"?, "body"?}. Value {"status", "url", "headers", "body"};
// any HTTP status is a result.
class HttpTool : public Tool {
 public:
  HttpTool(AddressRules rules, std::shared_ptr<HttpClient> client,
           std::shared_ptr<WorkerPool> pool);
  const ToolSpec& spec() const override { return spec_; }
  Async<ToolResult> Call(ToolCall call) override;

 private:
  // Asks, and follows redirects; `request.url` is where it ended.
  Async<HttpResponse> Ask(std::shared_ptr<HttpRequest> request, CancelToken cancel);

  const AddressRules rules_;
  std::shared_ptr<HttpClient> client_;
  std::shared_ptr<WorkerPool> pool_;
  ToolSpec spec_;
};

}  // namespace troupe
