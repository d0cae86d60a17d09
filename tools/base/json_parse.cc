// Reading of JSON: by simdjson, which takes a fraction of the time of nlohmann's own parser, and by
// that where the two would not agree.

// As the library was built.
#ifndef SIMDJSON_THREADS_ENABLED
#define SIMDJSON_THREADS_ENABLED 1
#endif
#include <fmt/format.h>
#include <simdjson.h>

#include <optional>

#include "tools/base/error.h"
#include "tools/base/json.h"

namespace troupe {
namespace {

constexpr int kMaxDepth = 128;

// Texts up to this size are read by a parser that keeps its room for the next one.
constexpr size_t kSmall = 64 * 1024;

// Whether brackets nest deeper than kMaxDepth. Cheaper than to ask the parser, which would call
// back for every value. Of a text that is not JSON it may say anything: the parser refuses that.
bool IsTooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

// As nlohmann's parser makes it: numbers that are not negative are unsigned, and of two members
// with one name the last counts.
Json ValueOf(simdjson::dom::element element) {
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY: {
      const simdjson::dom::array items = element.get_array().value_unsafe();
      Json::array_t array;
      array.reserve(items.size());
      for (const simdjson::dom::element item : items) array.push_back(ValueOf(item));
      return array;
    }
    case simdjson::dom::element_type::OBJECT: {
      const simdjson::dom::object members = element.get_object().value_unsafe();
      Json::object_t object;
      for (const auto& [name, member] : members) {
        object.insert_or_assign(std::string(name), ValueOf(member));
      }
      return object;
    }
    case simdjson::dom::element_type::INT64: {
      const int64_t number = element.get_int64().value_unsafe();
      if (number < 0) return number;
      return static_cast<uint64_t>(number);
    }
    case simdjson::dom::element_type::UINT64:
      return element.get_uint64().value_unsafe();
    case simdjson::dom::element_type::DOUBLE:
      return element.get_double().value_unsafe();
    case simdjson::dom::element_type::STRING:
      return std::string(element.get_string().value_unsafe());
    case simdjson::dom::element_type::BOOL:
      return element.get_bool().value_unsafe();
    case simdjson::dom::element_type::NULL_VALUE:
      break;
  }
  return nullptr;
}

// Whether a half of a character is escaped, which simdjson takes by itself and nlohmann refuses.
bool HasEscapedSurrogate(std::string_view text) {
  for (size_t at = text.find("\\u"); at != text.npos; at = text.find("\\u", at + 1)) {
    if (at + 2 < text.size() && (text[at + 2] == 'd' || text[at + 2] == 'D')) return true;
  }
  return false;
}

// Nothing for what is left to nlohmann: what is no JSON, so that it says why, and what it takes
// otherwise or refuses, such as numbers beyond 64 bits.
std::optional<Json> ParseFast(std::string_view text) {
  if (HasEscapedSurrogate(text)) return std::nullopt;
  thread_local simdjson::dom::parser kept;
  simdjson::dom::parser passing;
  simdjson::dom::parser& parser = text.size() <= kSmall ? kept : passing;
  simdjson::dom::element root;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
  return ValueOf(root);
}

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view what) {
  // A hostile nesting would overflow the stack when the value is destroyed or printed.
  if (IsTooDeep(text)) {
    return Error(Reason::kInvalidField,
                 fmt::format("{} is nested deeper than {} levels", what, kMaxDepth));
  }
  if (auto parsed = ParseFast(text); parsed.has_value()) return *std::move(parsed);
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& e) {
    return Error(
        Reason::kInvalidField,
        fmt::format("{} is not JSON: it breaks off at byte {} of {}", what, e.byte, text.size()),
        {{"byte", std::to_string(e.byte)}});
  } catch (const Json::exception& e) {
    return Error(Reason::kInvalidField, fmt::format("{} is not JSON: {}", what, e.what()));
  }
}

}  // namespace troupe
