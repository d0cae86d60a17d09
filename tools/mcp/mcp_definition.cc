#include "tools/mcp/mcp_definition.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tools/base/hash.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

constexpr size_t kMaxToolName = 64;  // of the registry
constexpr size_t kMaxMcpName = 256;
constexpr size_t kMaxDefinition = size_t{256} * 1024;
constexpr size_t kMaxDescription = size_t{16} * 1024;
constexpr size_t kMaxBrief = 160;
constexpr size_t kHashDigits = 8;
constexpr size_t kUnacceptedDigits = 24;

std::string MappedName(const std::string& server, const std::string& name) {
  std::string mapped = server + ".";
  for (char c : name) {
    const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
    const bool allowed = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') ||
                         lower == '_' || lower == '.' || lower == '-';
    mapped.push_back(allowed ? lower : '_');
  }
  return mapped;
}

bool Holds(const std::vector<std::string>& names, const std::string& name) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& entry) { return entry == "*" || entry == name; });
}

// What is assumed of a tool: the operator's word, made more careful by the server's hints, and more
// lenient by them only if the operator trusts them.
void SetPermissions(const McpServerConfig& config, const McpDefinition& definition,
                    ToolSpec& spec) {
  const Json& hints = JsonObject(definition.definition, "annotations");
  const auto says = [&](const char* hint, bool value) {
    const Json& given = JsonMember(hints, hint);
    return given.is_boolean() && given.get<bool>() == value;
  };
  const bool trusted = config.trust_annotations;
  spec.read_only =
      Holds(config.read_only_tools, definition.name) || (trusted && says("readOnlyHint", true));
  spec.idempotent = spec.read_only || Holds(config.idempotent_tools, definition.name) ||
                    (trusted && says("idempotentHint", true));
  spec.destructive = !(spec.read_only || Holds(config.nondestructive_tools, definition.name) ||
                       (trusted && says("destructiveHint", false)));
  if (says("readOnlyHint", false)) spec.read_only = false;
  if (says("idempotentHint", false)) spec.idempotent = spec.read_only;
  if (says("destructiveHint", true) && !spec.read_only) spec.destructive = true;
}

std::string FirstLine(const std::string& text) {
  return PlainText(text.substr(0, text.find('\n')), kMaxBrief);
}

// A schema that is none to us (of a dialect that is not known, say) is only told to the model: the
// server checks by it.
Json UsableSchema(const Json& schema, const Json& otherwise, std::string& description,
                  std::string_view what) {
  if (schema.is_null()) return otherwise;
  if (JsonSchema::Compile(schema).ok()) return schema;
  description += fmt::format("\n\n{}: {}", what, DumpJson(schema));
  return otherwise;
}

}  // namespace

absl::StatusOr<McpDefinition> ReadMcpDefinition(const Json& listed) {
  McpDefinition read;
  read.name = JsonString(listed, "name");
  if (read.name.empty() || read.name.size() > kMaxMcpName) {
    return absl::InvalidArgumentError("a tool without a name, or with one that is too long");
  }
  const Json& input = JsonMember(listed, "inputSchema");
  if (!input.is_object()) return absl::InvalidArgumentError("it has no inputSchema");
  read.definition = Json::object();
  for (const char* key :
       {"name", "title", "description", "inputSchema", "outputSchema", "annotations"}) {
    if (const Json& member = JsonMember(listed, key); !member.is_null()) {
      read.definition[key] = member;
    }
  }
  const std::string text = DumpJson(read.definition);
  if (text.size() > kMaxDefinition) {
    return absl::InvalidArgumentError(fmt::format("its definition has {} bytes", text.size()));
  }
  read.sha256 = Sha256Hex(text);
  ASSIGN_OR_RETURN(read.header_params, HeaderParamsOf(input));
  return read;
}

std::vector<std::string> McpToolNames(const std::string& server,
                                      const std::vector<McpDefinition>& definitions) {
  std::vector<std::string> names;
  std::map<std::string, int> uses;
  for (const McpDefinition& definition : definitions) {
    names.push_back(MappedName(server, definition.name));
    ++uses[names.back()];
  }
  for (size_t i = 0; i < names.size(); ++i) {
    const bool changed = names[i] != server + "." + definitions[i].name;
    const bool taken = changed && uses[names[i]] > 1;
    if (!taken && names[i].size() <= kMaxToolName) continue;
    names[i] = names[i].substr(0, kMaxToolName - kHashDigits - 1) + "-" +
               Sha256Hex(definitions[i].name).substr(0, kHashDigits);
  }
  return names;
}

std::string McpToolVersion(const McpDefinition& definition, bool needs_approval) {
  // A changed description leaves the meaning, and what was recorded, as it was.
  const Json meaning = {{"name", definition.name},
                        {"input", JsonMember(definition.definition, "inputSchema")},
                        {"output", JsonMember(definition.definition, "outputSchema")}};
  const std::string version = Sha256Hex(DumpJson(meaning)).substr(0, 12);
  if (!needs_approval) return version;
  return version + "-" + definition.sha256.substr(0, kUnacceptedDigits);
}

ToolSpec McpToolSpec(const McpServerConfig& config, const McpDefinition& definition,
                     std::string tool_name, bool needs_approval) {
  const Json& json = definition.definition;
  ToolSpec spec;
  spec.name = std::move(tool_name);
  const std::string title = JsonString(json, "title");
  const std::string text = JsonString(json, "description");
  spec.description = PlainText(text.empty() ? title : text, kMaxDescription);
  if (spec.description.empty()) spec.description = definition.name;
  spec.brief = FirstLine(title.empty() ? spec.description : title);
  const Json any_object = {{"type", "object"}};
  spec.arguments_schema =
      UsableSchema(JsonMember(json, "inputSchema"), any_object, spec.description, "Arguments");
  std::string unused;
  spec.result_schema =
      UsableSchema(JsonMember(json, "outputSchema"), Json::object(), unused, "Result");
  spec.version = McpToolVersion(definition, needs_approval);
  SetPermissions(config, definition, spec);
  spec.needs_approval = needs_approval;
  spec.provider = "mcp:" + config.name;
  // A call that asks a person waits for the answer, with the clock of the call standing still.
  const bool asks = config.elicitation || config.sampling == McpSampling::kAsk;
  spec.timeout = config.max_time + (asks ? config.question_time : absl::ZeroDuration());
  return spec;
}

}  // namespace troupe
