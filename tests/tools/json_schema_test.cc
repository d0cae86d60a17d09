#include "tools/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Problems(const Json& schema, const Json& value) {
  auto compiled = JsonSchema::Compile(schema);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return std::string(MessageOf(compiled->Validate(value)));
}

Json StepsSchema() {
  return Json::parse(R"({
    "type": "object",
    "properties": {
      "steps": {"type": "array", "minItems": 1, "items": {
        "type": "object",
        "properties": {"id": {"type": "string"}, "score": {"type": "number", "maximum": 10},
                       "kind": {"enum": ["qc", "plot"]}},
        "required": ["id"], "additionalProperties": false}}},
    "required": ["steps"]})");
}

TEST(JsonSchemaTest, AcceptsWhatFits) {
  EXPECT_EQ(Problems(StepsSchema(), {{"steps", {{{"id", "a"}, {"score", 3}}}}}), "");
  EXPECT_EQ(Problems(true, 3), "");
}

TEST(JsonSchemaTest, NamesThePlaceAndTheExpectation) {
  const Json value = {{"steps", {{{"id", "a"}}, {{"id", 7}}}}};
  const std::string problems = Problems(StepsSchema(), value);
  EXPECT_EQ(problems, "at $.steps[1].id: must be string, but is a number: 7");
}

TEST(JsonSchemaTest, NamesWhatIsMissingAndWhatIsTooMuch) {
  const Json value = {{"steps", {{{"name", "a"}}}}};
  const std::string problems = Problems(StepsSchema(), value);
  EXPECT_THAT(problems, HasSubstr("at $.steps[0]: "));
  EXPECT_THAT(problems, HasSubstr("'id'"));
  EXPECT_THAT(problems, HasSubstr("'name'"));
}

TEST(JsonSchemaTest, NamesTheValuesOfAnEnumeration) {
  const Json value = {{"steps", {{{"id", "a"}, {"kind", "dance"}}}}};
  EXPECT_THAT(Problems(StepsSchema(), value), HasSubstr(R"(one of ["qc","plot"])"));
}

TEST(JsonSchemaTest, DoesNotTakeTextForNumbers) {
  EXPECT_NE(Problems({{"type", "integer"}}, "3"), "");
}

TEST(JsonSchemaTest, SaysAtMostTenProblems) {
  Json value = {{"steps", Json::array()}};
  for (int i = 0; i < 50; ++i) value["steps"].push_back({{"id", i}});
  const std::string problems = Problems(StepsSchema(), value);
  EXPECT_EQ(std::count(problems.begin(), problems.end(), '\n'), 10);
  EXPECT_THAT(problems, HasSubstr("40 more"));
}

TEST(JsonSchemaTest, BoundsWhatItQuotes) {
  const Json value = {{"steps", std::string(100000, 'x')}};
  EXPECT_LT(Problems(StepsSchema(), value).size(), 1000u);
}

TEST(JsonSchemaTest, RefusesWhatIsNoSchema) {
  for (const Json& wrong : {Json(3), Json(nullptr), Json{{"type", "strnig"}},
                            Json{{"$ref", "http://127.0.0.1:1/x.json"}}, Json{{"properties", 3}}}) {
    const auto compiled = JsonSchema::Compile(wrong);
    ASSERT_FALSE(compiled.ok()) << wrong;
    EXPECT_TRUE(HasReason(compiled.status(), Reason::kInvalidField));
  }
}

TEST(JsonSchemaTest, PatternsAreMatchedInLinearTimeAndTold) {
  const auto schema = JsonSchema::Compile(
      Json::parse(R"({"type": "object", "properties": {"names": {"type": "array", "items":
                  {"type": "string", "pattern": "^(([a-z])+.?)+$"}}}})"));
  ASSERT_TRUE(schema.ok()) << schema.status();
  // A matcher that backtracks takes for ever, or overflows its stack.
  EXPECT_FALSE(schema->Validate({{"names", {std::string(60, 'a') + "!!"}}}).ok());
  EXPECT_TRUE(schema->Validate({{"names", {std::string(1'000'000, 'a')}}}).ok());
  const absl::Status wrong = schema->Validate({{"names", {"fine", "Not"}}});
  EXPECT_THAT(std::string(MessageOf(wrong)),
              HasSubstr(R"(at $.names[1]: must match the pattern ^(([a-z])+.?)+$, but is "Not")"));
}

TEST(JsonSchemaTest, PatternsThatStayInTheSchemaAreBounded) {
  const auto either = [](const std::string& pattern) {
    return JsonSchema::Compile(
        Json{{"anyOf", {{{"type", "integer"}}, {{"type", "string"}, {"pattern", pattern}}}}});
  };
  const auto schema = either("^[a-z]+$");
  ASSERT_TRUE(schema.ok()) << schema.status();
  EXPECT_TRUE(schema->Validate("abc").ok());
  EXPECT_FALSE(schema->Validate("a1").ok());
  EXPECT_FALSE(schema->Validate(std::string(1'000'000, 'a')).ok());
  EXPECT_TRUE(HasReason(either("^(a+)+$").status(), Reason::kInvalidField));
}

TEST(JsonSchemaTest, FormatsAreHintsAndHarmNobody) {
  const auto schema = JsonSchema::Compile({{"type", "string"}, {"format", "date"}});
  ASSERT_TRUE(schema.ok());
  EXPECT_TRUE(schema->Validate(std::string(1'000'000, '1')).ok());
}

TEST(JsonSchemaTest, ReferencesThatLeadBackAreRefused) {
  for (const char* text : {R"({"$ref": "#"})", R"({"allOf": [{"$ref": "#"}]})",
                           R"({"$ref": "#/definitions/a", "definitions": {
                               "a": {"anyOf": [{"$ref": "#/definitions/b"}]},
                               "b": {"not": {"$ref": "#/definitions/a"}}}})"}) {
    EXPECT_TRUE(HasReason(JsonSchema::Compile(Json::parse(text)).status(), Reason::kInvalidField))
        << text;
  }
  // A tree refers to itself one level down.
  const auto tree = JsonSchema::Compile(Json::parse(
      R"({"type": "object", "properties": {"left": {"$ref": "#"}, "leaf": {"type": "integer"}}})"));
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_TRUE(tree->Validate(Json::parse(R"({"left": {"left": {"leaf": 1}}})")).ok());
  EXPECT_FALSE(tree->Validate(Json::parse(R"({"left": {"left": {"leaf": "x"}}})")).ok());
}

}  // namespace
}  // namespace troupe
