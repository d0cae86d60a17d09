#include "server/providers/offers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "server/providers/provider_limits.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr size_t kMaxName = 64;
constexpr size_t kMaxDescription = 16 * 1024;
constexpr size_t kMaxSchema = 64 * 1024;
constexpr size_t kMaxBrief = 300;
constexpr absl::Duration kUsualTimeout = absl::Minutes(2);
constexpr absl::Duration kLongestTimeout = absl::Hours(24);
constexpr int64_t kUsualOutputLimit = 256 * 1024;
constexpr int64_t kMaxOutputLimit = 4 * 1024 * 1024;

absl::Status Wrong(const std::string& field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what), {{"field", field}});
}

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsName(std::string_view name, bool may_begin_with_digit) {
  if (name.empty() || name.size() > kMaxName) return false;
  if (!IsLower(name[0]) && !(may_begin_with_digit && IsDigit(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return IsLower(c) || IsDigit(c) || c == '_' || c == '.' || c == '-';
  });
}

absl::StatusOr<std::string> ReadVersion(const std::string& version, const std::string& field) {
  if (version.empty()) return "1";
  const bool fits =
      version.size() <= kMaxName && std::all_of(version.begin(), version.end(), [](char c) {
        return IsLower(c) || IsDigit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
               c == '+' || c == '-';
      });
  if (!fits) return Wrong(field, "use letters, digits, _ . + -, 64 at most");
  return version;
}

// `fallback` for an empty text.
absl::StatusOr<Json> ReadSchema(const std::string& text, const std::string& field, Json fallback) {
  if (text.empty()) return fallback;
  if (text.size() > kMaxSchema) return Wrong(field, "at most 64 KiB");
  auto schema = ParseJson(text, field);
  if (!schema.ok()) return Wrong(field, MessageOf(schema.status()));
  const auto compiled = JsonSchema::Compile(*schema);
  if (!compiled.ok()) return Wrong(field, MessageOf(compiled.status()));
  return *std::move(schema);
}

absl::StatusOr<absl::Duration> ReadTimeout(const google::protobuf::Duration& timeout,
                                           const std::string& field) {
  const absl::Duration read = absl::Seconds(timeout.seconds()) + absl::Nanoseconds(timeout.nanos());
  if (read < absl::ZeroDuration() || read > kLongestTimeout) {
    return Wrong(field, "give up to a day, or 0 for two minutes");
  }
  return read == absl::ZeroDuration() ? kUsualTimeout : read;
}

std::string FirstLine(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  if (line.size() <= kMaxBrief) return line;
  size_t size = kMaxBrief;
  while (size > 0 && (static_cast<unsigned char>(line[size]) & 0xC0) == 0x80) --size;
  return line.substr(0, size);
}

absl::StatusOr<ToolSpec> ReadTool(const v1::ToolOffer& offer, const std::string& field) {
  ToolSpec spec;
  if (!IsName(offer.name(), false)) {
    return Wrong(field + ".name", "use a-z, 0-9, _ . -, a letter first, 64 at most");
  }
  spec.name = offer.name();
  ASSIGN_OR_RETURN(spec.version, ReadVersion(offer.version(), field + ".version"));
  if (offer.brief().size() > kMaxBrief) return Wrong(field + ".brief", "at most 300 bytes");
  if (offer.description().empty() || offer.description().size() > kMaxDescription) {
    return Wrong(field + ".description", "tell agents what it does, in 1 byte to 16 KiB");
  }
  spec.brief = offer.brief().empty() ? FirstLine(offer.description()) : offer.brief();
  spec.description = offer.description();
  ASSIGN_OR_RETURN(spec.arguments_schema,
                   ReadSchema(offer.arguments_schema(), field + ".arguments_schema", Json()));
  if (JsonString(spec.arguments_schema, "type") != "object") {
    return Wrong(field + ".arguments_schema", R"(give a JSON Schema with "type": "object")");
  }
  ASSIGN_OR_RETURN(spec.result_schema,
                   ReadSchema(offer.result_schema(), field + ".result_schema", Json::object()));
  spec.read_only = offer.read_only();
  spec.idempotent = offer.idempotent();
  spec.destructive = offer.destructive();
  spec.needs_approval = offer.needs_approval();
  if (offer.max_concurrent() < 0) {
    return Wrong(field + ".max_concurrent", "must not be negative");
  }
  spec.max_concurrent = offer.max_concurrent();
  ASSIGN_OR_RETURN(spec.timeout, ReadTimeout(offer.timeout(), field + ".timeout"));
  if (offer.output_limit_bytes() < 0 || offer.output_limit_bytes() > kMaxOutputLimit) {
    return Wrong(field + ".output_limit_bytes", "give up to 4 MiB, or 0 for 256 KiB");
  }
  spec.output_limit_bytes =
      offer.output_limit_bytes() == 0 ? kUsualOutputLimit : offer.output_limit_bytes();
  spec.provider = "attached";
  return spec;
}

absl::StatusOr<EnvironmentSpec> ReadEnvironment(const v1::EnvironmentOffer& offer,
                                                const std::string& field) {
  EnvironmentSpec spec;
  if (!IsName(offer.name(), false)) {
    return Wrong(field + ".name", "use a-z, 0-9, _ . -, a letter first, 64 at most");
  }
  spec.name = offer.name();
  ASSIGN_OR_RETURN(spec.version, ReadVersion(offer.version(), field + ".version"));
  if (offer.description().size() > kMaxDescription) {
    return Wrong(field + ".description", "at most 16 KiB");
  }
  spec.description = offer.description();
  ASSIGN_OR_RETURN(spec.action_schema,
                   ReadSchema(offer.action_schema(), field + ".action_schema", Json::object()));
  ASSIGN_OR_RETURN(
      spec.observation_schema,
      ReadSchema(offer.observation_schema(), field + ".observation_schema", Json::object()));
  spec.snapshots = offer.snapshots();
  if (offer.max_instances() < 0) return Wrong(field + ".max_instances", "must not be negative");
  spec.max_instances = offer.max_instances();
  ASSIGN_OR_RETURN(spec.timeout, ReadTimeout(offer.timeout(), field + ".timeout"));
  return spec;
}

}  // namespace

absl::Status CheckProviderId(const std::string& id) {
  if (id.empty() || IsName(id, true)) return absl::OkStatus();
  return Wrong("hello.provider_id", "use a-z, 0-9, _ . -, 64 at most");
}

absl::StatusOr<Offers> ReadOffers(const v1::ProviderHello& hello) {
  Offers offers;
  RETURN_IF_ERROR(CheckProviderId(hello.provider_id()));
  if (hello.session_token().size() > kMaxName) return Wrong("hello.session_token", "is none");
  if (hello.tools_size() > kMaxToolsPerProvider) return Wrong("hello.tools", "at most 256");
  if (hello.environments_size() > kMaxEnvironmentsPerProvider) {
    return Wrong("hello.environments", "at most 64");
  }
  if (hello.tools().empty() && hello.environments().empty()) {
    return Wrong("hello.tools", "offer a tool or an environment");
  }
  if (hello.max_concurrent() < 0 || hello.max_concurrent() > kMaxCallsPerProvider) {
    return Wrong("hello.max_concurrent", "give 1 to 1024, or 0 for 64");
  }
  if (hello.held_calls_size() > kMaxHeldCalls) return Wrong("hello.held_calls", "at most 4096");
  std::set<std::string> names;
  for (int i = 0; i < hello.tools_size(); ++i) {
    const std::string field = fmt::format("hello.tools[{}]", i);
    ASSIGN_OR_RETURN(ToolSpec spec, ReadTool(hello.tools(i), field));
    if (!names.insert(PinnedName(spec)).second) return Wrong(field + ".name", "is offered twice");
    offers.tools.push_back(std::move(spec));
  }
  names.clear();
  for (int i = 0; i < hello.environments_size(); ++i) {
    const std::string field = fmt::format("hello.environments[{}]", i);
    ASSIGN_OR_RETURN(EnvironmentSpec spec, ReadEnvironment(hello.environments(i), field));
    if (!names.insert(spec.name).second) return Wrong(field + ".name", "is offered twice");
    offers.environments.push_back(std::move(spec));
  }
  return offers;
}

std::string PinnedName(const ToolSpec& spec) {
  return fmt::format("{}@{}", spec.name, spec.version);
}

Json SpecJson(const ToolSpec& spec) {
  return {{"name", spec.name},
          {"version", spec.version},
          {"brief", spec.brief},
          {"description", spec.description},
          {"arguments_schema", spec.arguments_schema},
          {"result_schema", spec.result_schema},
          {"read_only", spec.read_only},
          {"idempotent", spec.idempotent},
          {"destructive", spec.destructive},
          {"needs_approval", spec.needs_approval},
          {"max_concurrent", spec.max_concurrent},
          {"timeout_ms", absl::ToInt64Milliseconds(spec.timeout)},
          {"output_limit_bytes", spec.output_limit_bytes}};
}

absl::StatusOr<ToolSpec> SpecFromJson(const Json& json) {
  ToolSpec spec;
  spec.name = JsonString(json, "name");
  spec.version = JsonString(json, "version");
  if (!IsName(spec.name, false)) return Wrong("name", "is no tool's name");
  spec.brief = JsonString(json, "brief");
  spec.description = JsonString(json, "description");
  spec.arguments_schema = JsonMember(json, "arguments_schema");
  spec.result_schema = JsonMember(json, "result_schema");
  spec.read_only = JsonBool(json, "read_only");
  spec.idempotent = JsonBool(json, "idempotent");
  spec.destructive = JsonBool(json, "destructive");
  spec.needs_approval = JsonBool(json, "needs_approval");
  spec.max_concurrent = static_cast<int>(JsonInt(json, "max_concurrent"));
  spec.timeout = absl::Milliseconds(JsonInt(json, "timeout_ms"));
  spec.output_limit_bytes = JsonInt(json, "output_limit_bytes");
  spec.provider = "attached";
  return spec;
}

Json SpecJson(const EnvironmentSpec& spec) {
  return {{"name", spec.name},
          {"version", spec.version},
          {"description", spec.description},
          {"action_schema", spec.action_schema},
          {"observation_schema", spec.observation_schema},
          {"snapshots", spec.snapshots},
          {"max_instances", spec.max_instances},
          {"timeout_ms", absl::ToInt64Milliseconds(spec.timeout)}};
}

}  // namespace troupe
