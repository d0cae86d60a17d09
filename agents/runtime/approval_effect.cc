// What a task's permissions make of a call before it is made: the rules, leave that a person gave
// for the rest of the task, and the question.
#include <fmt/format.h>

#include <asio/post.hpp>

#include "agents/runtime/approval.h"
#include "agents/runtime/permissions.h"
#include "agents/runtime/scope.h"
#include "agents/runtime/scope_node.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

std::string Refusal(std::string_view tool, const std::string& reason) {
  return fmt::format(
      "The call of {} was not made: the task's permissions do not allow it{}. The same call will "
      "not be allowed later: go on in another way, or without it.",
      tool, reason.empty() ? "" : fmt::format(" ({})", reason));
}

std::string Denial(std::string_view tool, const std::string& reason) {
  return reason.empty()
             ? fmt::format("The call of {} was not made: a person decided against it.", tool)
             : fmt::format("The call of {} was not made: a person decided against it and says: {}",
                           tool, reason);
}

// What a question is answered with when the answer to another one covers its call.
Json ApprovedWithAnother() {
  return {{"decision", "approve"},
          {"reason", "approved for the rest of the task with another call"}};
}

}  // namespace

std::string ToolChanged(std::string_view tool) {
  return fmt::format(
      "The call of {} was not made: the tool was changed after it had been decided on. Call it "
      "again.",
      tool);
}

Async<Scope::Permit> Scope::PermitCall(std::string name, std::string tool_name, std::string role,
                                       Json arguments) const {
  TaskRun& run = *node_->run;
  const auto called = run.services().tools->Find(tool_name);
  const ToolSpec* const tool = called.ok() ? &(*called)->spec() : nullptr;
  const std::string question_name = name + ".approval";
  const SpanRecord* const asked = run.Recorded(node_->ChildPath(question_name));
  const SpanRecord* const call = run.Recorded(node_->ChildPath(name));
  const bool ended =
      call != nullptr && call->end_sequence != 0 && call->state != SpanState::kCancelled;
  Permit permit;
  permit.arguments = std::move(arguments);
  if (tool != nullptr) permit.version = tool->version;
  Question question;
  if (asked != nullptr) {
    CO_ASSIGN_OR_RETURN(const Json request,
                        LoadJson(asked->request_hash, ReadOf(*asked, run.reader())));
    question = QuestionOf(request);
    if (tool != nullptr && !AsksAbout(question, tool->name, permit.arguments)) {
      co_return Error(
          Reason::kDivergence,
          fmt::format("a person was asked about another call at '{}' than the task makes "
                      "now: {}",
                      asked->path, DumpJson(permit.arguments)),
          {{"path", asked->path}});
    }
  } else {
    // What an earlier life did stands; whom nobody would call needs no leave; and what the tool
    // does not take is told to the agent, not asked about.
    const bool decided = ended || run.options().mode == RunMode::kReplayOnly || tool == nullptr ||
                         !run.services().tools->CheckArguments(tool_name, permit.arguments).ok();
    if (decided) co_return permit;
    const Verdict verdict = run.JudgeCall(*tool, role, permit.arguments);
    if (verdict.permission == Permission::kDeny) {
      permit.attribution = "refused";
      permit.refusal = Refusal(tool->name, verdict.reason);
      co_return permit;
    }
    if (verdict.permission == Permission::kAllow) co_return permit;
    if (run.HasGrant(tool->name, tool->version, permit.arguments)) {
      permit.attribution = "granted";
      co_return permit;
    }
    question = ApprovalQuestion(*tool, role, permit.arguments, verdict.reason);
  }
  CO_ASSIGN_OR_RETURN(const Json answer, co_await AskForApproval(question_name, question));
  const Approval approval = ParseApproval(answer);
  if (approval.decision == Approval::Decision::kDeny) {
    permit.attribution = "denied";
    permit.refusal = Denial(tool_name, approval.reason);
    co_return permit;
  }
  permit.attribution = "approved";
  if (approval.decision == Approval::Decision::kEdit) {
    permit.attribution = "edited";
    permit.arguments = approval.arguments;
    permit.note = fmt::format("[A person changed the arguments of this call to {}{}]",
                              DumpJson(approval.arguments),
                              approval.reason.empty() ? "" : " and says: " + approval.reason);
  }
  if (ended || run.options().mode == RunMode::kReplayOnly) co_return permit;
  // While a person thought, the tool may have become another, and the server's rules too.
  const auto current = run.services().tools->Find(tool_name);
  if (current.ok()) permit.version = (*current)->spec().version;
  if (current.ok() && (*current)->spec().version != JsonString(question.detail, "version")) {
    permit.attribution = "refused";
    permit.refusal = ToolChanged(tool_name);
  } else if (current.ok()) {
    const Verdict verdict = run.JudgeCall((*current)->spec(), role, permit.arguments);
    if (verdict.permission == Permission::kDeny) {
      permit.attribution = "refused";
      permit.refusal = Refusal(tool_name, verdict.reason);
    }
  }
  co_return permit;
}

Async<Json> Scope::AskForApproval(std::string name, Question question) const {
  TaskRun& run = *node_->run;
  const SpanRecord* const asked = run.Recorded(node_->ChildPath(name));
  const std::string tool = JsonString(question.detail, "tool");
  const std::string version = JsonString(question.detail, "version");
  if (asked != nullptr && asked->end_sequence == 0 &&
      run.HasGrant(tool, version, JsonMember(question.detail, "arguments"))) {
    // The server stopped between the answer that covers this call and the one given for it.
    asio::post(run.strand(), [shared = node_->run, path = asked->path] {
      shared->Answer(path, ApprovedWithAnother(), nullptr).IgnoreError();
    });
  }
  CO_ASSIGN_OR_RETURN(Json answer, co_await Ask(name, question));
  if (auto grant = GrantOf(question, answer); grant.has_value()) {
    // Whoever waits with another call that the answer is meant for need not be answered again.
    for (const PendingQuestion& pending : run.Pending()) {
      const Json& detail = pending.question.detail;
      if (pending.question.kind != QuestionKind::kApproval ||
          !grant->Covers(JsonString(detail, "tool"), JsonString(detail, "version"),
                         JsonMember(detail, "arguments"))) {
        continue;
      }
      run.Answer(pending.path, ApprovedWithAnother(), nullptr).IgnoreError();
    }
    run.AddGrant(*std::move(grant));
  }
  co_return answer;
}

}  // namespace troupe
