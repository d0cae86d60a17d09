#include <gtest/gtest.h>

#include "agents/cellagent/toolbox.h"
#include "agents/prompts/prompt_library.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

const std::set<std::string> kVariables = {"name", "items", "flag"};

std::string Render(const std::string& text, const Json& values) {
  const auto parsed = PromptTemplate::Parse(text, kVariables);
  if (!parsed.ok()) return std::string(MessageOf(parsed.status()));
  const auto rendered = parsed->Render(values);
  return rendered.ok() ? *rendered : std::string(MessageOf(rendered.status()));
}

TEST(PromptTemplateTest, FillsVariablesListsAndConditions) {
  EXPECT_EQ(Render("Hello {{name}}, \\{{x}}", {{"name", "you"}}), "Hello you, {{x}}");
  EXPECT_EQ(Render("{{name}}", {{"name", {{"a", 1}}}}), "{\"a\":1}");
  EXPECT_EQ(
      Render("{{#each items}}<{{this.k}}>{{/each}}", {{"items", {{{"k", "a"}}, {{"k", "b"}}}}}),
      "<a><b>");
  EXPECT_EQ(Render("{{#if flag}}yes{{else}}no{{/if}}", {{"flag", ""}}), "no");
  EXPECT_EQ(Render("{{#if flag}}yes{{else}}no{{/if}}", {{"flag", {1}}}), "yes");
  EXPECT_EQ(Render("a\n{{#if flag}}\nb\n{{/if}}\nc\n", {{"flag", true}}), "a\nb\nc\n");
}

TEST(PromptTemplateTest, ValuesAreNeverTakenForTemplates) {
  EXPECT_EQ(Render("{{name}}", {{"name", "{{items}} {{#if flag}}"}}), "{{items}} {{#if flag}}");
}

TEST(PromptTemplateTest, MistakesAreErrorsWithTheirPlace) {
  EXPECT_NE(Render("line\n  {{nmae}}", Json::object()).find("line 2, column 3"), std::string::npos);
  EXPECT_NE(Render("{{#if flag}}x", {{"flag", 1}}).find("not closed"), std::string::npos);
  EXPECT_NE(Render("x{{/if}}", Json::object()).find("closes nothing"), std::string::npos);
  EXPECT_NE(Render("{{name", Json::object()).find("without }}"), std::string::npos);
  EXPECT_NE(Render("{{#while flag}}{{/while}}", Json::object()).find("no section"),
            std::string::npos);
  EXPECT_NE(Render("{{name}}", Json::object()).find("'name' is not given"), std::string::npos);
  EXPECT_NE(Render("{{name}}", {{"name", "x"}, {"other", 1}}).find("no variable 'other'"),
            std::string::npos);
  EXPECT_NE(Render("{{this.x}}", Json::object()).find("no variable"), std::string::npos);
}

TEST(PromptLibraryTest, TheServersPromptsAndToolboxesLoad) {
  PromptLibrary library;
  const std::string root = TROUPE_SOURCE_DIR;
  ASSERT_TRUE(library.LoadFolder(root + "/agents/cellagent/prompts").ok());
  for (const char* role :
       {"planner", "tool_selector", "programmer", "evaluator", "aggregator", "reporter"}) {
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
}

}  // namespace
}  // namespace troupe
