// What an MCP server says, made fit for a log line, an error or a question: bounded, without
// control characters, and without the secrets that the server was given. Stateless functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// At most `max_bytes` of `text`, never cutting a UTF-8 character in two; control characters other
// than newline and tab become '?'.
std::string PlainText(std::string_view text, size_t max_bytes);

// `text` with every occurrence of a secret replaced by "***". Secrets that are too short to be told
// from ordinary text are left.
std::string WithoutSecrets(std::string text, const std::vector<std::string>& secrets);

}  // namespace troupe
