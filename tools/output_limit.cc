#include "tools/output_limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "tools/artifact_file.h"
#include "tools/base/hash.h"

namespace troupe {
namespace {

constexpr size_t kPathLetters = 8;

bool InsideLetter(std::string_view text, size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

// The first `size` bytes at most, no letter cut through.
std::string_view Beginning(std::string_view text, size_t size) {
  if (size >= text.size()) return text;
  while (size > 0 && InsideLetter(text, size)) --size;
  return text.substr(0, size);
}

std::string_view Ending(std::string_view text, size_t size) {
  size_t from = text.size() - std::min(size, text.size());
  while (InsideLetter(text, from)) ++from;
  return text.substr(from);
}

// All of the text, in the workspace; the name of the artifact, empty if it could not be kept.
std::string Keep(const ToolSpec& spec, const Workspace& workspace, const std::string& path,
                 const std::string& text, ToolResult& result) {
  if (workspace.root.empty()) return "";
  const std::string name =
      fmt::format("output/{}-{}.txt", spec.name, Sha256Hex(path).substr(0, kPathLetters));
  auto kept = PutArtifact(workspace, name,
                          fmt::format("The whole output of {} at {}", spec.name, path), text);
  if (!kept.ok()) return "";
  result.artifacts.push_back(*std::move(kept));
  return name;
}

}  // namespace

void LimitOutput(const ToolSpec& spec, const Workspace& workspace, const std::string& path,
                 ToolResult& result) {
  if (result.content.empty() && !result.value.is_null()) {
    result.content.push_back(ToolText{DumpJson(result.value)});
  }
  std::string all;
  for (const ToolContent& part : result.content) {
    if (const auto* text = std::get_if<ToolText>(&part)) all += text->text;
  }
  const size_t limit = static_cast<size_t>(std::max<int64_t>(spec.output_limit_bytes, 0));
  if (all.size() <= limit) return;
  const std::string name = Keep(spec, workspace, path, all, result);
  const std::string_view first = Beginning(all, limit - limit / 4);
  const std::string_view last = Ending(all, limit / 4);
  const size_t missing = all.size() - first.size() - last.size();
  const std::string where =
      name.empty() ? "" : fmt::format("; all of it is in the artifact {}", name);
  ToolText shown{fmt::format("{}\n[{} bytes are left out here: over the limit of {}{}]\n{}", first,
                             missing, limit, where, last)};
  // Images keep their order; all text stands where the first text stood.
  std::vector<ToolContent> content;
  std::optional<size_t> place;
  for (ToolContent& part : result.content) {
    const bool text = std::holds_alternative<ToolText>(part);
    if (text && place.has_value()) continue;
    if (text) place = content.size();
    content.push_back(std::move(part));
  }
  content[*place] = std::move(shown);
  result.content = std::move(content);
}

}  // namespace troupe
