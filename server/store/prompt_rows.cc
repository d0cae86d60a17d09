#include "server/store/prompt_rows.h"

#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int64_t kPromoted = 1;  // v1::PromptPromotion::Kind
constexpr int64_t kRolledBack = 2;

Json VariablesJson(const std::vector<PromptVariable>& variables) {
  Json list = Json::array();
  for (const PromptVariable& variable : variables) {
    list.push_back({{"name", variable.name},
                    {"description", variable.description},
                    {"type", VariableTypeName(variable.type)},
                    {"required", variable.required}});
  }
  return list;
}

std::vector<PromptVariable> VariablesOf(const Json& list) {
  std::vector<PromptVariable> variables;
  for (const Json& each : list) {
    PromptVariable variable;
    variable.name = JsonString(each, "name");
    variable.description = JsonString(each, "description");
    variable.required = JsonBool(each, "required");
    variable.type = VariableTypeNamed(JsonString(each, "type")).value_or(VariableType::kAny);
    variables.push_back(std::move(variable));
  }
  return variables;
}

}  // namespace

absl::Status InsertPrompt(Connection& connection, const PromptDefinition& prompt, absl::Time time) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO prompts (name, description, variables, "
                                      "create_time) VALUES (?, ?, ?, ?)"));
  insert.Bind(prompt.name).Bind(prompt.description);
  insert.Bind(DumpJson(VariablesJson(prompt.variables))).Bind(absl::ToUnixMicros(time));
  return insert.Run();
}

absl::StatusOr<std::vector<PromptDefinition>> ReadPrompts(Connection& connection) {
  ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare("SELECT name, description, variables FROM prompts ORDER BY name"));
  std::vector<PromptDefinition> prompts;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return prompts;
    PromptDefinition prompt;
    prompt.name = select.Text(0);
    prompt.description = select.Text(1);
    ASSIGN_OR_RETURN(const Json variables, ParseJson(select.Text(2), "a prompt's variables"));
    prompt.variables = VariablesOf(variables);
    prompts.push_back(std::move(prompt));
  }
}

absl::Status InsertVersion(Connection& connection, const std::string& prompt,
                           const PromptVersionRecord& version) {
  ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare("INSERT INTO prompt_versions (prompt, version, template, create_time, "
                         "parent_version, origin, note, task, evaluation) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.Bind(prompt).Bind(static_cast<int64_t>(version.version)).Bind(version.text);
  insert.Bind(absl::ToUnixMicros(version.create_time));
  insert.Bind(static_cast<int64_t>(version.parent_version));
  insert.Bind(version.origin).Bind(version.note).Bind(version.task).Bind(version.evaluation);
  return insert.Run();
}

absl::StatusOr<std::vector<NamedVersion>> ReadVersions(Connection& connection) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT prompt, version, template, create_time, "
                                      "parent_version, origin, note, task, evaluation "
                                      "FROM prompt_versions ORDER BY prompt, version"));
  std::vector<NamedVersion> versions;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return versions;
    PromptVersionRecord version;
    version.version = static_cast<int>(select.Int(1));
    version.text = select.Text(2);
    version.sha256 = Sha256Hex(version.text);
    version.create_time = absl::FromUnixMicros(select.Int(3));
    version.parent_version = static_cast<int>(select.Int(4));
    version.origin = select.Text(5);
    version.note = select.Text(6);
    version.task = select.Text(7);
    version.evaluation = select.Text(8);
    versions.emplace_back(select.Text(0), std::move(version));
  }
}

absl::Status InsertPromotion(Connection& connection, const std::string& prompt,
                             const PromotionRecord& promotion) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO prompt_promotions (prompt, version, time, "
                                      "reason, evidence, kind, win, without_evidence) "
                                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.Bind(prompt).Bind(static_cast<int64_t>(promotion.version));
  insert.Bind(absl::ToUnixMicros(promotion.time)).Bind(promotion.reason).Bind(promotion.evidence);
  insert.Bind(promotion.rollback ? kRolledBack : kPromoted);
  insert.BindBlob(promotion.win.has_value() ? promotion.win->SerializeAsString() : std::string());
  insert.Bind(static_cast<int64_t>(promotion.without_evidence));
  return insert.Run();
}

absl::StatusOr<std::vector<NamedPromotion>> ReadPromotions(Connection& connection) {
  ASSIGN_OR_RETURN(Statement select,
                   connection.Prepare("SELECT prompt, version, time, reason, evidence, kind, win, "
                                      "without_evidence FROM prompt_promotions ORDER BY id"));
  std::vector<NamedPromotion> promotions;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return promotions;
    PromotionRecord promotion;
    promotion.version = static_cast<int>(select.Int(1));
    promotion.time = absl::FromUnixMicros(select.Int(2));
    promotion.reason = select.Text(3);
    promotion.evidence = select.Text(4);
    promotion.rollback = select.Int(5) == kRolledBack;
    if (v1::PromptWin win; !select.Blob(6).empty() && win.ParseFromString(select.Blob(6))) {
      promotion.win = std::move(win);
    }
    promotion.without_evidence = select.Int(7) != 0;
    promotions.emplace_back(select.Text(0), std::move(promotion));
  }
}

}  // namespace troupe
