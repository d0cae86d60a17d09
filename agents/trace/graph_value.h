// Values of a traced program, with their types: a number stays a number and "False" is not false.
// Stateless functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "tools/base/json.h"

namespace troupe {

// Objects keep their keys in the order in which they came.
using OrderedJson = nlohmann::ordered_json;

// A list or an object, as the program has it. (A type of its own, since JSON is made of anything.)
struct GraphJson {
  OrderedJson value;
  // An object's keys may be in another order.
  friend bool operator==(const GraphJson& left, const GraphJson& right) {
    return left.value == right.value || Json(left.value) == Json(right.value);
  }
};

// The source of a function.
struct GraphCode {
  std::string text;
  friend bool operator==(const GraphCode&, const GraphCode&) = default;
};

// monostate is null.
using GraphValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, GraphJson, GraphCode>;

// What Python calls the type: NoneType, bool, int, float, str, list, dict; "code".
std::string_view TypeName(const GraphValue& value);

// As Python prints it (str): None, True, 1.0, text as it is, {'a': [1, 'b']}. What optimizers of
// the published form are shown.
std::string PythonText(const GraphValue& value);

// As JSON: text and code in quotes, numbers that JSON has not as text. What records and schemas
// have. Keys are sorted.
Json JsonOf(const GraphValue& value);

// The same as text, with keys in their order; with an indentation of so many blanks, or on one
// line.
std::string JsonText(const GraphValue& value, int indentation = -1);

// `value` with the keys of its objects in the order that they have in `example`; those that are not
// in it come last. A model's suggestion keeps the program's order so.
OrderedJson InOrderOf(const OrderedJson& example, const Json& value);

// How many bytes it takes, about.
size_t ValueBytes(const GraphValue& value);

}  // namespace troupe
