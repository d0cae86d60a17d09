// The effect of calling a model.
#include <fmt/format.h>

#include "agents/models/structured_reply.h"
#include "agents/runtime/scope.h"
#include "agents/runtime/scope_node.h"
#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

Usage WorstCase(const CostEstimate& estimate) {
  Usage usage;
  usage.model_calls = 1;
  usage.input_tokens = estimate.input_tokens;
  usage.output_tokens = estimate.max_output_tokens;
  usage.cost_microusd = estimate.max_cost_microusd;
  return usage;
}

Usage UsageOf(const ChatReply& reply, absl::Duration time) {
  Usage usage;
  usage.model_calls = 1;
  usage.input_tokens = reply.usage.input_tokens;
  usage.cached_input_tokens = reply.usage.cached_input_tokens;
  usage.output_tokens = reply.usage.output_tokens;
  usage.reasoning_tokens = reply.usage.reasoning_tokens;
  usage.cost_microusd = reply.cost_microusd;
  usage.estimated = reply.usage.estimated;
  usage.model_time = time;
  return usage;
}

// What search finds the call by, and where it is stored already.
void NoteSearchText(const ChatRequest& request, const ChatReply& reply, const StoredValue& stored,
                    SpanRecord& record) {
  const bool asked = !request.messages.empty();
  record.search_text = SearchText(asked ? request.messages.back() : Message(), reply.message);
  // Stored texts are UTF-8: what is none is changed there.
  if (!asked || stored.message.empty() || !IsUtf8(record.search_text)) return;
  record.asked_hash = request.messages.stored_hash();
  record.replied_hash = stored.message;
}

}  // namespace

Async<ChatReply> Scope::Chat(std::string name, std::string role, ChatRequest request) const {
  TaskRun& run = *node_->run;
  SpanRecord draft;
  draft.kind = SpanKind::kModelCall;
  draft.type = "chat";
  draft.title = name;
  draft.role = role;
  if (!request.prompt.empty()) draft.attributes["prompt"] = request.prompt;
  if (options().seed_models && !request.seed.has_value()) {
    // 31 bits are a seed to every backend.
    const uint64_t bits =
        Sha256Prefix(fmt::format("{}\n{}\nsample", options().seed, node_->ChildPath(name)));
    request.seed = static_cast<int64_t>(bits >> 33);
  }
  const int64_t role_order = run.NextRoleOrder(role);
  const IsStoredFn is_stored = [&run](const Hash& hash) { return run.IsStored(hash); };
  StoredValue stored = StoreChatRequest(request, role, is_stored);
  CO_ASSIGN_OR_RETURN(EffectPtr effect, FindEffect(std::move(draft), name, std::move(stored)));
  if (effect->finished) {
    if (!effect->record.error.empty()) co_return StatusFromText(effect->record.error);
    co_return LoadChatReply(effect->record.result_hash, ReadOf(effect->record, run.reader()));
  }
  CO_RETURN_IF_ERROR(cancelled());
  run.Append(BeginEntry(*effect));
  co_return co_await PerformChat(std::move(effect), std::move(role), std::move(request),
                                 role_order);
}

Async<ChatReply> Scope::PerformChat(EffectPtr effect, std::string role, ChatRequest request,
                                    int64_t role_order) const {
  TaskRun& run = *node_->run;
  const auto model = run.services().models->ForRole(role, run.options().ModelFor(role));
  if (!model.ok()) {
    co_return co_await FailEffect(std::move(effect), model.status(), Usage());
  }
  effect->record.model = (*model)->name();
  auto reservation = run.ledger().Reserve(role, WorstCase((*model)->Estimate(request)));
  if (!reservation.ok()) {
    co_return co_await FailEffect(std::move(effect), reservation.status(), Usage());
  }
  auto new_call = std::make_shared<ChatCall>();
  new_call->request = std::move(request);
  ChatContext& context = new_call->context;
  context.task_id = run.options().task_id;
  context.task_label = run.options().label;
  context.role = role;
  context.path = effect->record.path;
  context.role_order = role_order;
  context.cancel = cancel_token();
  const ChatCallPtr call = std::move(new_call);
  const std::shared_ptr<void> under_way = run.BeginCall();
  const absl::Time start = run.services().steady_now();
  auto reply = co_await (*model)->Complete(call);
  // As exact as it is recorded, so that a task that is run again sums up to the same.
  const absl::Duration time =
      absl::Trunc(run.services().steady_now() - start, absl::Microseconds(1));
  if (!reply.ok()) {
    // A call that was stopped has no outcome: it is made again when the task goes on.
    CO_RETURN_IF_ERROR(cancelled());
    Usage usage;
    usage.model_calls = 1;
    usage.model_time = time;
    reservation->Settle(usage);
    co_return co_await FailEffect(std::move(effect), reply.status(), usage);
  }
  const Usage usage = UsageOf(*reply, time);
  reservation->Settle(usage);
  effect->record.model = reply->model;
  if (reply->attempts > 1) effect->record.attributes["attempts"] = reply->attempts;
  StoredValue stored = StoreChatReply(*reply, call->request.messages.stored_hash());
  NoteSearchText(call->request, *reply, stored, effect->record);
  CO_RETURN_IF_ERROR(
      co_await FinishEffect(std::move(effect), std::move(stored), absl::OkStatus(), usage));
  co_return reply;
}

Async<Json> Scope::ChatJson(std::string name, std::string role, ChatRequest request) const {
  if (!request.reply_schema.has_value()) {
    co_return Error(Reason::kInternal, "ChatJson needs a request with a reply schema");
  }
  CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await Chat(name, role, request));
  auto value = ParseStructuredReply(reply, *request.reply_schema);
  if (value.ok()) co_return value;
  ChatRequest repair = RepairRequest(request, reply, value.status());
  CO_ASSIGN_OR_RETURN(const ChatReply repaired,
                      co_await Chat(name + ".repair", role, std::move(repair)));
  auto second = ParseStructuredReply(repaired, *request.reply_schema);
  if (second.ok()) co_return second;
  co_return Error(Reason::kModelBadReply,
                  fmt::format("{}: the model that plays {} gave no valid {} in two tries: {}",
                              path(), role, request.reply_schema->name, MessageOf(second.status())),
                  {{"path", node_->ChildPath(name)}, {"role", role}});
}

}  // namespace troupe
