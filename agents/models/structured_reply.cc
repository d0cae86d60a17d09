#include "agents/models/structured_reply.h"

#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// The inside of a reply that is one fenced block and nothing else; the reply itself otherwise.
std::string_view Unfence(std::string_view text) {
  constexpr std::string_view kFence = "```";
  text = Trim(text);
  if (!text.starts_with(kFence) || !text.ends_with(kFence)) return text;
  const size_t first_line = text.find('\n');
  if (first_line == std::string_view::npos || text.size() < first_line + 1 + kFence.size()) {
    return text;
  }
  return Trim(text.substr(first_line + 1, text.size() - kFence.size() - first_line - 1));
}

}  // namespace

absl::StatusOr<Json> ParseStructuredReply(const ChatReply& reply, const ReplySchema& schema) {
  if (reply.finish == FinishReason::kLength) {
    return Error(Reason::kModelBadReply,
                 "the reply was cut off at the token limit; answer more briefly");
  }
  const std::string text = reply.message.text();
  auto value = ParseJson(Unfence(text), "the reply");
  if (!value.ok()) return Error(Reason::kModelBadReply, MessageOf(value.status()));
  ASSIGN_OR_RETURN(const JsonSchema compiled, JsonSchema::Compile(schema.schema));
  if (const absl::Status valid = compiled.Validate(*value); !valid.ok()) {
    return Error(Reason::kModelBadReply,
                 fmt::format("the reply is JSON but does not fit:\n{}", MessageOf(valid)));
  }
  return value;
}

ChatRequest RepairRequest(const ChatRequest& request, const ChatReply& reply,
                          const absl::Status& error) {
  ChatRequest repair = request;
  repair.messages.push_back(AssistantMessage(reply.message.text()));
  repair.messages.push_back(
      UserMessage(fmt::format("That reply cannot be used: {}\n\nAnswer again with the whole reply "
                              "as one JSON value that is "
                              "valid by this JSON Schema, and nothing else:\n{}",
                              MessageOf(error), DumpJson(request.reply_schema->schema))));
  return repair;
}

void DescribeSchemaInPrompt(ChatRequest& request) {
  if (!request.reply_schema.has_value() || request.messages.empty()) return;
  Message last = request.messages.back();
  request.messages.pop_back();
  last.parts.push_back(TextPart{fmt::format(
      "Answer with one JSON value that is valid by this JSON Schema, and nothing else:\n"
      "{}",
      DumpJson(request.reply_schema->schema))});
  request.messages.push_back(std::move(last));
}

}  // namespace troupe
