// Values of a traced program, with their types: a number stays a number and "False" is not false.
// Stateless functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "tools/base/json.h"

namespace troupe {

// A list or an object. (A type of its own, since Json is made of anything.)
struct GraphJson {
  Json value;
  friend bool operator==(const GraphJson&, const GraphJson&) = default;
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
// have.
Json JsonOf(const GraphValue& value);

// How many bytes it takes, about.
size_t ValueBytes(const GraphValue& value);

}  // namespace troupe
