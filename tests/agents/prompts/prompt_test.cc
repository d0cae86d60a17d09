#include <gtest/gtest.h>

#include "agents/cellagent/toolbox.h"
#include "agents/prompts/prompt_library.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

const DeclaredVariables kVariables = {{"name", {VariableType::kText}},
                                      {"items", {VariableType::kList}},
                                      {"flag", {VariableType::kBoolean}},
                                      {"thing", {VariableType::kObject}},
                                      {"count", {VariableType::kNumber}},
                                      {"must", {VariableType::kText, true}},
                                      {"data", {}}};

std::string Render(const std::string& text, const Json& values) {
  const auto parsed = PromptTemplate::Parse(text, kVariables);
  if (!parsed.ok()) return std::string(MessageOf(parsed.status()));
  const auto rendered = parsed->Render(values);
  return rendered.ok() ? *rendered : std::string(MessageOf(rendered.status()));
}

TEST(PromptTemplateTest, FillsVariablesListsAndConditions) {
  EXPECT_EQ(Render("Hello {{name}}, \\{{x}}", {{"name", "you"}}), "Hello you, {{x}}");
  EXPECT_EQ(Render("{{thing}}", {{"thing", {{"a", 1}}}}), "{\"a\":1}");
  EXPECT_EQ(
      Render("{{#each items}}<{{this.k}}>{{/each}}", {{"items", {{{"k", "a"}}, {{"k", "b"}}}}}),
      "<a><b>");
  EXPECT_EQ(Render("{{#if flag}}yes{{else}}no{{/if}}", {{"flag", false}}), "no");
  EXPECT_EQ(Render("{{#if name}}yes{{else}}no{{/if}}", {{"name", ""}}), "no");
  EXPECT_EQ(Render("{{#if items}}yes{{else}}no{{/if}}", {{"items", {1}}}), "yes");
  EXPECT_EQ(Render("{{#if flag}}yes{{else}}no{{/if}}", {{"flag", nullptr}}), "no");
  EXPECT_EQ(Render("a\n{{#if flag}}\nb\n{{/if}}\nc\n", {{"flag", true}}), "a\nb\nc\n");
}

TEST(PromptTemplateTest, ValuesAreNeverTakenForTemplates) {
  EXPECT_EQ(Render("{{name}}", {{"name", "{{items}} {{#if flag}}"}}), "{{items}} {{#if flag}}");
}

TEST(PromptTemplateTest, MistakesAreErrorsWithTheirPlace) {
  EXPECT_NE(Render("line\n  {{nmae}}", Json::object()).find("line 2, column 3"), std::string::npos);
  EXPECT_NE(Render("{{#if flag}}x", {{"flag", true}}).find("not closed"), std::string::npos);
  EXPECT_NE(Render("x{{/if}}", Json::object()).find("closes nothing"), std::string::npos);
  EXPECT_NE(Render("{{name", Json::object()).find("without }}"), std::string::npos);
  EXPECT_NE(Render("{{#while flag}}{{/while}}", Json::object()).find("no section"),
            std::string::npos);
  EXPECT_NE(Render("{{name}}", Json::object()).find("'name' is not given"), std::string::npos);
  EXPECT_NE(Render("{{name}}", {{"name", "x"}, {"other", 1}}).find("no variable 'other'"),
            std::string::npos);
  EXPECT_NE(Render("{{this.x}}", Json::object()).find("no variable"), std::string::npos);
}

TEST(PromptTemplateTest, ValuesHaveTheTypeThatIsDeclared) {
  EXPECT_EQ(Render("{{count}} {{flag}}", {{"count", 2.5}, {"flag", true}}), "2.5 true");
  EXPECT_EQ(Render("{{name}}", {{"name", 7}}),
            "the variable 'name' is declared as text and is given as number");
  EXPECT_EQ(Render("{{#each items}}{{/each}}", {{"items", "a"}}),
            "the variable 'items' is declared as list and is given as text");
  EXPECT_EQ(Render("{{must}}", {{"must", nullptr}}),
            "the variable 'must' is declared as text and is given as null");
  EXPECT_EQ(Render("{{data}}{{#each data}}{{this}}{{/each}}", {{"data", {1, 2}}}), "[1,2]12");
  // What the text does not use is checked too.
  EXPECT_EQ(Render("x", {{"thing", Json::array()}}),
            "the variable 'thing' is declared as object and is given as list");
}

TEST(PromptTemplateTest, OnlyListsAreGoneThrough) {
  EXPECT_EQ(Render("a\n {{#each name}}{{/each}}", {{"name", "x"}}),
            "line 2, column 2: 'name' is declared as text: each goes through a list");
}

TEST(PromptTemplateTest, SectionsDoNotNestForEver) {
  std::string deep;
  for (int i = 0; i < 20'000; ++i) deep += "{{#if flag}}";
  EXPECT_NE(Render(deep, {{"flag", true}}).find("at most 16 deep"), std::string::npos);
}

TEST(PromptLibraryTest, TheServersPromptsAndToolboxesLoad) {
  PromptLibrary library;
  const std::string root = TROUPE_SOURCE_DIR;
  ASSERT_TRUE(library.LoadFolder(root + "/agents/cellagent/prompts").ok());
  for (const char* role : {"planner", "tool_selector", "programmer", "repair", "evaluator",
                           "aggregator", "reporter"}) {
    EXPECT_TRUE(library.Get(std::string("cellagent.") + role, "").ok()) << role;
  }
  const auto toolbox = LoadToolbox(root + "/agents/cellagent/toolboxes/single_cell");
  ASSERT_TRUE(toolbox.ok()) << toolbox.status();
  EXPECT_NE(toolbox->FindStep("annotation"), nullptr);
  EXPECT_FALSE(LoadToolbox(root + "/agents").ok());
}

TEST(PromptLibraryTest, FilesAreChecked) {
  const std::string head = "+++\nname = \"a\"\n[[variables]]\nname = \"x\"\nrequired = true\n+++\n";
  const auto good = ParsePromptFile(head + "{{x}}", "f.md");
  ASSERT_TRUE(good.ok());
  EXPECT_TRUE(CompilePrompt(*good, good->text).ok());
  EXPECT_FALSE(CompilePrompt(*good, "x is not used").ok());
  EXPECT_FALSE(ParsePromptFile("no head", "f.md").ok());
  EXPECT_FALSE(ParsePromptFile("+++\nname = \"a\"\ncolour = 1\n+++\nx", "f.md").ok());
  EXPECT_FALSE(ParsePromptFile("+++\nname = \"A prompt\"\n+++\nx", "f.md").ok());
}

TEST(PromptLibraryTest, VariablesHaveTheTypeThatTheirFileSays) {
  const auto parsed = [](const std::string& lines) {
    return ParsePromptFile("+++\nname = \"a\"\n[[variables]]\n" + lines + "\n+++\nx", "f.md");
  };
  EXPECT_EQ(parsed("name = \"x\"")->variables[0].type, VariableType::kAny);
  EXPECT_EQ(parsed("name = \"x\"\ntype = \"list\"")->variables[0].type, VariableType::kList);
  EXPECT_EQ(MessageOf(parsed("name = \"x\"\ntype = \"map\"").status()),
            "f.md: the variable 'x' has the type 'map': give text, list, object, number, "
            "boolean or any");
  EXPECT_FALSE(parsed("name = \"x\"\ncolour = 1").ok());
  EXPECT_FALSE(parsed("name = \"this\"").ok());
  EXPECT_FALSE(parsed("name = \"x\"\n[[variables]]\nname = \"x\"").ok());
}

}  // namespace
}  // namespace troupe
