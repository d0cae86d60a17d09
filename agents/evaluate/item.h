// Item: one question of a data set, with the answer that is expected of it. Stateless functions.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

struct Item {
  int32_t number = 0;  // its place in the data set, from 1
  std::string id;      // its own field "id", else its number
  Json fields;         // an object: all that the data set says of it
  std::string question;
  std::string answer;        // what is expected; empty: nothing certain
  std::string answer_field;  // the field that `answer` is from; empty: there is none
};

// Which fields of an item are its question and its answer.
struct ItemFields {
  std::string question;
  std::string answer;  // empty: items have none
};

// The fields as given, or where they are empty the first of those that data sets usually have:
// question, input, prompt, text, query, instruction; answer, target, label, output, expected,
// solution. `known` are all fields of the data set. kInvalidField if a field is not there, or no
// question is found.
absl::StatusOr<ItemFields> FindItemFields(const ItemFields& given,
                                          const std::vector<std::string>& known);

// `fields` is an object. kInvalidField if its question is missing or empty.
absl::StatusOr<Item> MakeItem(int32_t number, Json fields, const ItemFields& names);

// A value as the text that a model is shown: text as it is, null as "", anything else as JSON.
std::string FieldText(const Json& value);

}  // namespace troupe
