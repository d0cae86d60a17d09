// Conversation: the messages said so far, as a list that shares its beginning with the lists it was
// made from. Copying one costs nothing however long it is, and what was worked out of a message
// before (the hash under which it is stored) is kept with it.
//
// Thread-compatible: a value; the messages themselves never change.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agents/models/message.h"
#include "tools/base/hash.h"
#include "tools/base/shared_text.h"

namespace troupe {

class Conversation {
 public:
  // One message and all before it.
  struct Node {
    Message message;
    std::shared_ptr<Node> previous;  // null at the first
    size_t size = 1;
    // Where the journal keeps this and all before it; empty: not worked out yet. Set by one thread
    // at a time, like everything of a task.
    mutable Hash stored_hash;
    // Tokens of this and all before it, as EstimateTokens counts; negative: not counted yet.
    mutable int64_t estimated_tokens = -1;
    // The latest request of the conversation as a codec printed it, with what it needs before the
    // messages and this and all before it in its first bytes, for the next request to begin with.
    // Which codec that was; null: not kept.
    mutable SharedText printed;
    mutable size_t printed_bytes = 0;
    mutable const void* printed_by = nullptr;
  };

  Conversation() = default;
  Conversation(std::initializer_list<Message> messages);
  Conversation(const Conversation&) = default;
  Conversation(Conversation&&) noexcept = default;
  Conversation& operator=(Conversation other) noexcept {
    std::swap(last_, other.last_);
    return *this;
  }
  ~Conversation();

  void push_back(Message message);
  void pop_back();
  bool empty() const { return last_ == nullptr; }
  size_t size() const { return last_ == nullptr ? 0 : last_->size; }
  const Message& back() const { return last_->message; }
  // The newest message with all before it; null if empty.
  const Node* last() const { return last_.get(); }

  // Where the journal keeps all of it; empty: not worked out yet, or nothing was said.
  Hash stored_hash() const;

  // From the first to the last. The pointers live as long as this or a copy does.
  std::vector<const Message*> InOrder() const;

 private:
  std::shared_ptr<Node> last_;
};

}  // namespace troupe
