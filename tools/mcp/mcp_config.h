// The configuration of one MCP server, as trouped reads it from [mcp.NAME].
#pragma once

#include <absl/time/time.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

// Which generation of the protocol a server speaks.
enum class McpEra {
  kAuto,    // found out, and remembered
  kLegacy,  // the handshake of 2025-11-25 and before
  kModern,  // stateless, 2026-07-28
};

// What becomes of a request of the server to have a model reply.
enum class McpSampling { kAsk, kAllow, kOff };

// When a tool's definition has to be accepted by a person or by the configuration.
enum class McpApproval {
  kChanged,  // when it is not the one that was seen first
  kAlways,   // until `accepted_definitions` names it
  kNever,
};

struct McpServerConfig {
  std::string name;  // its tools are NAME.tool

  // Over stdio: a program that trouped starts.
  std::string command;
  std::vector<std::string> args;
  std::map<std::string, std::string> env;     // on top of a few of trouped's own
  std::vector<std::string> secret_variables;  // names in `env` whose values are secrets
  std::string cwd;

  // Over streamable HTTP.
  std::string url;
  std::map<std::string, std::string> headers;
  std::vector<std::string> secret_headers;  // names in `headers` whose values are secrets

  McpEra era = McpEra::kAuto;
  absl::Duration timeout = absl::Seconds(60);       // without a reply or a sign of progress
  absl::Duration max_time = absl::Minutes(10);      // of a call, whatever progress it reports
  absl::Duration start_time = absl::Seconds(30);    // until it is ready
  absl::Duration question_time = absl::Hours(168);  // that a call may wait for a person
  int concurrency = 16;                             // calls at once; more wait
  int restarts = 5;  // in a row without a call that succeeded, before it is left alone

  std::vector<std::string> tools;  // to offer, by the server's names; empty: all
  bool trust_annotations = false;  // may loosen what is assumed of a tool
  // Tools that the operator knows to be harmless, by the server's names; "*": all.
  std::vector<std::string> read_only_tools;
  std::vector<std::string> idempotent_tools;
  std::vector<std::string> nondestructive_tools;
  McpApproval approval = McpApproval::kChanged;
  std::vector<std::string> accepted_definitions;  // SHA-256 in hexadecimal

  bool elicitation = true;
  McpSampling sampling = McpSampling::kAsk;
  std::vector<std::string> roots;  // folders that the server is told of
  bool workspace_root = true;      // and, in a call, the workspace of its task

  // The values that may appear in no log, error or trace.
  std::vector<std::string> Secrets() const {
    std::vector<std::string> secrets;
    const auto add = [&](const auto& names, const auto& values) {
      for (const std::string& name : names) {
        if (const auto found = values.find(name); found != values.end()) {
          secrets.push_back(found->second);
        }
      }
    };
    add(secret_variables, env);
    add(secret_headers, headers);
    return secrets;
  }
};

}  // namespace troupe
