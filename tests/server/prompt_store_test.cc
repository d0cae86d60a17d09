// What the store keeps of prompts: versions and where they came from, promotions by a recorded win,
// the way back, prompts of users.
#include "server/store/prompt_store.h"

#include <gtest/gtest.h>

#include <fstream>

#include "server/store/schema.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"

namespace troupe {
namespace {

constexpr char kName[] = "test.greeting";

class PromptStoreTest : public testing::Test {
 protected:
  PromptStoreTest() {
    std::ofstream(folder_.path() / "greeting.md")
        << "+++\nname = \"test.greeting\"\n[[variables]]\nname = \"name\"\ntype = \"text\"\n"
           "required = true\n[[variables]]\nname = \"items\"\ntype = \"list\"\n+++\nHello {{name}}";
    EXPECT_TRUE(library_.LoadFolder(folder_.path()).ok());
  }

  std::string path() const { return (folder_.path() / "troupe.db").string(); }

  // What a server that starts now finds.
  void Start() {
    prompts_.reset();
    store_.reset();
    Store::Options options;
    options.path = path();
    store_ = *Store::Open(std::move(options));
    auto prompts = StoredPrompts::Load(&library_, store_.get());
    ASSERT_TRUE(prompts.ok()) << prompts.status();
    prompts_ = *std::move(prompts);
  }

  int AddVersion(const std::string& text, const std::string& name = kName) {
    PromptVersionRecord version;
    version.text = text;
    version.origin = "a test";
    version.task = "tasks/made-it";
    version.evaluation = "tasks/tried-it";
    const auto added = prompts_->Add(name, std::move(version));
    EXPECT_TRUE(added.ok()) << added.status();
    return added.ok() ? added->version : 0;
  }

  absl::StatusOr<PromptRecord> PromoteWithout(int version) {
    Promotion promotion;
    promotion.prompt = kName;
    promotion.version = version;
    promotion.reason = "said so";
    promotion.without_evidence = true;
    return prompts_->Promote(promotion);
  }

  static v1::PromptWin WinOf(const std::string& winner, const std::string& loser) {
    v1::PromptWin win;
    win.set_prompt(std::string("prompts/") + kName);
    win.set_winner_sha256(Sha256Hex(winner));
    win.set_loser_sha256(Sha256Hex(loser));
    win.set_items(10);
    win.set_wins(6);
    win.set_losses(1);
    win.set_ties(3);
    return win;
  }

  static absl::StatusOr<PromptRecord> PromoteBy(StoredPrompts& prompts, int version,
                                                std::vector<v1::PromptWin> wins) {
    Promotion promotion;
    promotion.prompt = kName;
    promotion.version = version;
    promotion.reason = "it won";
    promotion.evidence = "tasks/tried-it";
    promotion.wins = std::move(wins);
    return prompts.Promote(promotion);
  }

  std::string Rendered(const std::string& version = "") {
    const auto found = prompts_->Get(kName, version);
    EXPECT_TRUE(found.ok()) << found.status();
    return *found->compiled->Render({{"name", "Ada"}});
  }

  TempFolder folder_;
  PromptLibrary library_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<StoredPrompts> prompts_;
};

TEST_F(PromptStoreTest, VersionsKeepWhereTheyCameFrom) {
  Start();
  EXPECT_EQ(AddVersion("Dear {{name}}"), 2);
  Start();
  const auto record = prompts_->Find(kName);
  ASSERT_TRUE(record.ok());
  ASSERT_EQ(record->versions.size(), 2u);
  EXPECT_EQ(record->versions[0].origin, "file");
  const PromptVersionRecord& second = record->versions[1];
  EXPECT_EQ(second.text, "Dear {{name}}");
  EXPECT_EQ(second.parent_version, 1);
  EXPECT_EQ(second.task, "tasks/made-it");
  EXPECT_EQ(second.evaluation, "tasks/tried-it");
  EXPECT_EQ(second.sha256, Sha256Hex("Dear {{name}}"));
  EXPECT_EQ(record->active_version, 1);
}

TEST_F(PromptStoreTest, RefusesTextsThatAreNoNewVersion) {
  Start();
  PromptVersionRecord version;
  version.text = "Dear {{nmae}}";
  EXPECT_EQ(ReasonOf(prompts_->Add(kName, version).status()), Reason::kInvalidField);
  version.text = "{{name}} {{#each name}}{{/each}}";
  EXPECT_EQ(ReasonOf(prompts_->Add(kName, version).status()), Reason::kInvalidField);
  version.text = "Hello {{name}}";
  const absl::Status same = prompts_->Add(kName, version).status();
  EXPECT_EQ(ReasonOf(same), Reason::kAlreadyExists);
  EXPECT_EQ(MetadataOf(same)["name"], "prompts/test.greeting/versions/1");
}

TEST_F(PromptStoreTest, PromotesByTheWinOverTheActiveVersion) {
  Start();
  AddVersion("Dear {{name}}");
  AddVersion("My dear {{name}}");
  const std::string first = "Hello {{name}}";
  // Of another text, over another text, of another prompt, or no win at all.
  std::vector<v1::PromptWin> others = {WinOf("x", first), WinOf("Dear {{name}}", "x"),
                                       WinOf("Dear {{name}}", first),
                                       WinOf("Dear {{name}}", first)};
  others[2].set_prompt("prompts/test.other");
  others[3].set_losses(6);
  EXPECT_EQ(ReasonOf(PromoteBy(*prompts_, 2, others).status()), Reason::kNoRecordedWin);
  EXPECT_EQ(ReasonOf(PromoteBy(*prompts_, 2, {}).status()), Reason::kNoRecordedWin);
  EXPECT_EQ(Rendered(), "Hello Ada");
  ASSERT_TRUE(PromoteBy(*prompts_, 2, {WinOf("Dear {{name}}", first)}).ok());
  EXPECT_EQ(Rendered(), "Dear Ada");
  // It has to win over what is active now.
  EXPECT_EQ(ReasonOf(PromoteBy(*prompts_, 3, {WinOf("My dear {{name}}", first)}).status()),
            Reason::kNoRecordedWin);
  // Once more is no change.
  const auto again = PromoteBy(*prompts_, 2, {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->promotions.size(), 1u);
  Start();
  EXPECT_EQ(Rendered(), "Dear Ada");
  const auto record = prompts_->Find(kName);
  ASSERT_EQ(record->promotions.size(), 1u);
  EXPECT_EQ(record->promotions[0].previous_version, 1);
  EXPECT_EQ(record->promotions[0].evidence, "tasks/tried-it");
  ASSERT_TRUE(record->promotions[0].win.has_value());
  EXPECT_EQ(record->promotions[0].win->wins(), 6);
  EXPECT_FALSE(record->promotions[0].without_evidence);
}

TEST_F(PromptStoreTest, WithoutEvidenceIsRecordedAsSuch) {
  Start();
  AddVersion("Dear {{name}}");
  ASSERT_TRUE(PromoteWithout(2).ok());
  Start();
  const auto record = prompts_->Find(kName);
  EXPECT_TRUE(record->promotions[0].without_evidence);
  EXPECT_FALSE(record->promotions[0].win.has_value());
  EXPECT_EQ(record->active_version, 2);
}

TEST_F(PromptStoreTest, RollsBackStepByStep) {
  Start();
  EXPECT_EQ(ReasonOf(prompts_->Rollback(kName, "r", "").status()), Reason::kNothingToRollBack);
  AddVersion("Dear {{name}}");
  AddVersion("My dear {{name}}");
  ASSERT_TRUE(PromoteWithout(2).ok());
  ASSERT_TRUE(PromoteWithout(3).ok());
  EXPECT_EQ(ReasonOf(prompts_->Rollback(kName, "r", "1").status()), Reason::kEtagMismatch);
  EXPECT_EQ(prompts_->Rollback(kName, "it is worse", "")->active_version, 2);
  Start();  // the way back is known after a restart
  EXPECT_EQ(prompts_->Rollback(kName, "so is this", "")->active_version, 1);
  EXPECT_EQ(ReasonOf(prompts_->Rollback(kName, "r", "").status()), Reason::kNothingToRollBack);
  ASSERT_TRUE(PromoteWithout(3).ok());
  const auto back = prompts_->Rollback(kName, "again", "");
  EXPECT_EQ(back->active_version, 1);
  ASSERT_EQ(back->promotions.size(), 6u);
  EXPECT_TRUE(back->promotions[2].rollback);
  EXPECT_EQ(back->promotions[2].previous_version, 3);
  EXPECT_EQ(back->promotions[2].reason, "it is worse");
}

TEST_F(PromptStoreTest, UsersHavePromptsOfTheirOwn) {
  Start();
  const auto create = [this](const std::string& name, const std::string& text) {
    PromptDefinition prompt;
    prompt.name = name;
    prompt.description = "Answers";
    prompt.variables = {{"question", "What is asked", true, VariableType::kText},
                        {"hints", "", false, VariableType::kList}};
    PromptVersionRecord first;
    first.text = text;
    return prompts_->Create(std::move(prompt), std::move(first));
  };
  const std::string text = "Answer: {{question}}{{#each hints}} {{this}}{{/each}}";
  ASSERT_TRUE(create("quiz.answer", text).ok());
  EXPECT_EQ(ReasonOf(create("quiz.answer", text).status()), Reason::kAlreadyExists);
  EXPECT_EQ(ReasonOf(create("test.mine", text).status()), Reason::kInvalidField);
  EXPECT_EQ(ReasonOf(create("Quiz", text).status()), Reason::kInvalidField);
  EXPECT_EQ(MetadataOf(create("quiz.other", "no question").status())["field"], "template");
  prompts_->Reserve("solve");
  EXPECT_EQ(MetadataOf(create("solve.mine", text).status())["field"], "prompt_id");
  EXPECT_EQ(AddVersion("{{question}}", "quiz.answer"), 2);
  Start();
  const auto record = prompts_->Find("quiz.answer");
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_TRUE(record->custom);
  EXPECT_EQ(record->versions.size(), 2u);
  EXPECT_EQ(record->definition->variables[1].type, VariableType::kList);
  EXPECT_EQ(*prompts_->Get("quiz.answer", "1")
                 ->compiled->Render({{"question", "Why?"}, {"hints", {"a", "b"}}}),
            "Answer: Why? a b");
  EXPECT_FALSE(prompts_->Find(kName)->custom);
}

TEST_F(PromptStoreTest, OpensAStoreInWhichVersionsWereJson) {
  {
    const auto connection = Connection::Open(path(), Connection::Mode::kReadWrite);
    ASSERT_TRUE(MigrateTo(**connection, 4).ok());
    ASSERT_TRUE((*connection)
                    ->Execute("INSERT INTO prompt_versions VALUES ('test.greeting', 2, CAST("
                              "'{\"create_time\":1700000000000000,\"note\":\"n\",\"origin\":\"o\","
                              "\"parent_version\":1,\"text\":\"Dear \\u00e9 {{name}}\"}' AS BLOB));"
                              "INSERT INTO prompt_promotions (prompt, version, time, reason, "
                              "evidence) VALUES ('test.greeting', 2, 1, 'r', 'figures')")
                    .ok());
  }
  Start();
  EXPECT_EQ(Rendered(), "Dear é Ada");
  const auto record = prompts_->Find(kName);
  EXPECT_EQ(record->versions[1].note, "n");
  EXPECT_EQ(record->versions[1].origin, "o");
  EXPECT_EQ(absl::ToUnixMicros(record->versions[1].create_time), 1700000000000000);
  EXPECT_EQ(record->promotions[0].evidence, "figures");
  EXPECT_FALSE(record->promotions[0].win.has_value());
  EXPECT_EQ(prompts_->Rollback(kName, "back", "")->active_version, 1);
}

}  // namespace
}  // namespace troupe
