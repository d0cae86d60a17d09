// The tools that come with the server, apart from those that run code (tools/sandbox).
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

namespace troupe {

class ToolRegistry;

struct BuiltinConfig {
  // Hosts that http_request may reach: "example.org", "*.example.org" for all below it, with
  // ":port" for another port than 80 and 443. None: there is no http_request.
  std::vector<std::string> http_allowed_hosts;
  // Also reach addresses of this machine and of private networks.
  bool http_allow_private_addresses = false;
};

// Adds list_files, read_file, write_file, write_artifact, sql_query and, with allowed hosts,
// http_request.
// kInvalidField for a host that is none, kAlreadyExists for a tool that is there already.
absl::Status AddBuiltinTools(const BuiltinConfig& config, ToolRegistry& registry);

}  // namespace troupe
