// Values of traced programs: what C++ types become when they are recorded, and back. Stateless
// functions.
#pragma once

#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace troupe::v1 {
class GraphValue;
}  // namespace troupe::v1

namespace troupe::trace {

// The source of a function, which an optimizer may change and a Sandbox runs.
struct Code {
  std::string text;
  friend bool operator==(const Code&, const Code&) = default;
};

// monostate is null. What nlohmann::json makes of a type (vectors, maps, types with to_json) is a
// json.
using Value =
    std::variant<std::monostate, bool, int64_t, double, std::string, nlohmann::json, Code>;

template <typename T>
concept Textual = std::convertible_to<const T&, std::string_view>;

namespace internal {

template <typename T>
auto StoredOf() {
  if constexpr (std::is_same_v<T, bool>) {
    return bool();
  } else if constexpr (std::is_integral_v<T>) {
    return int64_t();
  } else if constexpr (std::is_floating_point_v<T>) {
    return double();
  } else if constexpr (Textual<T>) {
    return std::string();
  } else {
    return T();
  }
}

}  // namespace internal

// The type that a node has for a T: bool, int64_t, double, std::string, or T itself.
template <typename T>
using Stored = decltype(internal::StoredOf<std::remove_cvref_t<T>>());

template <typename T>
Value MakeValue(T&& given) {
  using Kept = Stored<T>;
  if constexpr (std::is_same_v<Kept, Code>) {
    return Value(std::in_place_type<Code>, std::forward<T>(given));
  } else if constexpr (std::is_constructible_v<Kept, T&&> &&
                       (std::is_arithmetic_v<Kept> || std::is_same_v<Kept, std::string>)) {
    return Value(std::in_place_type<Kept>, static_cast<Kept>(std::forward<T>(given)));
  } else {
    static_assert(
        std::is_constructible_v<nlohmann::json, T&&>,
        "a node's type is a truth value, a number, text, or one that nlohmann::json knows");
    return Value(std::in_place_type<nlohmann::json>, std::forward<T>(given));
  }
}

// Expects what MakeValue made of such a type; numbers become each other.
template <typename T>
T ReadValue(const Value& value) {
  if constexpr (std::is_arithmetic_v<T>) {
    if (const bool* truth = std::get_if<bool>(&value)) return static_cast<T>(*truth);
    if (const int64_t* whole = std::get_if<int64_t>(&value)) return static_cast<T>(*whole);
    return static_cast<T>(std::get<double>(value));
  } else if constexpr (std::is_same_v<T, Code>) {
    return std::get<Code>(value);
  } else if constexpr (Textual<T>) {
    return T(std::get<std::string>(value));
  } else {
    return std::get<nlohmann::json>(value).get<T>();
  }
}

// False, and `message` is as it was, for a number that is not finite where `finite` is asked for.
bool WriteValue(const Value& value, bool finite, v1::GraphValue& message);

// Reads a value that is to stand in the place of `current`: false, and that is as it was, if it is
// of another type. A whole number may stand for any number.
bool ReadInto(const v1::GraphValue& message, Value& current);

// The text, cut to so many bytes, with marks for what is no character.
std::string ValidText(std::string_view text, size_t most = SIZE_MAX);

// For people.
std::string TextOf(const v1::GraphValue& message);

}  // namespace troupe::trace
