// Cutting text for people and prompts. Stateless functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

// At most `max_bytes` of `text`, never cutting a UTF-8 character in two. The first is part of
// `text`, the second a copy.
std::string_view Utf8Prefix(std::string_view text, size_t max_bytes);
std::string TruncateUtf8(std::string_view text, size_t max_bytes);

// "1 call", "3 calls".
std::string CountText(int64_t count, std::string_view noun);

// Whether all of `text` is well-formed UTF-8 (no surrogates, nothing longer than need be).
bool IsUtf8(std::string_view text);

// The head and the tail of a text that is over `max_bytes`, with a note between them of how many
// bytes were left out.
std::string Elide(std::string_view text, size_t max_bytes);

}  // namespace troupe
