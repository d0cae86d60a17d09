// The configuration of one model, as the server reads it from its file.
#pragma once

#include <absl/time/time.h>

#include <map>
#include <string>
#include <vector>

#include "agents/models/chat_model.h"
#include "tools/http/http_client.h"

namespace troupe {

enum class ModelKind { kOpenAi, kAnthropic, kRecorded, kFallback };

// How a backend takes a JSON Schema for its reply.
enum class SchemaDialect {
  kOpenAi,    // response_format {type: json_schema, json_schema: {name, schema, strict}}
  kLlamaCpp,  // response_format {type: json_schema, schema}
  kNone,      // not at all: the schema is put into the prompt and the reply is checked
};

// Money in millionths of a US dollar for a million tokens.
struct ModelPrice {
  int64_t input = 0;
  int64_t cached_input = 0;
  int64_t output = 0;
};

// In every field 0 is no limit.
struct ModelLimits {
  int concurrency = 64;
  int64_t requests_per_minute = 0;
  int64_t tokens_per_minute = 0;
  int max_waiting = 20'000;  // requests that wait for their turn; more are refused
};

struct ModelRetries {
  int attempts = 5;  // requests sent at most
  absl::Duration first_wait = absl::Milliseconds(500);
  absl::Duration longest_wait = absl::Seconds(30);
};

struct ModelConfig {
  std::string name;  // what roles and tasks call it
  ModelKind kind = ModelKind::kOpenAi;
  std::string url;      // up to and with /v1
  std::string model;    // the backend's name for it
  std::string api_key;  // read from the environment or a file at start; never printed
  std::string anthropic_version = "2023-06-01";
  ModelCapabilities capabilities;
  SchemaDialect schema_dialect = SchemaDialect::kOpenAi;
  std::string token_limit_field = "max_tokens";  // or max_completion_tokens
  int64_t default_max_tokens = 8192;             // of a reply, when the request names none
  bool stream = false;
  ModelPrice price;
  ModelLimits limits;
  ModelRetries retries;
  HttpTimeouts timeouts;
  std::string recording;               // of kRecorded: the file
  std::vector<std::string> fallbacks;  // of kFallback: names of models, tried in order
  std::string record_to;               // a file to which replies are appended; empty: none
};

// What `usage` costs by `price`, rounded up.
int64_t CostOf(const TokenUsage& usage, const ModelPrice& price);

// Tokens of a request by its length, about 4 bytes a token and a flat amount an image.
int64_t EstimateTokens(const ChatRequest& request);
int64_t EstimateTokens(std::string_view text);

CostEstimate EstimateCost(const ChatRequest& request, const ModelConfig& config);

// `text` with every occurrence of the key replaced, for errors that quote a server.
std::string Redact(std::string text, const std::string& secret);

}  // namespace troupe
