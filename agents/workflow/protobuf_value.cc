#include "agents/workflow/protobuf_value.h"

#include <cmath>

namespace troupe {
namespace {

constexpr double kExact = 9007199254740992;  // 2^53

}  // namespace

Json JsonOf(const google::protobuf::Value& value) {
  using google::protobuf::Value;
  switch (value.kind_case()) {
    case Value::kNumberValue: {
      const double number = value.number_value();
      if (std::trunc(number) == number && std::abs(number) < kExact) {
        return static_cast<int64_t>(number);
      }
      return number;
    }
    case Value::kStringValue:
      return value.string_value();
    case Value::kBoolValue:
      return value.bool_value();
    case Value::kStructValue:
      return JsonOf(value.struct_value());
    case Value::kListValue: {
      Json list = Json::array();
      for (const Value& each : value.list_value().values()) list.push_back(JsonOf(each));
      return list;
    }
    default:
      return nullptr;
  }
}

Json JsonOf(const google::protobuf::Struct& value) { return JsonOfEntries(value.fields()); }

google::protobuf::Value ValueOf(const Json& json) {
  google::protobuf::Value value;
  if (json.is_string()) {
    value.set_string_value(json.get<std::string>());
  } else if (json.is_boolean()) {
    value.set_bool_value(json.get<bool>());
  } else if (json.is_number()) {
    value.set_number_value(json.get<double>());
  } else if (json.is_array()) {
    auto& list = *value.mutable_list_value();
    for (const Json& each : json) *list.add_values() = ValueOf(each);
  } else if (json.is_object()) {
    auto& fields = *value.mutable_struct_value()->mutable_fields();
    for (const auto& [name, each] : json.items()) fields[name] = ValueOf(each);
  } else {
    value.set_null_value(google::protobuf::NULL_VALUE);
  }
  return value;
}

}  // namespace troupe
