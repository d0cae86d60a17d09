#include "agents/models/message.h"

namespace troupe {
namespace {

Message TextMessage(MessageRole role, std::string text) {
  Message message;
  message.role = role;
  message.parts.push_back(TextPart{std::move(text)});
  return message;
}

}  // namespace

std::string Message::text() const {
  std::string joined;
  for (const MessagePart& part : parts) {
    const auto* text = std::get_if<TextPart>(&part);
    if (text == nullptr) continue;
    if (!joined.empty()) joined += "\n";
    joined += text->text;
  }
  return joined;
}

const std::string* Message::sole_text() const {
  if (parts.size() != 1 || !tool_uses.empty() || !tool_use_id.empty()) return nullptr;
  const auto* part = std::get_if<TextPart>(&parts[0]);
  return part == nullptr ? nullptr : &part->text;
}

Message SystemMessage(std::string text) {
  return TextMessage(MessageRole::kSystem, std::move(text));
}
Message UserMessage(std::string text) { return TextMessage(MessageRole::kUser, std::move(text)); }
Message AssistantMessage(std::string text) {
  return TextMessage(MessageRole::kAssistant, std::move(text));
}

}  // namespace troupe
