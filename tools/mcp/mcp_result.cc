#include "tools/mcp/mcp_result.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tools/artifact_file.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"
#include "tools/mcp/plain_text.h"

namespace troupe {
namespace {

constexpr size_t kMaxParts = 500;
constexpr size_t kMaxShownUri = 1000;

// What models take as an image.
bool IsPicture(const std::string& media_type) {
  return media_type == "image/png" || media_type == "image/jpeg";
}

std::string Ending(const std::string& media_type) {
  static const std::map<std::string, std::string> endings = {
      {"audio/wav", "wav"},        {"audio/x-wav", "wav"},     {"audio/mpeg", "mp3"},
      {"audio/ogg", "ogg"},        {"audio/flac", "flac"},     {"image/gif", "gif"},
      {"image/webp", "webp"},      {"image/svg+xml", "svg"},   {"application/pdf", "pdf"},
      {"application/gzip", "gz"},  {"application/zip", "zip"}, {"application/json", "json"},
      {"text/csv", "csv"},         {"text/plain", "txt"},      {"text/html", "html"},
      {"application/x-gzip", "gz"}};
  const auto found = endings.find(media_type);
  return found == endings.end() ? "bin" : found->second;
}

class ResultReader {
 public:
  ResultReader(const std::string& tool, const ToolContext& context)
      : tool_(tool), context_(context) {}

  absl::Status Take(const Json& part) {
    const std::string type = JsonString(part, "type");
    if (type == "text") return TakeText(JsonString(part, "text"));
    if (type == "image" || type == "audio") {
      return TakeBytes(type, JsonString(part, "mimeType"), JsonString(part, "data"), "");
    }
    if (type == "resource") return TakeResource(JsonObject(part, "resource"));
    if (type == "resource_link") return TakeLink(part);
    return TakeText(fmt::format("[content of an unknown type: {}]", PlainText(type, 100)));
  }

  ToolResult result;

 private:
  absl::Status TakeText(std::string text) {
    result.content.push_back(ToolText{std::move(text)});
    return absl::OkStatus();
  }

  absl::Status TakeBytes(const std::string& type, const std::string& media_type,
                         const std::string& base64, const std::string& uri) {
    std::string bytes;
    if (!absl::Base64Unescape(base64, &bytes)) {
      return Error(Reason::kToolFailed,
                   fmt::format("{} returned {} data that is not base64", tool_, type),
                   {{"tool", tool_}});
    }
    if (IsPicture(media_type)) {
      result.content.push_back(ToolImage{media_type, std::move(bytes)});
      return absl::OkStatus();
    }
    // The name is the same when the call is repeated, and no other call has it.
    const std::string name = fmt::format(
        "{}-{}-{}.{}", tool_, Sha256Hex(context_.path).substr(0, 8), ++files_, Ending(media_type));
    const std::string what =
        uri.empty() ? fmt::format("{} from {}", type, tool_) : fmt::format("{} ({})", uri, tool_);
    ASSIGN_OR_RETURN(Artifact artifact, PutArtifact(context_.workspace, name, what, bytes));
    if (!media_type.empty()) artifact.media_type = PlainText(media_type, 100);
    TakeText(fmt::format("[{} of {} bytes ({}) is the artifact {}]", uri.empty() ? type : uri,
                         bytes.size(), artifact.media_type, artifact.name))
        .IgnoreError();
    result.artifacts.push_back(std::move(artifact));
    return absl::OkStatus();
  }

  absl::Status TakeResource(const Json& resource) {
    const std::string uri = PlainText(JsonString(resource, "uri"), kMaxShownUri);
    if (resource.contains("blob")) {
      return TakeBytes("resource", JsonString(resource, "mimeType"), JsonString(resource, "blob"),
                       uri);
    }
    return TakeText(fmt::format("[resource {}]\n{}", uri, JsonString(resource, "text")));
  }

  absl::Status TakeLink(const Json& link) {
    std::string text =
        fmt::format("[link to the resource {}", PlainText(JsonString(link, "uri"), kMaxShownUri));
    for (const char* key : {"name", "mimeType", "description"}) {
      const std::string value = PlainText(JsonString(link, key), kMaxShownUri);
      if (!value.empty()) text += fmt::format("; {}: {}", key, value);
    }
    return TakeText(text + "]");
  }

  const std::string& tool_;
  const ToolContext& context_;
  int files_ = 0;
};

}  // namespace

absl::StatusOr<ToolResult> ReadMcpResult(const std::string& tool, const Json& result,
                                         const ToolContext& context) {
  if (!result.is_object()) {
    return Error(Reason::kToolFailed, fmt::format("{} returned no object", tool), {{"tool", tool}});
  }
  ResultReader reader(tool, context);
  const Json& content = JsonArray(result, "content");
  if (content.size() > kMaxParts) {
    return Error(
        Reason::kToolFailed,
        fmt::format("{} returned {} parts; {} are allowed", tool, content.size(), kMaxParts),
        {{"tool", tool}});
  }
  for (const Json& part : content) RETURN_IF_ERROR(reader.Take(part));
  ToolResult read = std::move(reader.result);
  read.is_error = JsonBool(result, "isError");
  if (result.contains("structuredContent")) {
    read.value = result["structuredContent"];
    return read;
  }
  // Without a structure the texts are the value.
  std::string texts;
  for (const ToolContent& part : read.content) {
    const auto* text = std::get_if<ToolText>(&part);
    if (text == nullptr) continue;
    if (!texts.empty()) texts += "\n";
    texts += text->text;
  }
  read.value = {{"text", std::move(texts)}};
  return read;
}

}  // namespace troupe
