// What the revision 2026-07-28 repeats of a message in the headers of HTTP, so that gateways can
// route without reading bodies. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

// `value` as a header may carry it: as it is, or "=?base64?...?=" if it is not plain ASCII.
std::string McpHeaderValue(std::string_view value);

// An argument that is repeated in the header Mcp-Param-{name}.
struct McpHeaderParam {
  std::string name;
  std::vector<std::string> path;  // of property names, from the arguments down
};

// The arguments that a tool's input schema marks with x-mcp-header. INVALID_ARGUMENT, in words for
// the log, if a mark is not allowed where it stands: such a tool must not be offered over HTTP.
absl::StatusOr<std::vector<McpHeaderParam>> HeaderParamsOf(const Json& input_schema);

// The headers for one call; arguments that are not given have none.
std::vector<std::pair<std::string, std::string>> ParamHeaders(
    const std::vector<McpHeaderParam>& params, const Json& arguments);

}  // namespace troupe
