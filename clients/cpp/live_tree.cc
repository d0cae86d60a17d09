#include "clients/cpp/live_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "clients/cpp/render.h"

namespace troupe::client {
namespace {

// Bookkeeping of the runtime, which tells a person nothing.
bool IsHidden(const v1::Span& span) {
  switch (span.kind()) {
    case v1::Span::KIND_CLOCK:
    case v1::Span::KIND_COMPLETION_ORDER:
    case v1::Span::KIND_VALUE:
      return true;
    default:
      return false;
  }
}

bool IsCall(const v1::Span& span) { return span.kind() != v1::Span::KIND_SPAN; }

bool IsApproval(const v1::Span& span) {
  return span.kind() == v1::Span::KIND_QUESTION && span.type() == "approval";
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

int64_t Micros(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1'000'000 + time.nanos() / 1000;
}

void SetMicros(int64_t micros, google::protobuf::Timestamp& time) {
  time.set_seconds(micros / 1'000'000);
  time.set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
}

void Add(const v1::Usage& more, v1::Usage& sum) {
  sum.set_model_calls(sum.model_calls() + more.model_calls());
  sum.set_tool_calls(sum.tool_calls() + more.tool_calls());
  sum.set_input_tokens(sum.input_tokens() + more.input_tokens());
  sum.set_output_tokens(sum.output_tokens() + more.output_tokens());
  sum.set_cost_microusd(sum.cost_microusd() + more.cost_microusd());
  sum.set_estimated(sum.estimated() || more.estimated());
}

LiveTree::Tone ToneOf(v1::Span::State state) {
  switch (state) {
    case v1::Span::STATE_OK:
      return LiveTree::Tone::kGood;
    case v1::Span::STATE_ERROR:
    case v1::Span::STATE_CANCELLED:
      return LiveTree::Tone::kBad;
    default:
      return LiveTree::Tone::kRunning;
  }
}

LiveTree::Tone ToneOf(v1::Task::State state) {
  switch (state) {
    case v1::Task::STATE_SUCCEEDED:
      return LiveTree::Tone::kGood;
    case v1::Task::STATE_FAILED:
    case v1::Task::STATE_STOPPED:
    case v1::Task::STATE_CANCELLED:
      return LiveTree::Tone::kBad;
    case v1::Task::STATE_INPUT_REQUIRED:
      return LiveTree::Tone::kQuestion;
    default:
      return LiveTree::Tone::kRunning;
  }
}

}  // namespace

LiveTree::LiveTree(std::string task) : task_(std::move(task)) {}

void LiveTree::Take(const v1::WatchTaskResponse& event) {
  switch (event.event_case()) {
    case v1::WatchTaskResponse::kStateChanged:
      state_ = event.state_changed().state();
      break;
    case v1::WatchTaskResponse::kSpanStarted:
      TakeSpan(event.span_started().span());
      break;
    case v1::WatchTaskResponse::kSpanEnded:
      TakeSpan(event.span_ended().span());
      break;
    case v1::WatchTaskResponse::kProgress:
      progress_ = event.progress().text();
      break;
    case v1::WatchTaskResponse::kQuestionAsked:
      questions_[event.question_asked().name()] = event.question_asked().prompt();
      break;
    case v1::WatchTaskResponse::kQuestionAnswered:
      questions_.erase(event.question_answered().name());
      break;
    default:
      break;
  }
}

void LiveTree::TakeSpan(const v1::Span& span) {
  const auto [at, is_new] = nodes_.try_emplace(span.path());
  at->second.span = span;
  if (IsApproval(span)) {
    approvals_.insert(fmt::format("{}/questions/{}", task_, span.begin_sequence()));
  }
  if (is_new && !span.path().empty()) {
    nodes_[ParentOf(span.path())].children.push_back(span.path());
  }
}

v1::Usage LiveTree::UsageBelow(const Node& node) const {
  if (IsCall(node.span) || node.span.has_end_time()) return node.span.usage();
  v1::Usage sum;
  for (const std::string& path : node.children) Add(UsageBelow(nodes_.at(path)), sum);
  return sum;
}

LiveTree::Line LiveTree::LineOf(const Node& node, int64_t now_micros) const {
  v1::Span span = node.span;
  *span.mutable_usage() = UsageBelow(node);
  if (!span.has_end_time()) {  // shows how long it has run so far
    SetMicros(std::max(now_micros, Micros(span.begin_time())), *span.mutable_end_time());
  }
  return {ToneOf(span.state()), SpanLine(span)};
}

LiveTree::Line LiveTree::Header(int64_t now_micros) const {
  std::string text = fmt::format("{}  {}", task_, StateText(state_));
  const auto root = nodes_.find("");
  if (root != nodes_.end()) {
    const v1::Span& span = root->second.span;
    const int64_t end = span.has_end_time() ? Micros(span.end_time()) : now_micros;
    const int64_t seconds = std::max<int64_t>(0, end - Micros(span.begin_time())) / 1'000'000;
    text += fmt::format("  {}:{:02}  {}", seconds / 60, seconds % 60,
                        UsageText(UsageBelow(root->second)));
  }
  return {ToneOf(state_), std::move(text)};
}

void LiveTree::AddLines(const std::string& path, Fold fold, int64_t now_micros,
                        std::vector<Line>& lines) const {
  const Node& node = nodes_.at(path);
  const bool ended = node.span.has_end_time();
  if (!path.empty()) lines.push_back(LineOf(node, now_micros));
  if (ended && fold == Fold::kEnded && !path.empty()) return;
  for (const std::string& child : node.children) {
    const v1::Span& span = nodes_.at(child).span;
    if (IsHidden(span)) continue;
    // Of what ended, only calls that failed tell more than its own line does.
    if (ended && IsCall(span) && !span.has_error()) continue;
    AddLines(child, fold, now_micros, lines);
  }
}

void LiveTree::AddQuestion(const std::string& name, const std::string& prompt, int width,
                           int height, std::vector<Line>& lines) const {
  constexpr int kIndent = 2;
  // Broken, not cut: whoever decides on a call must see all of it. A call that fills the screen is
  // shown whole by `troupe show`.
  auto shown = Lines(prompt, width > kIndent ? static_cast<size_t>(width - kIndent) : 0);
  const size_t most = height > 0 ? static_cast<size_t>(std::max(3, height / 2)) : shown.size();
  if (shown.size() > most) {
    shown.resize(most);
    shown.back() = fmt::format("... (all of it: troupe show {})", task_);
  }
  for (size_t i = 0; i < shown.size(); ++i) {
    lines.push_back({Tone::kQuestion, (i == 0 ? "? " : "  ") + shown[i]});
  }
  lines.push_back(
      {Tone::kQuestion, "  answer with: " + AnswerHint(name, approvals_.contains(name))});
}

std::vector<LiveTree::Line> LiveTree::Draw(int64_t now_micros, int width, int height) const {
  if (state_ == v1::Task::STATE_UNSPECIFIED && nodes_.empty()) return {};
  std::vector<Line> below;
  if (!progress_.empty()) below.push_back({Tone::kPlain, "* " + progress_});
  for (const auto& [name, prompt] : questions_) {
    AddQuestion(name, prompt, width, height, below);
  }
  std::vector<Line> tree;
  for (const Fold fold : {Fold::kCalls, Fold::kEnded}) {
    tree.clear();
    if (nodes_.contains("")) AddLines("", fold, now_micros, tree);
    if (height == 0 || tree.size() + below.size() + 1 <= static_cast<size_t>(height)) break;
  }
  if (height > 0) {
    const size_t room = static_cast<size_t>(std::max(1, height) - 1);
    if (below.size() > room) below.resize(room);
    const size_t rest = room - below.size();
    if (tree.size() > rest) tree.erase(tree.begin(), tree.end() - static_cast<ptrdiff_t>(rest));
  }
  std::vector<Line> lines = {Header(now_micros)};
  lines.insert(lines.end(), tree.begin(), tree.end());
  lines.insert(lines.end(), below.begin(), below.end());
  for (Line& line : lines) line.text = OneLine(line.text, static_cast<size_t>(width));
  return lines;
}

}  // namespace troupe::client
