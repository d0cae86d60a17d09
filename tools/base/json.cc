#include "tools/base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/base/error.h"

namespace troupe {
namespace {

constexpr int kMaxDepth = 128;

const Json* Member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view what) {
  bool too_deep = false;
  // A hostile nesting would overflow the stack when the value is destroyed or printed.
  const auto limit_depth = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) too_deep = true;
    return !too_deep;
  };
  try {
    Json value = Json::parse(text, limit_depth);
    if (too_deep) {
      return Error(Reason::kInvalidField,
                   fmt::format("{} is nested deeper than {} levels", what, kMaxDepth));
    }
    return value;
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
  const auto is_plain = [](unsigned char c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
  };
  if (!std::all_of(text.begin(), text.end(), is_plain)) {
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
