// The effect of calling a tool.
#include <fmt/format.h>

#include "agents/runtime/scope.h"
#include "agents/runtime/scope_node.h"
#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

constexpr size_t kMaxSearchText = 16 * 1024;

std::string SearchText(const Json& arguments, const ToolResult& result) {
  std::string text = TruncateUtf8(DumpJson(arguments), kMaxSearchText / 2);
  for (const ToolContent& part : result.content) {
    if (const auto* shown = std::get_if<ToolText>(&part)) text += "\n" + shown->text;
  }
  return TruncateUtf8(text, kMaxSearchText);
}

// Puts a note for the agent before what the tool shows.
void AddNote(const std::string& note, ToolResult& result) {
  if (result.content.empty()) result.content.push_back(ToolText{PrettyJson(result.value)});
  result.content.insert(result.content.begin(), ToolText{note + "\n"});
}

Json InterruptedAnswerSchema() {
  return {{"anyOf",
           {{{"enum", {"retry", "skip"}}},
            {{"type", "object"},
             {"properties", {{"result", Json::object()}}},
             {"required", {"result"}},
             {"additionalProperties", false}}}}};
}

}  // namespace

Async<ToolResult> Scope::CallTool(std::string name, std::string tool_name, Json arguments,
                                  std::string role) const {
  TaskRun& run = *node_->run;
  const auto tool = run.services().tools->Find(tool_name);
  const std::shared_ptr<Tool> called = tool.ok() ? *tool : nullptr;
  CO_ASSIGN_OR_RETURN(Permit permit,
                      co_await PermitCall(name, called, std::move(role), std::move(arguments)));
  const std::string note = permit.note;
  auto result = co_await CallPermitted(std::move(name), std::move(tool_name), std::move(permit));
  if (result.ok() && !note.empty()) AddNote(note, *result);
  co_return result;
}

Async<ToolResult> Scope::CallPermitted(std::string name, std::string tool_name,
                                       Permit permit) const {
  TaskRun& run = *node_->run;
  const auto tool = run.services().tools->Find(tool_name);
  Json arguments = std::move(permit.arguments);
  SpanRecord draft;
  draft.kind = SpanKind::kToolCall;
  draft.type = tool_name;
  draft.title = name;
  draft.tool = tool_name;
  if (!permit.attribution.empty()) draft.attributes[kPermission] = permit.attribution;
  const std::string version = tool.ok() ? (*tool)->spec().version : "";
  CO_ASSIGN_OR_RETURN(Effect effect, FindEffect(std::move(draft), name,
                                                StoreToolRequest(tool_name, version, arguments)));
  if (effect.finished) {
    if (!effect.record.error.empty()) co_return StatusFromText(effect.record.error);
    CO_ASSIGN_OR_RETURN(ToolResult result, LoadToolResult(effect.record.result_hash,
                                                          ReadOf(effect.record, run.reader())));
    if (tool.ok() && run.options().mode == RunMode::kLive) {
      const ToolSpec& spec = (*tool)->spec();
      // What came about came about by the recorded arguments, in a fork too that has others now.
      CO_ASSIGN_OR_RETURN(Json performed, LoadToolArguments(effect.record.request_hash,
                                                            ReadOf(effect.record, run.reader())));
      (*tool)->Recall(MakeToolCall(effect, spec, std::move(performed)), result);
    }
    co_return result;
  }
  CO_RETURN_IF_ERROR(cancelled());
  if (!permit.refusal.empty()) {
    co_return co_await RefuseTool(std::move(effect), std::move(permit.refusal));
  }
  const bool interrupted = effect.interrupted;
  const bool repeatable = tool.ok() && ((*tool)->spec().idempotent || (*tool)->spec().read_only);
  JournalEntry begin = BeginEntry(effect);
  if (!tool.ok()) {
    run.Append(std::move(begin));
    co_return co_await FailEffect(std::move(effect), tool.status(), Usage());
  }
  if (repeatable) {
    run.Append(std::move(begin));
  } else if (interrupted) {
    co_return co_await ResolveInterruptedCall(std::move(effect), std::move(name), *tool,
                                              std::move(arguments));
  } else {
    // What cannot be repeated is known to have begun before it begins.
    CO_RETURN_IF_ERROR(co_await run.AppendDurably(std::move(begin)));
  }
  co_return co_await PerformTool(std::move(effect), *tool, std::move(arguments));
}

Async<ToolResult> Scope::RefuseTool(Effect effect, std::string why) const {
  node_->run->Append(BeginEntry(effect));
  ToolResult result;
  result.is_error = true;
  result.content.push_back(ToolText{std::move(why)});
  effect.record.attributes["is_error"] = true;
  CO_RETURN_IF_ERROR(
      co_await FinishEffect(std::move(effect), StoreToolResult(result), absl::OkStatus(), Usage()));
  co_return result;
}

ToolCall Scope::MakeToolCall(const Effect& effect, const ToolSpec& spec, Json arguments) const {
  const RunOptions& run_options = options();
  ToolCall call;
  call.arguments = std::move(arguments);
  call.context.task_id = run_options.task_id;
  call.context.path = effect.record.path;
  call.context.seed = node_->run->tool_seed();
  call.context.recorded_end = effect.record.end_sequence;
  call.context.workspace = run_options.workspace;
  call.context.cancel = cancel_token();
  call.context.deadline = SteadyNow() + spec.timeout;
  return call;
}

Async<ToolResult> Scope::PerformTool(Effect effect, std::shared_ptr<Tool> tool,
                                     Json arguments) const {
  TaskRun& run = *node_->run;
  Usage one_call;
  one_call.tool_calls = 1;
  auto reservation = closing_ ? absl::StatusOr<Ledger::Reservation>(
                                    absl::FailedPreconditionError("closing work is not limited"))
                              : run.ledger().Reserve("", one_call);
  if (!reservation.ok() && !closing_) {
    co_return co_await FailEffect(std::move(effect), reservation.status(), Usage());
  }
  const absl::Time start = run.services().steady_now();
  ToolCall call = MakeToolCall(effect, tool->spec(), arguments);
  auto result = co_await run.services().tools->Call(std::move(tool), std::move(call));
  one_call.tool_time = absl::Trunc(run.services().steady_now() - start, absl::Microseconds(1));
  if (!result.ok()) CO_RETURN_IF_ERROR(cancelled());
  if (reservation.ok()) {
    reservation->Settle(one_call);
  } else {
    run.ledger().Charge("", one_call);  // not limited, but counted as when it is repeated
  }
  if (!result.ok()) {
    co_return co_await FailEffect(std::move(effect), result.status(), one_call);
  }
  effect.record.search_text = SearchText(arguments, *result);
  if (result->is_error) effect.record.attributes["is_error"] = true;
  CO_RETURN_IF_ERROR(co_await FinishEffect(std::move(effect), StoreToolResult(*result),
                                           absl::OkStatus(), one_call));
  co_return result;
}

Async<ToolResult> Scope::ResolveInterruptedCall(Effect effect, std::string name,
                                                std::shared_ptr<Tool> tool, Json arguments) const {
  // An answer of an earlier life was followed by a call that may have begun: ask anew.
  int round = 1;
  const auto question_name = [&] { return fmt::format("{}.interrupted:{}", name, round); };
  for (;; ++round) {
    const SpanRecord* earlier = node_->run->Recorded(node_->ChildPath(question_name()));
    if (earlier == nullptr || earlier->end_sequence == 0) break;
  }
  Question question;
  question.kind = QuestionKind::kInterruptedCall;
  question.prompt = fmt::format(
      "A call of {} had begun when the server stopped, and it is not known whether it took effect. "
      "Answer retry (call again), skip (go on without a result), or {{\"result\": ...}} to supply "
      "the result.",
      tool->spec().name);
  question.schema = InterruptedAnswerSchema();
  question.detail = {
      {"tool", tool->spec().name}, {"arguments", arguments}, {"path", effect.record.path}};
  CO_ASSIGN_OR_RETURN(const Json answer, co_await Ask(question_name(), std::move(question)));
  if (answer == "retry") {
    co_return co_await PerformTool(std::move(effect), tool, std::move(arguments));
  }
  ToolResult result;
  if (answer == "skip") {
    result.is_error = true;
    result.content.push_back(
        ToolText{"The call was interrupted; a person decided to go on without its result."});
  } else {
    result.value = answer["result"];
    result.content.push_back(ToolText{PrettyJson(result.value)});
  }
  effect.record.attributes["resolved_by_person"] = true;
  CO_RETURN_IF_ERROR(
      co_await FinishEffect(std::move(effect), StoreToolResult(result), absl::OkStatus(), Usage()));
  co_return result;
}

}  // namespace troupe
