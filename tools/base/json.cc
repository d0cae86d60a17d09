#include "tools/base/json.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace troupe {
namespace {

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
