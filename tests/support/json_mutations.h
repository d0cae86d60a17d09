// Every way in which one value of a JSON document can be of another kind than expected, for tests
// of what reads documents from outside.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

// Calls `use` with `document` changed in one place: each value, the whole one included, replaced by
// a value of every other kind, and each member taken away.
inline void ForEachMutation(const Json& document, const std::function<void(const Json&)>& use) {
  const std::vector<Json> strangers = {
      nullptr, true, -7, 1e300, "text", Json::array(), Json::array({nullptr}), Json::object()};
  std::vector<Json::json_pointer> places = {Json::json_pointer("")};
  for (size_t i = 0; i < places.size(); ++i) {
    const Json::json_pointer place = places[i];
    const Json& value = document.at(place);
    if (value.is_structured()) {
      for (const auto& [key, member] : value.items()) {
        places.push_back(value.is_array() ? place / std::stoul(key) : place / key);
      }
    }
    for (const Json& stranger : strangers) {
      Json changed = document;
      changed.at(place) = stranger;
      use(changed);
    }
    if (!place.empty() && document.at(place.parent_pointer()).is_object()) {
      Json changed = document;
      changed.at(place.parent_pointer()).erase(place.back());
      use(changed);
    }
  }
}

}  // namespace troupe
