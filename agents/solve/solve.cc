#include "agents/solve/solve.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/models/model_config.h"
#include "agents/models/structured_reply.h"
#include "agents/prompts/render.h"
#include "agents/runtime/task_result.h"
#include "agents/runtime/text.h"
#include "agents/runtime/tool_answer.h"
#include "agents/solve/conversation_view.h"
#include "agents/solve/move.h"
#include "agents/solve/roles.h"
#include "agents/solve/work.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr int64_t kDefaultContextTokens = 32'000;
constexpr int64_t kMinReplyTokens = 256;
constexpr size_t kMaxWorkShown = 24'000;  // to the evaluator
constexpr size_t kMaxTitle = 80;

// Why the agent must answer now; kNone: it need not.
std::string_view WhyLast(SolveEnding ending) {
  switch (ending) {
    case SolveEnding::kRounds:
      return "you have no rounds left";
    case SolveEnding::kBudget:
      return "the budget is nearly used up";
    case SolveEnding::kNoProgress:
      return "your work brings nothing new any more";
    default:
      return "";
  }
}

SolveSetup SetupOf(const Json& fixed) {
  return {JsonBool(fixed, "native"), JsonBool(fixed, "images"), JsonInt(fixed, "context_tokens"),
          JsonInt(fixed, "reply_tokens")};
}

Async<SolveSetup> SetUp(const Scope& task, const SolveOptions& options) {
  // A task that goes on, or is replayed, needs no model for what it has found out.
  CO_ASSIGN_OR_RETURN(const Json recorded, task.RecallValue("setup", SpanKind::kValue));
  if (!recorded.is_null()) co_return SetupOf(recorded);
  CO_ASSIGN_OR_RETURN(const ModelCapabilities can, task.CapabilitiesOf(kSolver));
  CO_ASSIGN_OR_RETURN(const int64_t reply_tokens, task.MaxReplyTokens(kSolver));
  const bool native =
      options.call_form == CallForm::kNative || (options.call_form == CallForm::kAuto && can.tools);
  int64_t context = options.context_tokens;
  if (context == 0) context = can.context_tokens > 0 ? can.context_tokens * 6 / 10 : 0;
  if (context == 0) context = kDefaultContextTokens;
  const Json found = {{"native", native},
                      {"images", can.images},
                      {"context_tokens", context},
                      {"reply_tokens", options.max_tokens.value_or(reply_tokens)}};
  CO_ASSIGN_OR_RETURN(const Json fixed, co_await task.Fix("setup", found));
  co_return SetupOf(fixed);
}

// Tokens that the reply may have: beside a budget of tokens, no more than a part of what is left.
int64_t ReplyTokens(const Work& work, const BudgetLeft& left) {
  const int64_t most = work.setup.reply_tokens;
  if (!left.tokens.has_value()) return most;
  return std::clamp(*left.tokens / 4, std::min(kMinReplyTokens, most), most);
}

// Whether the call at hand is the last one that the budget surely allows.
bool IsLastCall(const Work& work, const BudgetLeft& left, int64_t request_tokens) {
  if (work.out_of_calls || left.tool_calls == 0) return true;
  if (left.model_calls.has_value() && *left.model_calls <= 1) return true;
  if (!left.tokens.has_value()) return false;
  const int64_t growth = work.options.shown_result_bytes / 4;
  return *left.tokens < 2 * (request_tokens + ReplyTokens(work, left)) + growth;
}

SolveEnding WhyAnswer(const Work& work, const BudgetLeft& left, int64_t request_tokens, int round) {
  if (work.progress.idle_rounds() >= 2 * work.options.stuck_rounds) return SolveEnding::kNoProgress;
  if (round >= work.options.max_rounds) return SolveEnding::kRounds;
  if (IsLastCall(work, left, request_tokens)) return SolveEnding::kBudget;
  return SolveEnding::kNone;
}

// The answer as JSON valid by the task's schema: the text itself, or what the model makes of it
// when it is asked for that alone.
Async<Json> ConformAnswer(const Scope& scope, const Work& work, ChatRequest request,
                          std::string answer) {
  const Json& schema = work.options.answer_schema;
  ChatReply reply;
  reply.message = AssistantMessage(answer);
  const auto parsed = ParseStructuredReply(reply, {"answer", schema});
  if (parsed.ok()) co_return parsed;
  // Inside an object, as not every backend takes a schema of anything else.
  const bool wrapped = DumpJson(schema).find("\"$ref\"") == std::string::npos;
  Json asked = schema;
  if (wrapped) {
    asked = {{"type", "object"},
             {"properties", {{"answer", schema}}},
             {"required", {"answer"}},
             {"additionalProperties", false}};
  }
  request.messages.push_back(std::move(reply.message));
  const Json values = {{"problem", MessageOf(parsed.status())}, {"schema", DumpJson(asked)}};
  CO_ASSIGN_OR_RETURN(RenderedPrompt again, RenderPrompt(scope, "solve.conform", values));
  request.messages.push_back(UserMessage(std::move(again.text)));
  if (!request.tools.empty()) request.tool_choice = "none";
  request.reply_schema = ReplySchema{"answer", asked};
  CO_ASSIGN_OR_RETURN(Json value, co_await scope.ChatJson("conform", kSolver, std::move(request)));
  if (wrapped) co_return value["answer"];
  co_return value;
}

class Agent {
 public:
  Agent(Scope* task, Work* work) : task_(task), work_(work), view_(work) {}

  AsyncStatus Run() {
    CO_ASSIGN_OR_RETURN(work_->setup, co_await SetUp(*task_, work_->options));
    const auto& wanted = work_->options.tools;
    work_->may_ask = std::find(wanted.begin(), wanted.end(), kAskUser) != wanted.end();
    CO_ASSIGN_OR_RETURN(work_->tools,
                        co_await Toolset::Choose(*task_, wanted, work_->options.request,
                                                 work_->options.shown_tools));
    if (work_->options.plan) CO_RETURN_IF_ERROR(co_await Plan());
    CO_RETURN_IF_ERROR(view_.Begin(*task_));
    while (!answered_) {
      if (view_.IsTooLong()) CO_RETURN_IF_ERROR(co_await SumUpOldRounds());
      const int number = ++work_->outcome.rounds;
      Scope round =
          task_->Open("round", fmt::format("round:{}", number), fmt::format("Round {}", number));
      const absl::Status ended = co_await RunRound(round, number);
      round.End(ended);
      CO_RETURN_IF_ERROR(ended);
    }
    co_return absl::OkStatus();
  }

 private:
  AsyncStatus Plan() {
    Scope planning = task_->Open("plan", "plan", "Plan");
    auto plan = co_await MakePlan(planning, work_->options, work_->tools);
    if (plan.ok()) planning.Progress(fmt::format("a plan of {} steps", plan->size()));
    planning.End(plan.status());
    CO_RETURN_IF_ERROR(plan.status());
    work_->outcome.plan = *std::move(plan);
    co_return absl::OkStatus();
  }

  AsyncStatus SumUpOldRounds() {
    const auto old = view_.TakeOldRounds();
    if (old.empty()) co_return absl::OkStatus();
    const int number = ++work_->outcome.summaries;
    Scope scope =
        task_->Open("summary", fmt::format("summary:{}", number),
                    fmt::format("Notes of rounds {} to {}", old.front().number, old.back().number));
    std::string rounds;
    for (const SolveRound& round : old) rounds += round.digest;
    auto summary = co_await SumUp(scope, work_->options, view_.summary(), std::move(rounds));
    scope.End(summary.status());
    CO_RETURN_IF_ERROR(summary.status());
    co_return view_.Replace(*task_, old, *std::move(summary));
  }

  AsyncStatus RunRound(const Scope& round, int number) {
    ChatRequest request = view_.Request();
    const BudgetLeft left = task_->Left(kSolver);
    const SolveEnding last = WhyAnswer(*work_, left, view_.tokens(), number);
    const bool must_answer = last != SolveEnding::kNone;
    if (must_answer) {
      CO_ASSIGN_OR_RETURN(const std::string notice, view_.LastNotice(*task_, WhyLast(last)));
      request.messages.push_back(UserMessage(notice));
      view_.ForbidCalls(request);
    }
    if (left.tokens.has_value()) request.max_tokens = ReplyTokens(*work_, left);
    CO_ASSIGN_OR_RETURN(const ChatReply reply, co_await round.Chat("think", kSolver, request));
    Move move = work_->setup.native ? NativeMove(reply) : JsonMove(reply);
    if (!move.thought.empty()) {
      round.Progress(TruncateUtf8(move.thought.substr(0, move.thought.find('\n')), kMaxTitle));
      last_thought_ = move.thought;
    }
    if (must_answer && !move.is_answer) {
      // What an answer that must not call tools asks for is not answered.
      move.uses.clear();
      move.is_answer = true;
      move.answer = reply.message.text();
    }
    if (move.is_answer) {
      const SolveEnding ending = must_answer ? last : SolveEnding::kAnswered;
      co_return co_await TakeAnswer(round, number, std::move(request), reply.message,
                                    std::move(move), ending);
    }
    Notices notices;
    std::vector<AnsweredCall> calls;
    if (!move.problem.empty()) {
      notices.no_answer = move.problem;
    } else {
      CO_ASSIGN_OR_RETURN(calls, co_await PerformCalls(round, *work_, number, move.uses));
    }
    work_->progress.EndRound();
    const int idle = work_->progress.idle_rounds();
    if (idle > 0 && idle == work_->options.stuck_rounds) notices.stuck = idle;
    co_return view_.AddRound(*task_, number, reply.message, move, std::move(calls), notices);
  }

  AsyncStatus TakeAnswer(const Scope& round, int number, ChatRequest request, Message said,
                         Move move, SolveEnding ending) {
    draft_ = move.answer;
    if (!work_->options.answer_schema.is_null()) {
      CO_ASSIGN_OR_RETURN(work_->outcome.answer_value,
                          co_await ConformAnswer(round, *work_, std::move(request), move.answer));
      move.answer = PrettyJson(work_->outcome.answer_value);
    }
    draft_ = move.answer;
    if (ending == SolveEnding::kAnswered && MayReview()) {
      const std::string answer = move.answer;
      std::vector<std::string> earlier;
      for (const Review& review : work_->outcome.reviews) earlier.push_back(review.critique);
      CO_ASSIGN_OR_RETURN(Review review,
                          co_await JudgeAnswer(round, work_->options, answer,
                                               Elide(view_.WorkText(), kMaxWorkShown), earlier));
      work_->outcome.reviews.push_back(review);
      if (!review.accepted) {
        Notices notices;
        notices.sent_back = review.critique;
        work_->progress.NoteNews();
        work_->progress.EndRound();
        std::vector<AnsweredCall> none;
        co_return view_.AddRound(*task_, number, said, move, std::move(none), notices);
      }
    }
    work_->outcome.answer = std::move(move.answer);
    work_->outcome.ending = ending;
    answered_ = true;
    co_return absl::OkStatus();
  }

  // The evaluator's own call and the one that mends must fit the budget.
  bool MayReview() const {
    const auto& reviews = work_->outcome.reviews;
    const auto sent_back = std::count_if(reviews.begin(), reviews.end(),
                                         [](const Review& review) { return !review.accepted; });
    const BudgetLeft left = task_->Left(kEvaluator);
    return sent_back < work_->options.max_reviews &&
           !(left.model_calls.has_value() && *left.model_calls < 2);
  }

 public:
  // What there is in place of an answer when a limit cut the work off.
  std::string Unfinished() const {
    if (!draft_.empty()) return draft_;
    return last_thought_.empty() ? "" : "Not finished. What was thought last: " + last_thought_;
  }

 private:
  Scope* const task_;
  Work* const work_;
  ConversationView view_;
  std::string draft_;         // the last answer, sent back or not
  std::string last_thought_;  // the last that was said with calls
  bool answered_ = false;
};

}  // namespace

Async<SolveOutcome> RunSolve(Scope& task, SolveOptions options) {
  Work work(std::move(options));
  Agent agent(&task, &work);
  const absl::Status ended = co_await agent.Run();
  if (IsLimit(ended)) {
    work.outcome.stopped = ended;
    work.outcome.answer = agent.Unfinished();
  } else {
    CO_RETURN_IF_ERROR(ended);
  }
  co_return std::move(work.outcome);
}

}  // namespace troupe
