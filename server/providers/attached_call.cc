#include "server/providers/attached_call.h"

#include <fmt/format.h>

#include "server/providers/provider_limits.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kIdLetters = 32;
constexpr size_t kMaxFailureText = 4 * 1024;
constexpr size_t kMaxExcerpt = 2 * 1024;
constexpr size_t kMaxParts = 64;
constexpr size_t kMaxFileDescription = 1000;

bool InsideLetter(std::string_view text, size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

std::string_view First(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && InsideLetter(text, size)) --size;
  return text.substr(0, size);
}

std::string_view Last(std::string_view text, size_t size) {
  size_t from = text.size() - std::min(size, text.size());
  while (InsideLetter(text, from)) ++from;
  return text.substr(from);
}

absl::Status Failed(const AttachedCall& call, std::string_view what) {
  std::string message = fmt::format("{} failed: {}", call.subject, First(what, kMaxFailureText));
  if (!call.partial_output.empty()) {
    message += fmt::format("\nIts output ended:\n{}", Last(call.partial_output, kMaxExcerpt));
  }
  return Error(Reason::kToolFailed, message, {{"tool", call.subject}});
}

}  // namespace

std::string CallId(const ToolContext& context, const std::string& key, const std::string& asked) {
  const Json named = {context.task_id, context.path, key, asked};
  return Sha256Hex(DumpJson(named)).substr(0, kIdLetters);
}

void SetDuration(absl::Duration from, google::protobuf::Duration* to) {
  const absl::Duration left = std::max(from, absl::ZeroDuration());
  to->set_seconds(absl::ToInt64Seconds(left));
  to->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(left - absl::Seconds(to->seconds()))));
}

absl::StatusOr<ToolResult> ReadAnswer(const v1::CallResult& answer, AttachedCall& call) {
  if (answer.has_failure()) {
    const std::string& message = answer.failure().message();
    return Failed(call, message.empty() ? "its provider does not say why" : message);
  }
  if (!answer.has_output()) return Failed(call, "its provider sent an empty answer");
  const v1::CallOutput& output = answer.output();
  ToolResult result;
  if (!output.value_json().empty()) {
    auto value = ParseJson(output.value_json(), "the value of its answer");
    if (!value.ok()) return Failed(call, MessageOf(value.status()));
    result.value = *std::move(value);
  }
  if (static_cast<size_t>(output.content_size()) > kMaxParts) {
    return Failed(call, "its answer has more than 64 parts");
  }
  for (const v1::OutputPart& part : output.content()) {
    if (!part.has_image()) {
      result.content.push_back(ToolText{part.text()});
      continue;
    }
    const std::string& type = part.image().media_type();
    if (type != "image/png" && type != "image/jpeg") {
      return Failed(call, "its answer has an image that is neither image/png nor image/jpeg");
    }
    result.content.push_back(ToolImage{type, part.image().data()});
  }
  if (result.content.empty() && !call.partial_output.empty()) {
    result.content.push_back(ToolText{std::move(call.partial_output)});
  }
  if (!call.file_problems.empty()) {
    if (result.content.empty()) result.content.push_back(ToolText{DumpJson(result.value)});
    result.content.push_back(ToolText{"\n" + call.file_problems});
  }
  result.artifacts = std::move(call.artifacts);
  result.is_error = output.is_error();
  return result;
}

void AddPartialOutput(std::string_view text, AttachedCall& call) {
  call.partial_output += text;
  if (call.partial_output.size() > kMaxPartialOutput) {
    call.partial_output = std::string(Last(call.partial_output, kMaxPartialOutput / 2));
  }
}

absl::StatusOr<std::optional<ArrivingFile>> AddPiece(const v1::ArtifactChunk& piece,
                                                     AttachedCall& call) {
  const auto refused = [&](std::string_view why) {
    return Error(Reason::kToolFailed,
                 fmt::format("the file '{}' was not kept: {}", First(piece.name(), 200), why));
  };
  const bool is_new = !call.arriving.contains(piece.name());
  if (is_new && static_cast<size_t>(call.files) >= kMaxFilesPerCall) {
    return refused("a call may make 32 files");
  }
  if (call.file_bytes + static_cast<int64_t>(piece.data().size()) > kMaxArtifactBytes) {
    call.arriving.erase(piece.name());
    return refused("the files of a call may have 64 MiB together");
  }
  if (is_new) ++call.files;
  ArrivingFile& file = call.arriving[piece.name()];
  if (file.description.empty()) {
    file.description = First(piece.description(), kMaxFileDescription);
  }
  file.bytes += piece.data();
  call.file_bytes += static_cast<int64_t>(piece.data().size());
  if (!piece.last()) return std::nullopt;
  ArrivingFile whole = std::move(file);
  call.arriving.erase(piece.name());
  return whole;
}

}  // namespace troupe
