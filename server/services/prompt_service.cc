#include "server/services/prompt_service.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "server/scheduler/resource_name.h"
#include "server/services/convert.h"
#include "server/services/list_page.h"
#include "server/services/unary.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/text_diff.h"

namespace troupe {
namespace {

constexpr size_t kMaxDescription = 1'000;
constexpr size_t kMaxOrigin = 200;
constexpr size_t kMaxNote = 1'000;
constexpr int kMaxVariables = 64;
constexpr std::string_view kActive = "active";

absl::Status Wrong(const std::string& field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what), {{"field", field}});
}

absl::Status CheckSize(const std::string& field, const std::string& value, size_t max) {
  if (value.size() <= max) return absl::OkStatus();
  return Wrong(field, fmt::format("at most {} bytes", max));
}

absl::Status CheckReason(const std::string& reason) {
  if (reason.empty()) return Wrong("reason", "say why, for the record");
  return CheckSize("reason", reason, kMaxNote);
}

absl::Status CheckTemplate(const std::string& text) {
  if (!text.empty() && text.size() <= kMaxPromptTemplate) return absl::OkStatus();
  return Wrong("template", "give 1 byte to 256 KiB");
}

v1::PromptVariable::Type TypeMessage(VariableType type) {
  switch (type) {
    case VariableType::kText:
      return v1::PromptVariable::TYPE_TEXT;
    case VariableType::kList:
      return v1::PromptVariable::TYPE_LIST;
    case VariableType::kObject:
      return v1::PromptVariable::TYPE_OBJECT;
    case VariableType::kNumber:
      return v1::PromptVariable::TYPE_NUMBER;
    case VariableType::kBoolean:
      return v1::PromptVariable::TYPE_BOOLEAN;
    case VariableType::kAny:
      return v1::PromptVariable::TYPE_UNSPECIFIED;
  }
  return v1::PromptVariable::TYPE_UNSPECIFIED;
}

absl::StatusOr<VariableType> TypeOf(v1::PromptVariable::Type type, const std::string& field) {
  switch (type) {
    case v1::PromptVariable::TYPE_UNSPECIFIED:
      return VariableType::kAny;
    case v1::PromptVariable::TYPE_TEXT:
      return VariableType::kText;
    case v1::PromptVariable::TYPE_LIST:
      return VariableType::kList;
    case v1::PromptVariable::TYPE_OBJECT:
      return VariableType::kObject;
    case v1::PromptVariable::TYPE_NUMBER:
      return VariableType::kNumber;
    case v1::PromptVariable::TYPE_BOOLEAN:
      return VariableType::kBoolean;
    default:
      return Wrong(field, "there is no such type");
  }
}

absl::StatusOr<std::vector<PromptVariable>> VariablesOf(
    const google::protobuf::RepeatedPtrField<v1::PromptVariable>& messages) {
  if (messages.size() > kMaxVariables) return Wrong("variables", "at most 64");
  std::vector<PromptVariable> variables;
  for (const v1::PromptVariable& message : messages) {
    const std::string field = fmt::format("variables[{}]", variables.size());
    PromptVariable variable;
    variable.name = message.name();
    variable.description = message.description();
    RETURN_IF_ERROR(CheckSize(field + ".description", variable.description, kMaxDescription));
    variable.required = message.required();
    ASSIGN_OR_RETURN(variable.type, TypeOf(message.type(), field + ".type"));
    variables.push_back(std::move(variable));
  }
  return variables;
}

template <typename Message>
void AddVariables(const PromptDefinition& prompt, Message& message) {
  for (const PromptVariable& variable : prompt.variables) {
    v1::PromptVariable* added = message.add_variables();
    added->set_name(variable.name);
    added->set_description(variable.description);
    added->set_required(variable.required);
    added->set_type(TypeMessage(variable.type));
  }
}

std::string VersionName(const PromptDefinition& prompt, int version) {
  return fmt::format("prompts/{}/versions/{}", prompt.name, version);
}

v1::PromptVersion VersionMessage(const PromptDefinition& prompt, const PromptVersionRecord& version,
                                 bool with_template) {
  v1::PromptVersion message;
  message.set_name(VersionName(prompt, version.version));
  message.set_version(version.version);
  if (with_template) {
    message.set_template_(version.text);
    AddVariables(prompt, message);
  }
  message.set_sha256(version.sha256);
  if (version.create_time != absl::InfinitePast()) {
    *message.mutable_create_time() = TimestampOf(version.create_time);
  }
  message.set_parent_version(version.parent_version);
  message.set_origin(version.origin);
  message.set_note(version.note);
  message.set_task(version.task);
  message.set_evaluation(version.evaluation);
  message.set_size_bytes(static_cast<int64_t>(version.text.size()));
  return message;
}

v1::PromptPromotion PromotionMessage(const PromotionRecord& promotion) {
  v1::PromptPromotion message;
  message.set_kind(promotion.rollback ? v1::PromptPromotion::KIND_ROLLBACK
                                      : v1::PromptPromotion::KIND_PROMOTION);
  message.set_version(promotion.version);
  message.set_previous_version(promotion.previous_version);
  *message.mutable_time() = TimestampOf(promotion.time);
  message.set_reason(promotion.reason);
  message.set_evidence(promotion.evidence);
  if (promotion.win.has_value()) *message.mutable_win() = *promotion.win;
  message.set_without_evidence(promotion.without_evidence);
  return message;
}

v1::Prompt PromptMessage(const PromptRecord& record, bool with_history) {
  v1::Prompt prompt;
  prompt.set_name("prompts/" + record.definition->name);
  prompt.set_description(record.definition->description);
  prompt.set_active_version(record.active_version);
  for (const PromptVersionRecord& version : record.versions) {
    const bool active = version.version == record.active_version;
    if (with_history || active) {
      *prompt.add_versions() = VersionMessage(*record.definition, version, active);
    }
  }
  prompt.set_etag(std::to_string(record.revision));
  if (with_history) {
    for (const PromotionRecord& promotion : record.promotions) {
      *prompt.add_promotions() = PromotionMessage(promotion);
    }
  }
  AddVariables(*record.definition, prompt);
  prompt.set_custom(record.custom);
  return prompt;
}

v1::DiffLine::Kind KindOf(char mark) {
  if (mark == '-') return v1::DiffLine::KIND_REMOVED;
  return mark == '+' ? v1::DiffLine::KIND_ADDED : v1::DiffLine::KIND_CONTEXT;
}

v1::DiffHunk HunkMessage(const DiffHunk& hunk) {
  v1::DiffHunk message;
  message.set_old_start(static_cast<int32_t>(hunk.before_line));
  message.set_old_lines(static_cast<int32_t>(hunk.before_count));
  message.set_new_start(static_cast<int32_t>(hunk.after_line));
  message.set_new_lines(static_cast<int32_t>(hunk.after_count));
  for (const DiffLine& line : hunk.lines) {
    v1::DiffLine* added = message.add_lines();
    added->set_kind(KindOf(line.mark));
    added->set_text(line.text);
  }
  return message;
}

// A name of a version taken apart.
struct VersionId {
  std::string prompt;
  int version = 0;  // 0: the active one
};

absl::StatusOr<VersionId> ParseVersionName(const std::string& name, const std::string& field) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  VersionId id;
  const bool shaped =
      parts.size() == 4 && parts[0] == "prompts" && !parts[1].empty() && parts[2] == "versions";
  if (shaped && parts[3] != kActive && absl::SimpleAtoi(parts[3], &id.version) && id.version > 0) {
    id.prompt = parts[1];
    return id;
  }
  if (shaped && parts[3] == kActive) return VersionId{parts[1], 0};
  return Wrong(
      field, fmt::format("'{}' is not of the form prompts/{{prompt}}/versions/{{version}}", name));
}

}  // namespace

absl::StatusOr<PromptServiceImpl::Named> PromptServiceImpl::FindVersion(
    const std::string& name, const std::string& field) const {
  ASSIGN_OR_RETURN(const VersionId id, ParseVersionName(name, field));
  Named named;
  ASSIGN_OR_RETURN(named.prompt, prompts_->Find(id.prompt));
  const int version = id.version == 0 ? named.prompt.active_version : id.version;
  if (static_cast<size_t>(version) > named.prompt.versions.size()) {
    return Error(
        Reason::kNotFound,
        fmt::format("there is no version {} of the prompt 'prompts/{}'", version, id.prompt),
        {{"name", name}, {"field", field}});
  }
  named.index = static_cast<size_t>(version) - 1;
  return named;
}

absl::Status PromptServiceImpl::CheckTask(const std::string& name, const std::string& field) const {
  if (name.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string task, ParseTaskName(name, field));
  const auto found = tasks_->Get(task);
  return found.ok() ? absl::OkStatus() : Annotate(found.status(), field);
}

absl::Status PromptServiceImpl::CheckGenuine(const std::string& task) const {
  ASSIGN_OR_RETURN(const std::string replaced, tasks_->ReplacedIn(task));
  if (replaced.empty()) return absl::OkStatus();
  const std::string name = "tasks/" + task;
  return Error(
      Reason::kNoRecordedWin,
      fmt::format("{} is a fork with a result that was put in another's place, that of {}: "
                  "what it shows is no win. Name a task in which all was performed",
                  name, replaced),
      {{"evidence", name}, {"path", replaced}});
}

grpc::ServerUnaryReactor* PromptServiceImpl::ListPrompts(Context* context,
                                                         const v1::ListPromptsRequest* request,
                                                         v1::ListPromptsResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    const auto add = [&](const PromptRecord& record) {
      *response->add_prompts() = PromptMessage(record, false);
    };
    ASSIGN_OR_RETURN(const std::string next,
                     ListPage(prompts_->List(), request->page_size(), request->page_token(),
                              *tokens_, "ListPrompts", add));
    response->set_next_page_token(next);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::GetPrompt(Context* context,
                                                       const v1::GetPromptRequest* request,
                                                       v1::GetPromptResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string name, ParseIn("prompts", request->name()));
    ASSIGN_OR_RETURN(const PromptRecord record, prompts_->Find(name));
    *response->mutable_prompt() = PromptMessage(record, true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::GetPromptVersion(
    Context* context, const v1::GetPromptVersionRequest* request,
    v1::GetPromptVersionResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const Named named, FindVersion(request->name(), "name"));
    *response->mutable_version() =
        VersionMessage(*named.prompt.definition, named.prompt.versions[named.index], true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::DiffPromptVersions(
    Context* context, const v1::DiffPromptVersionsRequest* request,
    v1::DiffPromptVersionsResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const Named a, FindVersion(request->name_a(), "name_a"));
    ASSIGN_OR_RETURN(const Named b, FindVersion(request->name_b(), "name_b"));
    const PromptVersionRecord& before = a.prompt.versions[a.index];
    const PromptVersionRecord& after = b.prompt.versions[b.index];
    response->set_unified(WholeUnifiedDiff(before.text, after.text,
                                           VersionName(*a.prompt.definition, before.version),
                                           VersionName(*b.prompt.definition, after.version)));
    for (const DiffHunk& hunk : DiffHunks(before.text, after.text)) {
      *response->add_hunks() = HunkMessage(hunk);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::CreatePrompt(Context* context,
                                                          const v1::CreatePromptRequest* request,
                                                          v1::CreatePromptResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    RETURN_IF_ERROR(CheckSize("description", request->description(), kMaxDescription));
    RETURN_IF_ERROR(CheckSize("origin", request->origin(), kMaxOrigin));
    RETURN_IF_ERROR(CheckSize("note", request->note(), kMaxNote));
    RETURN_IF_ERROR(CheckTemplate(request->template_()));
    PromptDefinition prompt;
    prompt.name = request->prompt_id();
    prompt.description = request->description();
    ASSIGN_OR_RETURN(prompt.variables, VariablesOf(request->variables()));
    PromptVersionRecord first;
    first.text = request->template_();
    first.origin = request->origin();
    first.note = request->note();
    ASSIGN_OR_RETURN(const PromptRecord record,
                     prompts_->Create(std::move(prompt), std::move(first)));
    *response->mutable_prompt() = PromptMessage(record, true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::CreatePromptVersion(
    Context* context, const v1::CreatePromptVersionRequest* request,
    v1::CreatePromptVersionResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string name, ParseIn("prompts", request->parent(), "parent"));
    RETURN_IF_ERROR(CheckTemplate(request->template_()));
    if (request->parent_version() < 0) return Wrong("parent_version", "must not be negative");
    RETURN_IF_ERROR(CheckSize("origin", request->origin(), kMaxOrigin));
    RETURN_IF_ERROR(CheckSize("note", request->note(), kMaxNote));
    RETURN_IF_ERROR(CheckTask(request->task(), "task"));
    RETURN_IF_ERROR(CheckTask(request->evaluation(), "evaluation"));
    PromptVersionRecord version;
    version.text = request->template_();
    version.parent_version = request->parent_version();
    version.origin = request->origin();
    version.note = request->note();
    version.task = request->task();
    version.evaluation = request->evaluation();
    ASSIGN_OR_RETURN(const PromptVersionRecord added, prompts_->Add(name, std::move(version)));
    ASSIGN_OR_RETURN(const PromptRecord record, prompts_->Find(name));
    *response->mutable_version() = VersionMessage(*record.definition, added, true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::PromotePrompt(Context* context,
                                                           const v1::PromotePromptRequest* request,
                                                           v1::PromotePromptResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const Named named, FindVersion(request->name(), "name"));
    RETURN_IF_ERROR(CheckReason(request->reason()));
    if (request->without_evidence() && !request->evidence().empty()) {
      return Wrong("evidence", "must be empty where without_evidence is set");
    }
    Promotion promotion;
    promotion.prompt = named.prompt.definition->name;
    promotion.version = named.prompt.versions[named.index].version;
    promotion.reason = request->reason();
    promotion.etag = request->etag();
    promotion.evidence = request->evidence();
    promotion.without_evidence = request->without_evidence();
    if (!promotion.evidence.empty()) {
      ASSIGN_OR_RETURN(const std::string task, ParseTaskName(promotion.evidence, "evidence"));
      const auto found = tasks_->Get(task);
      if (!found.ok()) return Annotate(found.status(), "evidence");
      v1::TaskResult result;  // of a task that has not ended: empty
      if (!result.ParseFromString(found->row.result)) {
        return Error(Reason::kStoreFailed,
                     fmt::format("the result of {} cannot be read", promotion.evidence));
      }
      promotion.wins.assign(result.wins().begin(), result.wins().end());
      if (!promotion.wins.empty()) RETURN_IF_ERROR(CheckGenuine(task));
    }
    ASSIGN_OR_RETURN(const PromptRecord record, prompts_->Promote(promotion));
    *response->mutable_prompt() = PromptMessage(record, true);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PromptServiceImpl::RollbackPrompt(
    Context* context, const v1::RollbackPromptRequest* request,
    v1::RollbackPromptResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string name, ParseIn("prompts", request->name()));
    RETURN_IF_ERROR(CheckReason(request->reason()));
    ASSIGN_OR_RETURN(const PromptRecord record,
                     prompts_->Rollback(name, request->reason(), request->etag()));
    *response->mutable_prompt() = PromptMessage(record, true);
    return absl::OkStatus();
  });
}

}  // namespace troupe
