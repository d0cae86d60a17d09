#include "clients/cpp/render.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/signed_text.h"

namespace troupe::client {
namespace {

constexpr size_t kMaxErrorShown = 160;
constexpr int kMaxRunsShown = 10;
constexpr size_t kRunWidth = 80;

// 1234567 as 1,234,567.
std::string Grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > (digits[0] == '-' ? 1 : 0); at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

const char* Mark(v1::Span::State state) {
  switch (state) {
    case v1::Span::STATE_OK:
      return "+";
    case v1::Span::STATE_ERROR:
      return "!";
    case v1::Span::STATE_CANCELLED:
      return "-";
    default:
      return ">";
  }
}

// "1 call", "1,204 calls".
std::string Counted(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", Grouped(count), noun, count == 1 ? "" : "s");
}

// Every line of `text` behind `indent`.
std::string Indented(std::string_view text, std::string_view indent) {
  std::string indented;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    indented += fmt::format("{}{}\n", indent, text.substr(0, end));
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
  return indented;
}

double Seconds(const google::protobuf::Timestamp& from, const google::protobuf::Timestamp& to) {
  return static_cast<double>(to.seconds() - from.seconds()) +
         static_cast<double>(to.nanos() - from.nanos()) * 1e-9;
}

void AddSteps(const v1::CellAgentResult& result, std::string& text) {
  text += fmt::format("\nPlan: {}, {} carried out\n", Counted(result.planned_steps(), "step"),
                      result.steps_size());
  for (const v1::StepResult& step : result.steps()) {
    text += fmt::format("  {}. {} ({})\n", step.id(), step.title(), step.kind());
    for (const v1::TrialResult& trial : step.trials()) {
      std::string tools;
      for (const std::string& tool : trial.tools()) tools += (tools.empty() ? "" : ", ") + tool;
      const std::string metric =
          trial.metric() >= 0 ? fmt::format(", metric {:.1f}", trial.metric()) : "";
      text += fmt::format("     {} trial {}: {}{}, {} [{}]\n",
                          trial.number() == step.chosen_trial() ? "*" : " ", trial.number(),
                          trial.ran() ? fmt::format("score {:.1f}", trial.score()) : "did not run",
                          metric, Counted(trial.attempts(), "attempt"), tools);
    }
  }
}

void AddTurns(const v1::ChatResult& result, std::string& text) {
  // The last reply is the task's answer, shown below.
  for (int i = 0; i + 1 < result.turns_size(); ++i) {
    const v1::ChatTurn& turn = result.turns(i);
    text += fmt::format("\n> {}\n{}\n", turn.user(), turn.reply());
  }
  if (result.turns_size() > 0) {
    text += fmt::format("\n> {}\n", result.turns(result.turns_size() - 1).user());
  }
}

void AddSolve(const v1::SolveResult& result, std::string& text) {
  text += fmt::format("\n{}, {} of tools", Counted(result.rounds(), "round"),
                      Counted(result.tool_calls(), "call"));
  if (result.summaries() == 1) text += ", 1 summary";
  if (result.summaries() > 1) text += fmt::format(", {} summaries", result.summaries());
  switch (result.ending()) {
    case v1::SolveResult::ENDING_ROUNDS:
      text += "; it answered as it had no rounds left";
      break;
    case v1::SolveResult::ENDING_BUDGET:
      text += "; it answered as its budget was nearly used up";
      break;
    case v1::SolveResult::ENDING_NO_PROGRESS:
      text += "; it answered as it made no progress";
      break;
    default:
      break;
  }
  text += "\n";
  for (const v1::SolveStep& step : result.plan()) {
    text += fmt::format("  [{}] {}\n", step.status(), step.title());
  }
  for (const v1::SolveReview& review : result.reviews()) {
    text +=
        fmt::format("  {}: {}\n", review.accepted() ? "accepted" : "sent back", review.critique());
  }
}

// What became of the prompts, the strongest of them, and what it cost.
void AddSpo(const v1::SpoResult& spo, std::string& text) {
  int accepted = 0;
  int refused = 0;
  for (const v1::SpoPrompt& prompt : spo.prompts()) {
    accepted += prompt.fate() == v1::SpoPrompt::FATE_ACCEPTED ? 1 : 0;
    refused += prompt.fate() == v1::SpoPrompt::FATE_REFUSED ? 1 : 0;
  }
  text += fmt::format("\n{}, {} accepted, {} refused untried; {}. Prompt {}: {}\n",
                      Counted(spo.prompts_size(), "prompt"), accepted, refused,
                      Counted(spo.duels_size(), "comparison"), spo.best(), spo.choice());
  for (const v1::CompareStrength& row : spo.tournament()) {
    text += fmt::format("  prompt {:>3}  {} ({} to {}), held out: {} won, {} lost, {} even{}\n",
                        row.name(), SignedText(row.strength(), 2), SignedText(row.low(), 2),
                        SignedText(row.high(), 2), row.wins(), row.losses(), row.ties(),
                        row.name() == std::to_string(spo.best()) ? "; the result" : "");
  }
  for (const v1::SpoRoleCost& cost : spo.costs()) {
    text += fmt::format("  {:<10} {:>6} call{}, {} + {} tokens", cost.role(),
                        Grouped(cost.model_calls()), cost.model_calls() == 1 ? "" : "s",
                        Grouped(cost.input_tokens()), Grouped(cost.output_tokens()));
    // Without a price nothing is known of the money.
    if (cost.cost_microusd() > 0) {
      text += fmt::format(", ${:.4f}", static_cast<double>(cost.cost_microusd()) * 1e-6);
    }
    text += "\n";
  }
}

std::string SecondsText(const google::protobuf::Duration& time) {
  const double seconds = static_cast<double>(time.seconds()) + time.nanos() * 1e-9;
  return seconds < 10 ? fmt::format("{:.2f} s", seconds) : fmt::format("{:.1f} s", seconds);
}

// The table is the task's answer, shown below; these are runs that say why it is as it is.
void AddEvaluation(const v1::EvaluateSpec& spec, const v1::EvaluateResult& result,
                   std::string& text) {
  const std::string version = result.dataset().substr(0, result.dataset().find('@') + 13);
  const std::string split = result.split().empty() ? "" : " [" + result.split() + "]";
  text += fmt::format("\n{}{}: {}, {} done", version, split, Counted(result.items(), "item"),
                      Counted(result.runs_done(), "run"));
  if (result.repeats() > 1) text += fmt::format(", {} on each item", result.repeats());
  text += "\n";
  for (int i = 0; i < result.variants_size() && i < spec.variants_size(); ++i) {
    // Of a digest nobody knows what it is of.
    const v1::PromptVariant& variant = spec.variants(i);
    if (!variant.name().empty()) continue;
    const std::string& said = variant.has_template_() ? variant.template_() : variant.text();
    if (said.empty()) continue;
    text += fmt::format("  {} is \"{}\"\n", result.variants(i).name(), OneLine(said, kRunWidth));
  }
  for (const v1::VariantResult& variant : result.variants()) {
    text += fmt::format("  {}: a run took {} (median), {} (95th percentile)", variant.name(),
                        SecondsText(variant.latency_median()), SecondsText(variant.latency_p95()));
    for (int i = 0; i < variant.graders_size() && variant.graders_size() > 1; ++i) {
      const v1::GraderResult& grader = variant.graders(i);
      text +=
          fmt::format("{} {} {:.3f}", i == 0 ? "; by grader:" : ",", grader.name(), grader.score());
    }
    text += "\n";
  }
  int shown = 0;
  for (const v1::RunResult& run : result.runs()) {
    if (run.passed() || shown == kMaxRunsShown) break;
    if (++shown == 1) text += "\nDid not pass (all are in results.jsonl):\n";
    const std::string why =
        run.error().empty() && run.grades_size() > 0 ? run.grades(0).reason() : run.error();
    const std::string label = result.variants_size() > 1 ? " " + run.variant() : "";
    // What was judged of a long answer says more than its beginning.
    const std::string& judged = run.grades_size() > 0 && !run.grades(0).judged().empty()
                                    ? run.grades(0).judged()
                                    : run.answer();
    text += fmt::format("  {}{}: {}\n      expected {}, got {} ({})\n", run.item_id(), label,
                        OneLine(run.question(), kRunWidth), OneLine(run.expected(), kRunWidth),
                        OneLine(judged, kRunWidth), OneLine(why, kRunWidth));
  }
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string kept;
  kept.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control = byte < 0x20 || byte == 0x7F;
    // The second half of the control characters is two bytes in UTF-8: C2 80 to C2 9F.
    const bool steers =
        byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (steers) ++i;
    if (steers || (control && byte != '\n' && byte != '\t')) {
      kept += ' ';
    } else {
      kept += text[i];
    }
  }
  return kept;
}

std::string OneLine(std::string_view text, size_t width) {
  std::string line = Printable(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\t', ' ');
  if (width == 0) return line;
  const auto begins = [&](size_t i) { return (line[i] & 0xC0) != 0x80; };
  size_t characters = 0;
  size_t cut = 0;  // where the dots would go
  for (size_t i = 0; i < line.size(); ++i) {
    if (!begins(i)) continue;
    if (width > 3 && characters == width - 3) cut = i;
    if (++characters > width) return line.substr(0, cut) + (width > 3 ? "..." : "");
  }
  return line;
}

std::vector<std::string> Lines(std::string_view text, size_t width) {
  std::vector<std::string> lines(1);
  size_t characters = 0;
  for (const char c : Printable(text)) {
    const bool begins = (c & 0xC0) != 0x80;
    if (c == '\n' || (begins && width > 0 && characters == width)) {
      lines.emplace_back();
      characters = 0;
      if (c == '\n') continue;
    }
    if (begins) ++characters;
    lines.back() += c == '\t' ? ' ' : c;
  }
  return lines;
}

std::string AnswerHint(const std::string& question, bool is_approval) {
  const std::string command = "troupe respond " + question;
  if (!is_approval) return command + " TEXT";
  return command + " --approve  (or --deny REASON, --edit JSON, --approve-all)";
}

std::string UsageText(const v1::Usage& usage) {
  std::string text =
      fmt::format("{}, {}, {} + {} tokens", Counted(usage.model_calls(), "model call"),
                  Counted(usage.tool_calls(), "tool call"), Grouped(usage.input_tokens()),
                  Grouped(usage.output_tokens()));
  if (usage.estimated()) text += " (partly estimated)";
  if (usage.cost_microusd() > 0) {
    text += fmt::format(", ${:.4f}", static_cast<double>(usage.cost_microusd()) * 1e-6);
  }
  return text;
}

std::string StateText(v1::Task::State state) {
  const std::string name = v1::Task::State_Name(state);
  return name.rfind("STATE_", 0) == 0 ? name.substr(6) : name;
}

std::string DurationText(const v1::Span& span) {
  if (!span.has_end_time()) return "";
  const double seconds = Seconds(span.begin_time(), span.end_time());
  if (seconds < 0) return "";  // the clock was set back meanwhile
  return seconds < 1 ? fmt::format("{:.0f} ms", seconds * 1000) : fmt::format("{:.1f} s", seconds);
}

std::string OriginText(const v1::Span& span) {
  const auto& attributes = span.attributes().fields();
  if (attributes.contains("replaced")) return "(replaced by the fork)";
  if (!attributes.contains("inherited_from")) return "";
  return attributes.contains("request_differs") ? "(inherited; now asked otherwise)"
                                                : "(inherited)";
}

std::string SpanLine(const v1::Span& span) {
  const auto depth =
      span.path().empty() ? 0 : 1 + std::count(span.path().begin(), span.path().end(), '/');
  std::string line = fmt::format("{}{} {}", std::string(static_cast<size_t>(2 * depth), ' '),
                                 Mark(span.state()), span.type());
  if (!span.title().empty() && span.title() != span.type()) line += " " + span.title();
  if (!span.model().empty()) {
    line += fmt::format(" [{}: {}]", span.role(), span.model());
  } else if (!span.role().empty()) {
    line += fmt::format(" [{}]", span.role());
  }
  if (const std::string time = DurationText(span); !time.empty()) line += "  " + time;
  if (const std::string origin = OriginText(span); !origin.empty()) line += "  " + origin;
  const v1::Usage& usage = span.usage();
  if (usage.input_tokens() + usage.output_tokens() > 0) {
    line += fmt::format("  {}+{} tokens", Grouped(usage.input_tokens()),
                        Grouped(usage.output_tokens()));
    if (usage.cost_microusd() > 0) {
      line += fmt::format(" ${:.4f}", static_cast<double>(usage.cost_microusd()) * 1e-6);
    }
  }
  const auto score = span.attributes().fields().find("score");
  if (score != span.attributes().fields().end()) {
    line += fmt::format("  score {:.1f}", score->second.number_value());
  }
  if (span.has_error()) line += "  " + OneLine(span.error().message(), kMaxErrorShown);
  return OneLine(line, 0);
}

std::string TaskText(const v1::Task& task) {
  std::string text =
      fmt::format("{}  {}  {}\n", task.name(), StateText(task.state()), task.title());
  text += "  " + UsageText(task.usage()) + "\n";
  if (task.has_error()) text += Indented(task.error().message(), "  ");
  if (!task.forked_from().empty()) text += "  forked from " + task.forked_from() + "\n";
  if (!task.replay_of().empty()) text += "  replay of " + task.replay_of() + "\n";
  for (const v1::PendingQuestion& question : task.pending_questions()) {
    text += fmt::format("\nIt asks ({}):\n{}", question.name(), Indented(question.prompt(), "  "));
    const bool approval = question.kind() == v1::PendingQuestion::KIND_APPROVAL;
    if (question.kind() == v1::PendingQuestion::KIND_INTERRUPTED_CALL) {
      text += "  The call: " + question.detail_json() + "\n";
    }
    text += fmt::format("  Answer with: {}\n", AnswerHint(question.name(), approval));
  }
  if (task.result().has_cellagent()) AddSteps(task.result().cellagent(), text);
  if (task.result().has_solve()) AddSolve(task.result().solve(), text);
  if (task.result().has_spo()) AddSpo(task.result().spo(), text);
  if (task.result().has_evaluate()) {
    AddEvaluation(task.spec().evaluate(), task.result().evaluate(), text);
  }
  if (task.result().has_chat()) AddTurns(task.result().chat(), text);
  if (!task.result().text().empty()) text += "\n" + task.result().text() + "\n";
  if (task.result().artifacts_size() > 0) {
    text += "\nArtifacts:\n";
    for (const v1::Artifact& artifact : task.result().artifacts()) {
      text += fmt::format("  {}  ({} bytes, {})\n", artifact.path(), Grouped(artifact.size_bytes()),
                          artifact.description());
    }
  }
  return Printable(text);
}

}  // namespace troupe::client
