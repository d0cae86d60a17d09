#include "agents/runtime/permissions.h"

#include <gtest/gtest.h>

#include "agents/runtime/approval.h"
#include "tools/base/error.h"

namespace troupe {
namespace {

PermissionRules Rules(std::vector<PermissionRule> rules) {
  return *PermissionRules::Compile(std::move(rules), "rules");
}

ToolSpec Spec(const std::string& name) {
  ToolSpec spec;
  spec.name = name;
  spec.version = "1";
  spec.arguments_schema = Json::parse(
      R"({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]})");
  return spec;
}

TEST(PatternTest, StarsStandForAnyLettersAndMarksForOne) {
  EXPECT_TRUE(MatchesPattern("*", ""));
  EXPECT_TRUE(MatchesPattern("files.*", "files.read"));
  EXPECT_TRUE(MatchesPattern("*.r?ad", "files.read"));
  EXPECT_TRUE(MatchesPattern("*a*b*", "xaxbx"));
  EXPECT_TRUE(MatchesPattern("a*b", "ab"));
  EXPECT_FALSE(MatchesPattern("files.*", "file.read"));
  EXPECT_FALSE(MatchesPattern("files", "files.read"));
  EXPECT_FALSE(MatchesPattern("a*b", "abc"));
  EXPECT_FALSE(MatchesPattern("?", ""));
  // Many stars are no reason to be slow.
  EXPECT_FALSE(MatchesPattern("*a*a*a*a*a*a*a*b", std::string(64, 'a')));
}

TEST(PermissionsTest, FirstRuleThatFitsDecides) {
  const PermissionRules rules = Rules({
      {Permission::kAllow, "files.*", {"reader"}, nullptr, ""},
      {Permission::kDeny,
       "files.*",
       {},
       Json::parse(R"({"properties": {"path": {"pattern": "^/etc"}}, "required": ["path"]})"),
       "not there"},
      {Permission::kAsk, "*", {}, nullptr, ""},
  });
  const Json etc = {{"path", "/etc/passwd"}};
  EXPECT_EQ(rules.FirstFor("reader", "files.read", etc)->permission, Permission::kAllow);
  EXPECT_EQ(rules.FirstFor("writer", "files.read", etc)->reason, "not there");
  EXPECT_EQ(rules.FirstFor("writer", "files.read", {{"path", "/tmp"}})->permission,
            Permission::kAsk);
  EXPECT_EQ(rules.FirstFor("", "python", Json::object())->permission, Permission::kAsk);
}

TEST(PermissionsTest, AnnotationsDecideWhereNoRuleDoes) {
  const PermissionPolicy none;
  ToolSpec spec = Spec("erase");
  EXPECT_EQ(Judge(none, {}, spec, "a", {}).permission, Permission::kAllow);
  spec.needs_approval = true;
  EXPECT_EQ(Judge(none, {}, spec, "a", {}).permission, Permission::kAsk);
  spec.needs_approval = false;
  spec.destructive = true;
  EXPECT_EQ(Judge(none, {}, spec, "a", {}).permission, Permission::kAsk);
  const PermissionRules allow = Rules({{Permission::kAllow, "erase", {}, nullptr, ""}});
  EXPECT_EQ(Judge(none, allow, spec, "a", {}).permission, Permission::kAllow);
}

TEST(PermissionsTest, TaskMayTightenAndLoosenOnlyWhereItMay) {
  const ToolSpec spec = Spec("t");
  constexpr Permission kAll[] = {Permission::kAllow, Permission::kAsk, Permission::kDeny};
  for (const Permission of_server : kAll) {
    for (const Permission of_task : kAll) {
      const PermissionRules task = Rules({{of_task, "t", {}, nullptr, "task"}});
      PermissionPolicy server{Rules({{of_server, "*", {}, nullptr, "server"}}), false};
      EXPECT_EQ(Judge(server, task, spec, "a", {}).permission, std::max(of_server, of_task));
      server.tasks_may_loosen = true;
      EXPECT_EQ(Judge(server, task, spec, "a", {}).permission, of_task);
    }
  }
}

TEST(PermissionsTest, WrongRulesAreNamed) {
  const auto field = [](PermissionRule rule) {
    return MetadataOf(PermissionRules::Compile({{}, std::move(rule)}, "spec.permissions").status())
        .at("field");
  };
  EXPECT_EQ(field({Permission::kAsk, "Bad Tool", {}, nullptr, ""}), "spec.permissions[1].tool");
  EXPECT_EQ(field({Permission::kAsk, "*", {}, Json{{"type", 7}}, ""}),
            "spec.permissions[1].arguments_schema");
}

TEST(ApprovalTest, TakesDecisionsThatFitTheCallAndNoOthers) {
  const Question question =
      ApprovalQuestion(Spec("erase"), "solver", {{"path", "/tmp/x"}}, "It is gone then.");
  EXPECT_EQ(question.prompt,
            "May the agent 'solver' call erase? It is gone then.\n{\n  \"path\": \"/tmp/x\"\n}");
  for (const char* good :
       {R"("approve")", R"("deny")", R"("approve_all")", R"({"decision": "deny", "reason": "no"})",
        R"({"decision": "edit", "arguments": {"path": "/tmp/y"}})",
        R"({"decision": "approve_all", "matching": {"required": ["path"]}})"}) {
    EXPECT_TRUE(CheckAnswer(question, Json::parse(good)).ok()) << good;
  }
  for (const char* bad :
       {R"("yes")", R"("edit")", "7", "null", "[]", "{}", R"({"decision": "edit"})",
        R"({"decision": "edit", "arguments": {"path": 7}})",
        R"({"decision": "edit", "arguments": {}})",
        R"({"decision": "approve", "arguments": {"path": "/tmp/y"}})",
        R"({"decision": "deny", "reason": 7})",
        R"({"decision": "approve_all", "matching": {"type": 7}})"}) {
    EXPECT_FALSE(CheckAnswer(question, Json::parse(bad)).ok()) << bad;
    // What is no decision never approves, should it come from a damaged record.
    EXPECT_FALSE(GrantOf(question, Json::parse(bad)).has_value() &&
                 !Json::parse(bad).contains("matching"))
        << bad;
  }
  EXPECT_EQ(ParseApproval("nonsense").decision, Approval::Decision::kDeny);
}

TEST(ApprovalTest, GrantCoversItsToolAndVersionAndArguments) {
  const Question question = ApprovalQuestion(Spec("erase"), "solver", {{"path", "/tmp/x"}}, "");
  EXPECT_FALSE(GrantOf(question, "approve").has_value());
  const auto all = GrantOf(question, "approve_all");
  ASSERT_TRUE(all.has_value());
  EXPECT_TRUE(all->Covers("erase", "1", {{"path", "/etc"}}));
  EXPECT_FALSE(all->Covers("erase", "2", {{"path", "/etc"}}));
  EXPECT_FALSE(all->Covers("other", "1", {{"path", "/etc"}}));
  const Json matching = {
      {"decision", "approve_all"},
      {"matching", {{"properties", {{"path", {{"pattern", "^/tmp"}}}}}, {"required", {"path"}}}}};
  const auto some = GrantOf(question, matching);
  ASSERT_TRUE(some.has_value());
  EXPECT_TRUE(some->Covers("erase", "1", {{"path", "/tmp/y"}}));
  EXPECT_FALSE(some->Covers("erase", "1", {{"path", "/etc"}}));
}

}  // namespace
}  // namespace troupe
