#include "agents/models/conversation.h"

#include <utility>

namespace troupe {

Conversation::Conversation(std::initializer_list<Message> messages) {
  for (const Message& message : messages) push_back(message);
}

Conversation::~Conversation() {
  // One after another: as a chain of destructors a long conversation would exhaust the stack.
  while (last_ != nullptr && last_.use_count() == 1) last_ = std::move(last_->previous);
}

void Conversation::push_back(Message message) {
  auto node = std::make_shared<Node>();
  node->message = std::move(message);
  node->size = size() + 1;
  node->previous = std::move(last_);
  last_ = std::move(node);
}

void Conversation::pop_back() { last_ = std::shared_ptr<Node>(last_->previous); }

Hash Conversation::stored_hash() const { return last_ == nullptr ? Hash() : last_->stored_hash; }

std::vector<const Message*> Conversation::InOrder() const {
  std::vector<const Message*> messages(size());
  size_t at = messages.size();
  for (const Node* node = last_.get(); node != nullptr; node = node->previous.get()) {
    messages[--at] = &node->message;
  }
  return messages;
}

}  // namespace troupe
