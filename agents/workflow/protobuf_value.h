// google.protobuf.Value and Struct as JSON and back. Stateless functions.
#pragma once

#include <google/protobuf/struct.pb.h>

#include <map>
#include <string>

#include "tools/base/json.h"

namespace troupe {

// Numbers that are whole and exact become integers, so that they print as they were written.
Json JsonOf(const google::protobuf::Value& value);
Json JsonOf(const google::protobuf::Struct& value);
// An object; of a map's entries by name.
template <typename Map>
Json JsonOfEntries(const Map& entries) {
  Json object = Json::object();
  for (const auto& [name, value] : entries) object[name] = JsonOf(value);
  return object;
}

google::protobuf::Value ValueOf(const Json& json);

}  // namespace troupe
