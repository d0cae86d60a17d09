#include "tools/mcp/mcp_headers.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr char kMark[] = "x-mcp-header";
constexpr std::string_view kEncodedBegin = "=?base64?";
constexpr std::string_view kEncodedEnd = "?=";
constexpr int kMaxDepth = 64;

bool IsToken(const std::string& name) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool IsPlain(std::string_view value) {
  const bool padded = !value.empty() && (value.front() == ' ' || value.front() == '\t' ||
                                         value.back() == ' ' || value.back() == '\t');
  const bool looks_encoded = value.starts_with(kEncodedBegin) && value.ends_with(kEncodedEnd);
  return !padded && !looks_encoded && std::all_of(value.begin(), value.end(), [](char c) {
    return c == '\t' || (c >= 0x20 && c < 0x7F);
  });
}

absl::Status NotAllowed(const std::string& why) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", kMark, why));
}

// Counts the marks anywhere in the schema.
size_t CountMarks(const Json& value, int depth) {
  if (depth > kMaxDepth) return 0;
  size_t marks = 0;
  if (value.is_object() && value.contains(kMark)) ++marks;
  if (value.is_structured()) {
    for (const Json& member : value) marks += CountMarks(member, depth + 1);
  }
  return marks;
}

class MarkFinder {
 public:
  // Follows chains of `properties` alone.
  absl::Status Find(const Json& schema, const std::vector<std::string>& path) {
    if (path.size() > kMaxDepth) return absl::OkStatus();
    for (const auto& [name, property] : JsonObject(schema, "properties").items()) {
      std::vector<std::string> below = path;
      below.push_back(name);
      if (property.is_object() && property.contains(kMark)) RETURN_IF_ERROR(Take(property, below));
      RETURN_IF_ERROR(Find(property, below));
    }
    return absl::OkStatus();
  }

  std::vector<McpHeaderParam> found;

 private:
  absl::Status Take(const Json& property, const std::vector<std::string>& path) {
    const std::string name = JsonString(property, kMark);
    const std::string type = JsonString(property, "type");
    if (!IsToken(name)) return NotAllowed(fmt::format("'{}' is no header name", name));
    if (type != "string" && type != "integer" && type != "boolean") {
      return NotAllowed(fmt::format("'{}' is no string, integer or boolean", path.back()));
    }
    if (!names_.insert(absl::AsciiStrToLower(name)).second) {
      return NotAllowed(fmt::format("'{}' stands twice", name));
    }
    found.push_back({name, path});
    return absl::OkStatus();
  }

  std::set<std::string> names_;
};

}  // namespace

std::string McpHeaderValue(std::string_view value) {
  if (IsPlain(value)) return std::string(value);
  return fmt::format("{}{}{}", kEncodedBegin,
                     absl::Base64Escape(absl::string_view(value.data(), value.size())),
                     kEncodedEnd);
}

absl::StatusOr<std::vector<McpHeaderParam>> HeaderParamsOf(const Json& input_schema) {
  MarkFinder finder;
  RETURN_IF_ERROR(finder.Find(input_schema, {}));
  if (CountMarks(input_schema, 0) != finder.found.size()) {
    return NotAllowed("it stands where arguments are not reached by properties alone");
  }
  return std::move(finder.found);
}

std::vector<std::pair<std::string, std::string>> ParamHeaders(
    const std::vector<McpHeaderParam>& params, const Json& arguments) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const McpHeaderParam& param : params) {
    const Json* value = &arguments;
    for (const std::string& name : param.path) value = &JsonMember(*value, name);
    std::string text;
    if (value->is_string()) {
      text = value->get<std::string>();
    } else if (value->is_boolean() || value->is_number_integer()) {
      text = DumpJson(*value);
    } else {
      continue;
    }
    headers.emplace_back("Mcp-Param-" + param.name, McpHeaderValue(text));
  }
  return headers;
}

}  // namespace troupe
