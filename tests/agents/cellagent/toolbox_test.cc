#include "agents/cellagent/toolbox.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/json.h"

namespace troupe {
namespace {

// Runs code by Python with only `path` to find programs in, and reads the JSON that it prints.
Json RunProbe(const std::filesystem::path& folder, const std::string& path,
              const std::string& code) {
  const auto file = folder / "probe.py";
  std::ofstream(file) << code;
  const std::string command = "PATH=" + path + " /usr/bin/python3 " + file.string();
  FILE* pipe = popen(command.c_str(), "r");
  std::string text(1 << 16, '\0');
  text.resize(fread(text.data(), 1, text.size(), pipe));
  EXPECT_EQ(pclose(pipe), 0);
  const auto value = ParseJson(text, "what the probe prints");
  EXPECT_TRUE(value.ok()) << value.status() << text;
  return value.ok() ? *value : Json();
}

void WriteCard(const std::filesystem::path& folder, const std::string& name,
               const std::string& head) {
  std::ofstream(folder / "cards" / (name + ".md"))
      << "+++\nname = \"" << name << "\"\nbrief = \"b\"\n"
      << head << "\n+++\nHow to.\n";
}

class ToolboxTest : public testing::Test {
 protected:
  ToolboxTest() {
    std::filesystem::create_directory(folder_.path() / "cards");
    std::ofstream(folder_.path() / "code.py") << "print({})\n";
    std::ofstream(folder_.path() / "toolbox.toml")
        << "name = \"t\"\ndescribe = \"code.py\"\nfinish = \"code.py\"\n[[steps]]\nkind = \"s\"\n";
  }
  TempFolder folder_;
};

TEST_F(ToolboxTest, ProbesPythonModulesAndRPackages) {
  WriteCard(folder_.path(), "a", "requires = [\"json\", \"no_such_module\"]");
  WriteCard(folder_.path(), "b", "requires_r = [\"limma\", \"Seurat\"]");
  const auto toolbox = LoadToolbox(folder_.path());
  ASSERT_TRUE(toolbox.ok()) << toolbox.status();
  EXPECT_EQ(toolbox->cards[1].required, (std::vector<std::string>{"R:limma", "R:Seurat"}));

  // An R that has limma alone. It is given its packages after "--vanilla -e CODE".
  const auto programs = folder_.path() / "bin";
  std::filesystem::create_directory(programs);
  std::ofstream(programs / "Rscript")
      << "#!/bin/sh\nshift 3\nfor p in \"$@\"; do\n  if [ $p = limma ]; then echo \"$p TRUE \"; "
         "else echo \"$p FALSE \"; fi\ndone\n";
  std::filesystem::permissions(programs / "Rscript", std::filesystem::perms::owner_all);
  const Json found = RunProbe(folder_.path(), programs.string(), toolbox->ProbeCode());
  EXPECT_EQ(
      found,
      (Json{{"json", true}, {"no_such_module", false}, {"R:limma", true}, {"R:Seurat", false}}));

  const Json without_r = RunProbe(folder_.path(), "/nonexistent", toolbox->ProbeCode());
  EXPECT_EQ(without_r["R:limma"], false);
  EXPECT_EQ(without_r["json"], true);
}

TEST_F(ToolboxTest, AsksRNothingWhereNoCardNeedsIt) {
  WriteCard(folder_.path(), "a", "requires = [\"json\"]");
  const auto toolbox = LoadToolbox(folder_.path());
  ASSERT_TRUE(toolbox.ok()) << toolbox.status();
  EXPECT_EQ(toolbox->ProbeCode().find("Rscript"), std::string::npos);
}

TEST_F(ToolboxTest, RefusesWhatItDoesNotKnow) {
  WriteCard(folder_.path(), "a", "require = [\"json\"]");
  EXPECT_EQ(ReasonOf(LoadToolbox(folder_.path()).status()), Reason::kInvalidField);
  WriteCard(folder_.path(), "a", "steps = [\"no such step\"]");
  EXPECT_EQ(ReasonOf(LoadToolbox(folder_.path()).status()), Reason::kInvalidField);
}

// A card without a requirement would be offered where its tool is not installed.
TEST(ToolboxesTest, EveryCardOfOursSaysWhatItNeeds) {
  for (const char* name : {"single_cell", "tabular"}) {
    const auto folder =
        std::filesystem::path(TROUPE_SOURCE_DIR) / "agents/cellagent/toolboxes" / name;
    const auto toolbox = LoadToolbox(folder);
    ASSERT_TRUE(toolbox.ok()) << toolbox.status();
    EXPECT_FALSE(toolbox->cards.empty());
    for (const ToolCard& card : toolbox->cards) EXPECT_FALSE(card.required.empty()) << card.name;
    for (const std::string& file : toolbox->notebook_files) {
      EXPECT_TRUE(std::filesystem::exists(toolbox->lib() / file)) << file;
    }
  }
}

}  // namespace
}  // namespace troupe
