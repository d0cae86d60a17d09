// What is said to a model and what it says: plain values, the same for every backend.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

struct TextPart {
  std::string text;
  bool operator==(const TextPart&) const = default;
};
struct ImagePart {
  std::string media_type;  // image/png or image/jpeg
  std::string bytes;       // not encoded
  bool operator==(const ImagePart&) const = default;
};
using MessagePart = std::variant<TextPart, ImagePart>;

// A tool call that a model asks for. `arguments` is null if what it wrote is not JSON; the text it
// wrote is then in `malformed_arguments`.
struct ToolUse {
  std::string id;
  std::string name;
  Json arguments;
  std::string malformed_arguments;
  bool operator==(const ToolUse&) const = default;
};

enum class MessageRole { kSystem, kUser, kAssistant, kTool };

struct Message {
  MessageRole role = MessageRole::kUser;
  std::vector<MessagePart> parts;
  std::vector<ToolUse> tool_uses;  // of an assistant
  std::string tool_use_id;         // of a tool's answer
  bool operator==(const Message&) const = default;

  // All text parts joined by newlines.
  std::string text() const;
  // The text of a message that is nothing but one text, as most are; null for others.
  const std::string* sole_text() const;
};

Message SystemMessage(std::string text);
Message UserMessage(std::string text);
Message AssistantMessage(std::string text);

}  // namespace troupe
