#include "agents/solve/conversation_view.h"

#include <fmt/format.h>

#include "agents/models/model_config.h"
#include "agents/prompts/render.h"
#include "agents/runtime/text.h"
#include "agents/runtime/tool_answer.h"
#include "agents/solve/roles.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxDigestArguments = 1'500;
constexpr size_t kMaxDigestResult = 3'000;

Json TextOrNull(const std::string& text) { return text.empty() ? Json() : Json(text); }

// "[Round 3 of 30 is done. Left: 12 tool calls, 40000 tokens.]"
absl::StatusOr<std::string> ProgressLine(const Scope& task, const Work& work, int number) {
  const BudgetLeft left = task.Left(kSolver);
  std::vector<std::string> parts;
  if (left.model_calls.has_value()) parts.push_back(fmt::format("{} replies", *left.model_calls));
  if (left.tool_calls.has_value()) parts.push_back(fmt::format("{} tool calls", *left.tool_calls));
  if (left.tokens.has_value()) parts.push_back(fmt::format("{} tokens", *left.tokens));
  if (left.cost_microusd.has_value()) {
    parts.push_back(fmt::format("${:.4f}", static_cast<double>(*left.cost_microusd) * 1e-6));
  }
  const Json values = {{"round", number},
                       {"rounds", work.options.max_rounds},
                       {"left", fmt::format("{}", fmt::join(parts, ", "))}};
  ASSIGN_OR_RETURN(RenderedPrompt rendered, RenderPrompt(task, "solve.progress", values));
  return std::move(rendered.text);
}

Json NoticeValues(const Work& work) {
  return {{"stuck", nullptr},
          {"sent_back", nullptr},
          {"no_answer", nullptr},
          {"last", nullptr},
          {"native", work.setup.native}};
}

absl::StatusOr<std::string> Notice(const Scope& task, const Json& values) {
  ASSIGN_OR_RETURN(RenderedPrompt rendered, RenderPrompt(task, "solve.notice", values));
  return std::move(rendered.text);
}

std::string Digest(int number, const Move& move, const std::vector<AnsweredCall>& calls,
                   const Notices& notices) {
  std::string digest = fmt::format("Round {}. {}\n", number, move.thought);
  for (const AnsweredCall& call : calls) {
    digest += fmt::format("[{}] {}({}) returned:\n{}\n", call.id, call.use.name,
                          Elide(DumpJson(call.use.arguments), kMaxDigestArguments),
                          Elide(call.shown, kMaxDigestResult));
  }
  if (!notices.sent_back.empty()) {
    digest += fmt::format("Answered: {}\nA reviewer sent it back: {}\n",
                          Elide(move.answer, kMaxDigestResult), notices.sent_back);
  }
  if (!notices.no_answer.empty()) {
    digest += fmt::format("The reply could not be used: {}\n", notices.no_answer);
  }
  return digest + "\n";
}

// The answers to the calls by the model's own protocol, one message each.
std::vector<Message> NativeAnswers(const std::vector<AnsweredCall>& calls) {
  std::vector<Message> messages;
  for (const AnsweredCall& call : calls) {
    Message answer = ToolMessage(call.use.id, call.shown);
    answer.parts.insert(answer.parts.end(), call.images.begin(), call.images.end());
    messages.push_back(std::move(answer));
  }
  return messages;
}

// The same as what the user says.
std::vector<Message> SpokenAnswers(const std::vector<AnsweredCall>& calls) {
  if (calls.empty()) return {};
  Message answer = UserMessage("");
  answer.parts.clear();
  for (const AnsweredCall& call : calls) {
    answer.parts.push_back(
        TextPart{fmt::format("Result {} of {}:\n{}", call.id, call.use.name, call.shown)});
    answer.parts.insert(answer.parts.end(), call.images.begin(), call.images.end());
  }
  return {std::move(answer)};
}

}  // namespace

absl::Status ConversationView::Begin(const Scope& task) { return Rebuild(task); }

absl::Status ConversationView::Rebuild(const Scope& task) {
  const SolveOptions& options = work_->options;
  Json tools = Json::array();
  if (!work_->setup.native) {
    for (const ToolDeclaration& tool : work_->Declarations()) {
      tools.push_back({{"name", tool.name},
                       {"description", tool.description},
                       {"parameters", DumpJson(tool.parameters)}});
    }
  }
  const size_t hidden = work_->tools.hidden();
  const Json values = {
      {"instructions", options.instructions},
      {"native", work_->setup.native},
      {"tools", tools},
      {"more_tools", hidden > 0 ? Json(hidden) : Json()},
      {"may_ask", work_->may_ask},
      {"may_plan", options.plan},
      {"answer_schema", options.answer_schema.is_null() ? "" : DumpJson(options.answer_schema)}};
  ASSIGN_OR_RETURN(RenderedPrompt system, RenderPrompt(task, "solve.solver", values));
  Json plan = Json::array();
  for (const PlanStep& step : work_->outcome.plan) {
    plan.push_back({{"title", step.title}, {"status", step.status}});
  }
  const Json task_values = {{"request", options.request},
                            {"files", options.files},
                            {"plan", plan},
                            {"summary", TextOrNull(summary_)},
                            {"summed_rounds", summed_rounds_}};
  ASSIGN_OR_RETURN(RenderedPrompt asked, RenderPrompt(task, "solve.task", task_values));
  prompt_ = system.id;
  messages_ = Conversation();
  messages_.push_back(SystemMessage(std::move(system.text)));
  messages_.push_back(UserMessage(std::move(asked.text)));
  for (const SolveRound& round : rounds_) {
    for (const Message& message : round.messages) messages_.push_back(message);
  }
  return absl::OkStatus();
}

ChatRequest ConversationView::Request() const {
  ChatRequest request;
  request.prompt = prompt_;
  request.messages = messages_;
  request.temperature = work_->options.temperature;
  request.max_tokens = work_->options.max_tokens;
  std::vector<ToolDeclaration> tools = work_->Declarations();
  if (!work_->setup.native) {
    request.reply_schema = MoveSchema(tools, work_->options.answer_schema);
  } else if (!tools.empty()) {
    request.tools = std::move(tools);
    request.tool_choice = "auto";
  }
  return request;
}

void ConversationView::ForbidCalls(ChatRequest& request) const {
  if (!request.tools.empty()) request.tool_choice = "none";
  if (!work_->setup.native) request.reply_schema = MoveSchema({}, work_->options.answer_schema);
}

absl::StatusOr<std::string> ConversationView::LastNotice(const Scope& task,
                                                         std::string_view why) const {
  Json values = NoticeValues(*work_);
  values["last"] = why;
  return Notice(task, values);
}

int64_t ConversationView::tokens() const { return EstimateTokens(Request()); }

bool ConversationView::IsTooLong() const {
  return rounds_.size() > 1 && tokens() > work_->setup.context_tokens;
}

absl::Status ConversationView::AddRound(const Scope& task, int number, Message said,
                                        const Move& move, std::vector<AnsweredCall> calls,
                                        const Notices& notices) {
  SolveRound round;
  round.number = number;
  round.digest = Digest(number, move, calls, notices);
  if (move.is_answer) said.tool_uses.clear();
  // An empty message is none that every backend takes.
  if (!said.text().empty() || !said.tool_uses.empty()) round.messages.push_back(std::move(said));
  auto answers = work_->setup.native ? NativeAnswers(calls) : SpokenAnswers(calls);
  if (!answers.empty()) {
    ASSIGN_OR_RETURN(std::string progress, ProgressLine(task, *work_, number));
    answers.back().parts.push_back(TextPart{std::move(progress)});
  }
  for (Message& answer : answers) round.messages.push_back(std::move(answer));
  if (notices.stuck > 0 || !notices.sent_back.empty() || !notices.no_answer.empty()) {
    Json values = NoticeValues(*work_);
    if (notices.stuck > 0) values["stuck"] = notices.stuck;
    values["sent_back"] = TextOrNull(notices.sent_back);
    values["no_answer"] = TextOrNull(notices.no_answer);
    ASSIGN_OR_RETURN(std::string notice, Notice(task, values));
    round.messages.push_back(UserMessage(std::move(notice)));
  }
  for (const Message& message : round.messages) messages_.push_back(message);
  rounds_.push_back(std::move(round));
  return absl::OkStatus();
}

std::vector<SolveRound> ConversationView::TakeOldRounds() const {
  const int64_t room = work_->setup.context_tokens / 3;
  size_t first = rounds_.size();
  int64_t kept = 0;
  while (first > 1) {
    int64_t tokens = 0;
    for (const Message& message : rounds_[first - 1].messages) {
      tokens += EstimateTokens(message.text());
      for (const ToolUse& use : message.tool_uses)
        tokens += EstimateTokens(DumpJson(use.arguments));
    }
    // The last round stays, however long it is.
    if (first < rounds_.size() && kept + tokens > room) break;
    kept += tokens;
    --first;
  }
  return {rounds_.begin(), rounds_.begin() + static_cast<ptrdiff_t>(first)};
}

absl::Status ConversationView::Replace(const Scope& task, const std::vector<SolveRound>& old,
                                       std::string summary) {
  summary_ = std::move(summary);
  summed_rounds_ = old.back().number;
  rounds_.erase(rounds_.begin(), rounds_.begin() + static_cast<ptrdiff_t>(old.size()));
  return Rebuild(task);
}

std::string ConversationView::WorkText() const {
  std::string text;
  if (!summary_.empty())
    text = fmt::format("Notes of rounds 1 to {}:\n{}\n\n", summed_rounds_, summary_);
  for (const SolveRound& round : rounds_) text += round.digest;
  if (text.empty()) return "(nothing: it answered at once)";
  return text;
}

}  // namespace troupe
