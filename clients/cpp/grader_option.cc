#include "clients/cpp/grader_option.h"

#include <CLI/CLI.hpp>
#include <set>

#include "clients/cpp/submit.h"

namespace troupe::client {
namespace {

double NumberOf(const std::string& text, const std::string& value) {
  double number = 0;
  if (value.empty()) return 0;
  if (!CLI::detail::lexical_cast(value, number)) {
    throw CLI::ValidationError(text, "give a number behind =");
  }
  return number;
}

}  // namespace

v1::Grader GraderOf(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string kind = text.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  static const std::set<std::string> kPlain = {"exact", "normalized", "contains"};
  if (equals != std::string::npos && kPlain.contains(kind)) {
    throw CLI::ValidationError(text, kind + " takes nothing behind it");
  }
  v1::Grader grader;
  if (kind == "exact") {
    grader.mutable_exact();
  } else if (kind == "normalized") {
    grader.mutable_normalized();
  } else if (kind == "contains") {
    grader.set_name("contains");
    grader.mutable_normalized()->set_contains(true);
  } else if (kind == "numeric") {
    grader.mutable_numeric()->set_absolute_tolerance(NumberOf(text, value));
  } else if (kind == "choice") {
    grader.mutable_choice()->set_choices(static_cast<int>(NumberOf(text, value)));
  } else if (kind == "regex") {
    grader.mutable_regex()->set_pattern(value);
  } else if (kind == "schema") {
    grader.mutable_json_schema()->set_schema(TextOrFile(value));
  } else if (kind == "code") {
    grader.mutable_code()->set_code(TextOrFile(value));
  } else if (kind == "tests") {
    grader.mutable_code()->set_tests_field(value);
  } else if (kind == "rubric") {
    grader.mutable_model()->set_rubric(TextOrFile(value));
  } else {
    throw CLI::ValidationError(
        text,
        "give exact, normalized, contains, numeric[=TOLERANCE], choice[=HOW_MANY], regex[=RE2], "
        "schema=FILE, code=FILE, tests=FIELD or rubric=TEXT");
  }
  return grader;
}

}  // namespace troupe::client
