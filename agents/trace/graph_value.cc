#include "agents/trace/graph_value.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

namespace troupe {
namespace {

template <typename T, typename... Ts>
constexpr bool kIsOneOf = (std::is_same_v<T, Ts> || ...);

// The shortest digits that give the number again, as Python sets them: with a point always, with an
// exponent from 1e16 up and below 1e-4.
std::string PythonDouble(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  const double size = std::abs(number);
  const bool plain = size == 0 || (size < 1e16 && size >= 1e-4);
  std::array<char, 64> digits;
  const auto printed =
      std::to_chars(digits.data(), digits.data() + digits.size(), number,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(digits.data(), printed.ptr);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

// Text in quotes as Python prints it inside of a list.
std::string PythonQuoted(const std::string& text) {
  const bool single = text.find('\'') == std::string::npos || text.find('"') != std::string::npos;
  const char quote = single ? '\'' : '"';
  std::string out(1, quote);
  for (const char letter : text) {
    if (letter == '\n') {
      out += "\\n";
    } else if (letter == '\t') {
      out += "\\t";
    } else if (letter == '\r') {
      out += "\\r";
    } else if (letter == '\\' || letter == quote) {
      out += '\\';
      out += letter;
    } else if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
    } else {
      out += letter;
    }
  }
  return out + quote;
}

void AppendPython(const OrderedJson& value, std::string& out) {
  if (value.is_object()) {
    out += '{';
    for (auto member = value.begin(); member != value.end(); ++member) {
      if (member != value.begin()) out += ", ";
      out += PythonQuoted(member.key()) + ": ";
      AppendPython(member.value(), out);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (auto element = value.begin(); element != value.end(); ++element) {
      if (element != value.begin()) out += ", ";
      AppendPython(*element, out);
    }
    out += ']';
  } else if (value.is_string()) {
    out += PythonQuoted(value.get_ref<const std::string&>());
  } else if (value.is_boolean()) {
    out += value.get<bool>() ? "True" : "False";
  } else if (value.is_number_float()) {
    out += PythonDouble(value.get<double>());
  } else {
    out += value.is_null() ? "None" : value.dump();
  }
}

// Bytes that are not UTF-8 are replaced.
std::string DumpOrdered(const OrderedJson& value, int indentation) {
  return value.dump(indentation, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

std::string_view TypeName(const GraphValue& value) {
  struct Names {
    std::string_view operator()(std::monostate) const { return "NoneType"; }
    std::string_view operator()(bool) const { return "bool"; }
    std::string_view operator()(int64_t) const { return "int"; }
    std::string_view operator()(double) const { return "float"; }
    std::string_view operator()(const std::string&) const { return "str"; }
    std::string_view operator()(const GraphJson& json) const {
      return json.value.is_array() ? "list" : "dict";
    }
    std::string_view operator()(const GraphCode&) const { return "code"; }
  };
  return std::visit(Names{}, value);
}

std::string PythonText(const GraphValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* code = std::get_if<GraphCode>(&value)) return code->text;
  if (const auto* number = std::get_if<double>(&value)) return PythonDouble(*number);
  const auto* json = std::get_if<GraphJson>(&value);
  std::string out;
  AppendPython(json != nullptr ? json->value : OrderedJson(JsonOf(value)), out);
  return out;
}

Json JsonOf(const GraphValue& value) {
  return std::visit(
      [](const auto& held) -> Json {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::monostate>) return nullptr;
        if constexpr (std::is_same_v<Held, GraphJson>) return Json(held.value);
        if constexpr (std::is_same_v<Held, GraphCode>) return held.text;
        if constexpr (std::is_same_v<Held, double>) {
          if (!std::isfinite(held)) return PythonDouble(held);
        }
        if constexpr (kIsOneOf<Held, bool, int64_t, double, std::string>) return held;
      },
      value);
}

std::string JsonText(const GraphValue& value, int indentation) {
  const auto* json = std::get_if<GraphJson>(&value);
  return DumpOrdered(json != nullptr ? json->value : OrderedJson(JsonOf(value)), indentation);
}

OrderedJson InOrderOf(const OrderedJson& example, const Json& value) {
  if (value.is_array()) {
    OrderedJson list = OrderedJson::array();
    for (size_t i = 0; i < value.size(); ++i) {
      const bool known = example.is_array() && i < example.size();
      list.push_back(known ? InOrderOf(example[i], value[i]) : OrderedJson(value[i]));
    }
    return list;
  }
  if (!value.is_object() || !example.is_object()) return OrderedJson(value);
  OrderedJson object = OrderedJson::object();
  for (const auto& [key, inside] : example.items()) {
    const auto found = value.find(key);
    if (found != value.end()) object[key] = InOrderOf(inside, *found);
  }
  for (const auto& [key, inside] : value.items()) {
    if (!example.contains(key)) object[key] = OrderedJson(inside);
  }
  return object;
}

size_t ValueBytes(const GraphValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->size();
  if (const auto* code = std::get_if<GraphCode>(&value)) return code->text.size();
  if (const auto* json = std::get_if<GraphJson>(&value)) return DumpOrdered(json->value, -1).size();
  return sizeof(int64_t);
}

}  // namespace troupe
