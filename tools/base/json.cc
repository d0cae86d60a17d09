#include "tools/base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tools/base/error.h"

namespace troupe {
namespace {

constexpr int kMaxDepth = 128;

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

// Whether JSON has the text as it is: ASCII with nothing to escape. Eight bytes at a time.
bool IsPlain(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = 0x8080808080808080;
  // The high bit of a byte of the result is set if that byte is zero (or follows one that is).
  const auto zeros = [](uint64_t bytes) { return (bytes - kOnes) & ~bytes & kHighs; };
  uint64_t special = 0;
  for (size_t at = 0; at < text.size(); at += 8) {
    uint64_t bytes = kOnes * 'x';
    std::memcpy(&bytes, text.data() + at, std::min<size_t>(8, text.size() - at));
    special |= bytes & kHighs;                            // not ASCII
    special |= (bytes - kOnes * 0x20) & ~bytes & kHighs;  // control characters
    special |= zeros(bytes ^ kOnes * '"') | zeros(bytes ^ kOnes * '\\');
  }
  return special == 0;
}

const Json* Member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view what) {
  // A hostile nesting would overflow the stack when the value is destroyed or printed.
  if (IsTooDeep(text)) {
    return Error(Reason::kInvalidField,
                 fmt::format("{} is nested deeper than {} levels", what, kMaxDepth));
  }
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

std::string DumpJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void AppendJsonText(std::string& out, std::string_view text) {
  if (!IsPlain(text)) {
    out += DumpJson(Json(text));
    return;
  }
  out.reserve(out.size() + text.size() + 2);
  out += '"';
  out += text;
  out += '"';
}

std::string PrettyJson(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string JsonString(const Json& object, std::string_view key, std::string_view fallback) {
  const Json* member = Member(object, key);
  return member != nullptr && member->is_string() ? member->get<std::string>()
                                                  : std::string(fallback);
}

int64_t JsonInt(const Json& object, std::string_view key, int64_t fallback) {
  const Json* member = Member(object, key);
  if (member == nullptr || !member->is_number()) return fallback;
  if (member->is_number_integer()) return member->get<int64_t>();
  const double number = member->get<double>();
  return std::abs(number) < 9e18 ? static_cast<int64_t>(number) : fallback;
}

double JsonDouble(const Json& object, std::string_view key, double fallback) {
  const Json* member = Member(object, key);
  return member != nullptr && member->is_number() ? member->get<double>() : fallback;
}

bool JsonBool(const Json& object, std::string_view key, bool fallback) {
  const Json* member = Member(object, key);
  return member != nullptr && member->is_boolean() ? member->get<bool>() : fallback;
}

const Json& JsonMember(const Json& object, std::string_view key) {
  static const Json kNull;
  const Json* member = Member(object, key);
  return member != nullptr ? *member : kNull;
}

const Json& JsonObject(const Json& object, std::string_view key) {
  static const Json kEmpty = Json::object();
  const Json& member = JsonMember(object, key);
  return member.is_object() ? member : kEmpty;
}

const Json& JsonArray(const Json& object, std::string_view key) {
  static const Json kEmpty = Json::array();
  const Json& member = JsonMember(object, key);
  return member.is_array() ? member : kEmpty;
}

}  // namespace troupe
