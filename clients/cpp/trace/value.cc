#include "clients/cpp/trace/value.h"

#include <algorithm>
#include <cmath>

#include "troupe/v1/graph.pb.h"

namespace troupe::trace {

bool WriteValue(const Value& value, bool finite, v1::GraphValue& message) {
  if (const bool* truth = std::get_if<bool>(&value)) message.set_bool_value(*truth);
  if (const int64_t* whole = std::get_if<int64_t>(&value)) message.set_int_value(*whole);
  if (const double* number = std::get_if<double>(&value)) {
    if (finite && !std::isfinite(*number)) return false;
    message.set_double_value(*number);
  }
  if (const std::string* text = std::get_if<std::string>(&value))
    message.set_text(ValidText(*text));
  if (const Code* code = std::get_if<Code>(&value)) message.set_code(ValidText(code->text));
  if (const auto* json = std::get_if<nlohmann::json>(&value)) {
    const std::string text = json->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    json->is_structured() ? message.set_json(text) : message.set_text(text);
  }
  return true;
}

std::string ValidText(std::string_view text, size_t most) {
  std::string cut(text.substr(0, most));
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::all_of(cut.begin(), cut.end(), is_ascii)) return cut;
  using nlohmann::json;
  return json::parse(json(cut).dump(-1, ' ', false, json::error_handler_t::replace));
}

bool ReadInto(const v1::GraphValue& message, Value& current) {
  switch (message.kind_case()) {
    case v1::GraphValue::kBoolValue:
      if (!std::holds_alternative<bool>(current)) return false;
      current = message.bool_value();
      return true;
    case v1::GraphValue::kIntValue:
      if (std::holds_alternative<double>(current)) {
        current = static_cast<double>(message.int_value());
        return true;
      }
      if (!std::holds_alternative<int64_t>(current)) return false;
      current = int64_t{message.int_value()};
      return true;
    case v1::GraphValue::kDoubleValue:
      if (!std::holds_alternative<double>(current)) return false;
      current = message.double_value();
      return true;
    case v1::GraphValue::kText:
      if (!std::holds_alternative<std::string>(current)) return false;
      current = message.text();
      return true;
    case v1::GraphValue::kJson: {
      if (!std::holds_alternative<nlohmann::json>(current)) return false;
      auto read = nlohmann::json::parse(message.json(), nullptr, /*allow_exceptions=*/false);
      if (read.type() != std::get<nlohmann::json>(current).type()) return false;
      current = std::move(read);
      return true;
    }
    case v1::GraphValue::kCode:
      if (!std::holds_alternative<Code>(current)) return false;
      current = Code{message.code()};
      return true;
    case v1::GraphValue::KIND_NOT_SET:
      break;
  }
  return false;
}

std::string TextOf(const v1::GraphValue& message) {
  switch (message.kind_case()) {
    case v1::GraphValue::kBoolValue:
      return message.bool_value() ? "true" : "false";
    case v1::GraphValue::kIntValue:
      return std::to_string(message.int_value());
    case v1::GraphValue::kDoubleValue:
      return nlohmann::json(message.double_value()).dump();
    case v1::GraphValue::kText:
      return message.text();
    case v1::GraphValue::kJson:
      return message.json();
    case v1::GraphValue::kCode:
      return message.code();
    case v1::GraphValue::KIND_NOT_SET:
      break;
  }
  return "null";
}

}  // namespace troupe::trace
