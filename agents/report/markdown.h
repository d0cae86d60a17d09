// Text from models in a page of Markdown, shown as it is: no image, link or markup of it comes
// through. Stateless functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

// In a line.
std::string InlineText(std::string_view text, size_t max_bytes = 400);

// A block, in a fence that is longer than any in it.
std::string FencedText(std::string_view text, std::string_view language);

// "$0.0123"
std::string DollarText(int64_t microusd);

}  // namespace troupe
