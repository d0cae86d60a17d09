#include "tools/builtin/builtin_tools.h"

#include <memory>

#include "tools/base/status_macros.h"
#include "tools/builtin/artifact_tool.h"
#include "tools/builtin/file_tools.h"
#include "tools/builtin/http_tool.h"
#include "tools/builtin/sql_tool.h"
#include "tools/builtin/worker_pool.h"
#include "tools/http/http_client.h"
#include "tools/tool_registry.h"

namespace troupe {
namespace {

constexpr int kFileThreads = 2;
constexpr int kQueryThreads = 2;
constexpr int kLookUpThreads = 2;

}  // namespace

absl::Status AddBuiltinTools(const BuiltinConfig& config, ToolRegistry& registry) {
  // Long queries must not hold up the reading of a file.
  auto files = std::make_shared<WorkerPool>(kFileThreads);
  auto queries = std::make_shared<WorkerPool>(kQueryThreads);
  RETURN_IF_ERROR(registry.Add(std::make_shared<ListFilesTool>(files)));
  RETURN_IF_ERROR(registry.Add(std::make_shared<ReadFileTool>(files)));
  RETURN_IF_ERROR(registry.Add(std::make_shared<WriteFileTool>(files)));
  RETURN_IF_ERROR(registry.Add(std::make_shared<WriteArtifactTool>()));
  RETURN_IF_ERROR(registry.Add(std::make_shared<SqlTool>(queries)));
  if (config.http_allowed_hosts.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(AddressRules rules, AddressRules::Make(config.http_allowed_hosts,
                                                          config.http_allow_private_addresses));
  // A client of its own: the addresses that it is tied to are no matter of the model backends.
  return registry.Add(std::make_shared<HttpTool>(std::move(rules), std::make_shared<HttpClient>(),
                                                 std::make_shared<WorkerPool>(kLookUpThreads)));
}

}  // namespace troupe
