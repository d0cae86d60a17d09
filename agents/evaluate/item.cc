#include "agents/evaluate/item.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr std::array kQuestionFields = {"question", "input", "prompt",
                                        "text",     "query", "instruction"};
constexpr std::array kAnswerFields = {"answer", "target",   "label",
                                      "output", "expected", "solution"};

bool Has(const std::vector<std::string>& known, std::string_view name) {
  return std::find(known.begin(), known.end(), name) != known.end();
}

template <typename Names>
std::string FirstOf(const Names& names, const std::vector<std::string>& known) {
  for (const char* name : names) {
    if (Has(known, name)) return name;
  }
  return "";
}

absl::Status CheckKnown(const std::string& name, std::string_view what,
                        const std::vector<std::string>& known) {
  if (name.empty() || Has(known, name)) return absl::OkStatus();
  return Error(
      Reason::kInvalidField,
      fmt::format("{}: no item has a field '{}': there are {}", what, name, fmt::join(known, ", ")),
      {{"field", std::string(what)}});
}

}  // namespace

absl::StatusOr<ItemFields> FindItemFields(const ItemFields& given,
                                          const std::vector<std::string>& known) {
  ItemFields found = given;
  RETURN_IF_ERROR(CheckKnown(given.question, "question_field", known));
  RETURN_IF_ERROR(CheckKnown(given.answer, "answer_field", known));
  if (found.question.empty()) found.question = FirstOf(kQuestionFields, known);
  if (found.answer.empty()) found.answer = FirstOf(kAnswerFields, known);
  if (found.question.empty()) {
    return Error(Reason::kInvalidField,
                 fmt::format("question_field: say which field is the question: there are {}",
                             fmt::join(known, ", ")),
                 {{"field", "question_field"}});
  }
  return found;
}

absl::StatusOr<Item> MakeItem(int32_t number, Json fields, const ItemFields& names) {
  Item item;
  item.number = number;
  item.id = FieldText(JsonMember(fields, "id"));
  if (item.id.empty()) item.id = std::to_string(number);
  item.question = FieldText(JsonMember(fields, names.question));
  if (item.question.empty()) {
    return Error(
        Reason::kInvalidField,
        fmt::format("item {}: its field '{}', the question, is empty", number, names.question),
        {{"item", std::to_string(number)}, {"field", names.question}});
  }
  if (!names.answer.empty()) item.answer = FieldText(JsonMember(fields, names.answer));
  item.answer_field = names.answer;
  item.fields = std::move(fields);
  return item;
}

std::string FieldText(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : DumpJson(value);
}

}  // namespace troupe
