// The effect of calling a tool.
#include <fmt/format.h>

#include "agents/runtime/approval.h"
#include "agents/runtime/scope.h"
#include "agents/runtime/scope_node.h"
#include "agents/runtime/text.h"
#include "agents/runtime/tool_host.h"
#include "agents/runtime/tool_progress.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"
#include "tools/room.h"

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

std::string Pinned(const ToolSpec& spec) {
  return spec.version.empty() ? spec.name : fmt::format("{}@{}", spec.name, spec.version);
}

}  // namespace

struct Scope::FoundTool {
  absl::StatusOr<std::shared_ptr<Tool>> tool;
  StoredValue request;
};

Scope::FoundTool Scope::FindTool(const std::string& name, const std::string& tool_name,
                                 const Json& arguments) const {
  const TaskRun& run = *node_->run;
  FoundTool found{run.services().tools->Find(tool_name), {}};
  const std::string version = found.tool.ok() ? (*found.tool)->spec().version : "";
  found.request = StoreToolRequest(tool_name, version, arguments);
  const SpanRecord* recorded = run.Recorded(node_->ChildPath(name));
  if (recorded == nullptr || recorded->request_hash == found.request.root) return found;
  // A tool that is served in several versions, or not at all any more, need not be another one
  // than it was: a newer version may have come since.
  const auto called = LoadToolVersion(recorded->request_hash, ReadOf(*recorded, run.reader()));
  if (!called.ok() || *called == version) return found;
  auto same = run.services().tools->Find(fmt::format("{}@{}", tool_name, *called));
  if (found.tool.ok() && !same.ok()) return found;
  if (found.tool.ok()) found.tool = std::move(same);
  found.request = StoreToolRequest(tool_name, *called, arguments);
  return found;
}

Async<ToolResult> Scope::CallTool(std::string name, std::string tool_name, Json arguments,
                                  std::string role) const {
  CO_ASSIGN_OR_RETURN(Permit permit,
                      co_await PermitCall(name, tool_name, std::move(role), std::move(arguments)));
  const std::string note = permit.note;
  auto result = co_await CallPermitted(std::move(name), std::move(tool_name), std::move(permit));
  if (result.ok() && !note.empty()) AddNote(note, *result);
  co_return result;
}

Async<ToolResult> Scope::CallPermitted(std::string name, std::string tool_name,
                                       Permit permit) const {
  TaskRun& run = *node_->run;
  Json arguments = std::move(permit.arguments);
  FoundTool found = FindTool(name, tool_name, arguments);
  const auto& tool = found.tool;
  SpanRecord draft;
  draft.kind = SpanKind::kToolCall;
  draft.type = tool_name;
  draft.title = name;
  draft.tool = tool_name;
  if (!permit.attribution.empty()) draft.attributes[kPermission] = permit.attribution;
  CO_ASSIGN_OR_RETURN(EffectPtr effect,
                      FindEffect(std::move(draft), name, std::move(found.request)));
  if (effect->finished) {
    ChargeAsked(*effect);
    if (!effect->record.error.empty()) co_return StatusFromText(effect->record.error);
    CO_ASSIGN_OR_RETURN(ToolResult result, LoadToolResult(effect->record.result_hash,
                                                          ReadOf(effect->record, run.reader())));
    if (tool.ok() && run.options().mode == RunMode::kLive) {
      const ToolSpec& spec = (*tool)->spec();
      // What came about came about by the recorded arguments, in a fork too that has others now.
      CO_ASSIGN_OR_RETURN(Json performed, LoadToolArguments(effect->record.request_hash,
                                                            ReadOf(effect->record, run.reader())));
      (*tool)->Recall(MakeToolCall(*effect, spec, std::move(performed)), result);
      if ((*tool)->holds_state()) run.NoteHeldState();
    }
    co_return result;
  }
  CO_RETURN_IF_ERROR(cancelled());
  // Tools come and go on other threads: what was decided on must be what is called.
  const bool changed =
      !effect->interrupted && tool.ok() && (*tool)->spec().version != permit.version;
  if (permit.refusal.empty() && changed) permit.refusal = ToolChanged(tool_name);
  if (!permit.refusal.empty()) {
    co_return co_await RefuseTool(std::move(effect), std::move(permit.refusal));
  }
  const bool interrupted = effect->interrupted;
  const bool repeatable = tool.ok() && ((*tool)->spec().idempotent || (*tool)->spec().read_only);
  JournalEntry begin = BeginEntry(*effect);
  if (!tool.ok()) {
    run.Append(std::move(begin));
    co_return co_await FailEffect(std::move(effect), tool.status(), Usage());
  }
  if (repeatable) {
    run.Append(std::move(begin));
  } else if (interrupted) {
    // Whoever served the call may still have it, unless a person was asked in its place.
    const bool asked =
        run.Recorded(node_->ChildPath(fmt::format("{}.interrupted:1", name))) != nullptr;
    if ((*tool)->rejoins() && !asked) {
      co_return co_await PerformTool(std::move(effect), *tool, std::move(arguments), true);
    }
    co_return co_await ResolveInterruptedCall(std::move(effect), *tool, std::move(arguments));
  } else {
    // What cannot be repeated is known to have begun before it begins.
    CO_RETURN_IF_ERROR(co_await run.AppendDurably(std::move(begin)));
  }
  co_return co_await PerformTool(std::move(effect), *tool, std::move(arguments));
}

Async<ToolResult> Scope::RefuseTool(EffectPtr effect, std::string why) const {
  node_->run->Append(BeginEntry(*effect));
  ToolResult result;
  result.is_error = true;
  result.content.push_back(ToolText{std::move(why)});
  effect->record.attributes["is_error"] = true;
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
  call.context.workspace = RoomIn(run_options.workspace, node_->room);
  call.context.room = node_->room;
  call.context.task_workspace = run_options.workspace;
  call.context.cancel = cancel_token();
  call.context.deadline = SteadyNow() + spec.timeout;
  return call;
}

Scope Scope::Below(const Effect& effect) const {
  auto node = std::make_shared<Node>();
  node->run = node_->run;
  node->parent = node_;
  node->prompts = node_->prompts;
  node->room = node_->room;
  node->record = effect.record;
  Scope below(std::move(node), /*owner=*/false);
  below.closing_ = closing_;
  return below;
}

void Scope::ChargeAsked(const Effect& effect) const {
  TaskRun& run = *node_->run;
  for (int n = 1;; ++n) {
    const SpanRecord* asked = run.Recorded(fmt::format("{}/{}", effect.record.path, AskedName(n)));
    if (asked == nullptr) return;
    AddUsage(asked->usage);
    if (asked->kind == SpanKind::kModelCall) run.ledger().Charge(asked->role, asked->usage);
  }
}

Async<ToolResult> Scope::PerformTool(EffectPtr effect, std::shared_ptr<Tool> tool, Json arguments,
                                     bool rejoin) const {
  TaskRun& run = *node_->run;
  Usage one_call;
  // Closing work is no agent's: handing out a report counts as no call of a tool.
  one_call.tool_calls = closing_ ? 0 : 1;
  auto reservation = closing_ ? absl::StatusOr<Ledger::Reservation>(
                                    absl::FailedPreconditionError("closing work is not limited"))
                              : run.ledger().Reserve("", one_call);
  if (!reservation.ok() && !closing_) {
    co_return co_await FailEffect(std::move(effect), reservation.status(), Usage());
  }
  std::shared_ptr<void> under_way = run.BeginCall();
  if (tool->holds_state()) run.NoteHeldState();
  const absl::Time start = run.services().steady_now();
  ToolCall call = MakeToolCall(*effect, tool->spec(), arguments);
  call.context.rejoin = rejoin;
  TaskToolHost host(Below(*effect));
  call.context.host = &host;
  ProgressRelay progress(node_->run, effect->record.path);
  call.context.progress = progress.function();
  absl::StatusOr<ToolResult> result = absl::UnknownError("not called");
  if (const absl::Status room = PrepareRoom(options().workspace, node_->room); !room.ok()) {
    result = room;
  } else {
    result = co_await run.services().tools->Call(tool, std::move(call));
  }
  progress.Close();
  under_way.reset();
  one_call.tool_time = absl::Trunc(run.services().steady_now() - start, absl::Microseconds(1));
  if (!result.ok()) CO_RETURN_IF_ERROR(cancelled());
  const ToolSpec& spec = tool->spec();
  if (HasReason(result.status(), Reason::kToolInterrupted) && !spec.idempotent && !spec.read_only) {
    co_return co_await ResolveInterruptedCall(std::move(effect), std::move(tool),
                                              std::move(arguments));
  }
  if (reservation.ok()) {
    reservation->Settle(one_call);
  } else {
    run.ledger().Charge("", one_call);  // its time, as when it is repeated
  }
  if (!result.ok()) {
    co_return co_await FailEffect(std::move(effect), result.status(), one_call);
  }
  effect->record.search_text = SearchText(arguments, *result);
  if (result->is_error) effect->record.attributes["is_error"] = true;
  if (!result->notes.is_null()) effect->record.attributes[kServed] = std::move(result->notes);
  result->notes = nullptr;  // as when the call is repeated from the record
  CO_RETURN_IF_ERROR(co_await FinishEffect(std::move(effect), StoreToolResult(*result),
                                           absl::OkStatus(), one_call));
  co_return result;
}

Async<ToolResult> Scope::ResolveInterruptedCall(EffectPtr effect, std::shared_ptr<Tool> tool,
                                                Json arguments) const {
  // An answer of an earlier life was followed by a call that may have begun: ask anew. So was one
  // of this life.
  int round = effect->questions + 1;
  const auto question_name = [&] { return fmt::format("{}.interrupted:{}", effect->name, round); };
  for (;; ++round) {
    const SpanRecord* earlier = node_->run->Recorded(node_->ChildPath(question_name()));
    if (earlier == nullptr || earlier->end_sequence == 0) break;
  }
  effect->questions = round;
  Question question;
  question.kind = QuestionKind::kInterruptedCall;
  question.prompt = fmt::format(
      "A call of {} had begun when the server or whoever serves the tool stopped, and it is not "
      "known whether it took effect. Answer retry (call again), skip (go on without a result), or "
      "{{\"result\": ...}} to supply the result.",
      tool->spec().name);
  question.schema = InterruptedAnswerSchema();
  question.detail = {
      {"tool", tool->spec().name}, {"arguments", arguments}, {"path", effect->record.path}};
  CO_ASSIGN_OR_RETURN(const Json answer, co_await Ask(question_name(), std::move(question)));
  if (answer == "retry") {
    // It may have been replaced while the person thought.
    if (auto now = node_->run->services().tools->Find(Pinned(tool->spec())); now.ok()) {
      tool = *std::move(now);
    }
    co_return co_await PerformTool(std::move(effect), std::move(tool), std::move(arguments));
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
  effect->record.attributes["resolved_by_person"] = true;
  CO_RETURN_IF_ERROR(
      co_await FinishEffect(std::move(effect), StoreToolResult(result), absl::OkStatus(), Usage()));
  co_return result;
}

}  // namespace troupe
