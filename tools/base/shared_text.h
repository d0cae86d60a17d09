// SharedText: text that several keep and nobody changes. Copies share it. A value: each object is
// for one thread at a time, the text itself for any.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace troupe {

class SharedText {
 public:
  SharedText() = default;
  // Where a text is wanted any string serves.
  SharedText(std::string text)  // NOLINT(google-explicit-constructor)
      : text_(std::make_shared<const std::string>(std::move(text))) {}

  std::string_view view() const { return text_ == nullptr ? std::string_view() : *text_; }
  bool empty() const { return view().empty(); }
  size_t size() const { return view().size(); }

 private:
  std::shared_ptr<const std::string> text_;
};

}  // namespace troupe
