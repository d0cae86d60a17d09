// How what is said and done is stored: requests, replies and tool results as contents named by
// their hash, each part once. A conversation is a chain, every message naming the one before it, so
// that n turns cost O(n) bytes. Images are contents of their own. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <string>
#include <vector>

#include "agents/models/chat.h"
#include "agents/runtime/journal.h"
#include "tools/base/hash.h"
#include "tools/tool.h"

namespace troupe {

// A value as stored: `root` names the content to start from. A small one is in `root_bytes`, for
// the span that it belongs to; a large one, and all parts that spans may share, are in `contents`.
struct StoredValue {
  Hash root;
  std::string root_bytes;
  std::vector<Content> contents;
  Hash message;  // of a reply that was stored after its conversation: the message's hash
};

// Whether a content is in the store already, so that it need not be stored again.
using IsStoredFn = std::function<bool(const Hash& hash)>;

// Of a conversation, what is_stored does not know.
StoredValue StoreChatRequest(const ChatRequest& request, std::string_view role,
                             const IsStoredFn& is_stored);
// `conversation` is the hash of the last message that the model was sent: the reply's message is
// stored as the one after it, which the next request finds there. Empty: with the reply.
StoredValue StoreChatReply(const ChatReply& reply, const Hash& conversation = Hash());
absl::StatusOr<ChatReply> LoadChatReply(const Hash& root, const ReadContentFn& read);

// What a stored reply says, without what the backend tells of the call (its id, tokens, cost):
// equal for two calls that were answered alike.
absl::StatusOr<Json> LoadWhatWasReplied(const Hash& root, const ReadContentFn& read);

// What search finds a model call by: what was asked last, and the reply, as far as they are short.
std::string SearchText(const Message& asked, const Message& replied);
// The same of two messages as they are stored. kInvalidField if they are damaged. Equal to
// SearchText of the messages before they were stored if those were UTF-8.
absl::StatusOr<std::string> SearchTextOf(const std::string& asked, const std::string& replied);

StoredValue StoreToolRequest(std::string_view tool, std::string_view version,
                             const Json& arguments);
absl::StatusOr<Json> LoadToolArguments(const Hash& root, const ReadContentFn& read);
absl::StatusOr<std::string> LoadToolVersion(const Hash& root, const ReadContentFn& read);
StoredValue StoreToolResult(const ToolResult& result);
absl::StatusOr<ToolResult> LoadToolResult(const Hash& root, const ReadContentFn& read);

StoredValue StoreJson(const Json& value);
absl::StatusOr<Json> LoadJson(const Hash& root, const ReadContentFn& read);

// The stored value as one JSON document for people and exports: the chain of messages as a list;
// an image as {"image": {"media_type", "sha256", "bytes": n}}, or with its data in base64 if
// `with_images`. kInternal if a part is missing.
absl::StatusOr<Json> ExpandForReading(const Hash& root, const ReadContentFn& read,
                                      bool with_images);

}  // namespace troupe
