// troupe optimizer: list, show, best, revert, delete.
#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/download_file.h"
#include "clients/cpp/render.h"
#include "troupe/v1/optimizer_service.grpc.pb.h"

namespace troupe::client {
namespace {

constexpr size_t kLineWidth = 110;
// What an optimizer is told that was given no objective.
constexpr char kUsualObjective[] = "(to make the output better, judging by the feedback)";
// A step has the values of all parameters several times.
constexpr int kMostMessageBytes = 64 << 20;

struct OptimizerOptions {
  std::string optimizer;
  int step = 0;
  std::string reason;
  bool markdown = false;
  std::string svg;
};

std::unique_ptr<v1::OptimizerService::Stub> OptimizersOf(const GlobalOptions& global) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMostMessageBytes);
  return v1::OptimizerService::NewStub(
      grpc::CreateCustomChannel(global.server, grpc::InsecureChannelCredentials(), arguments));
}

std::string OptimizerName(const std::string& given) {
  return given.starts_with("optimizers/") ? given : "optimizers/" + given;
}

std::string ShownValue(const v1::GraphValue& value) {
  switch (value.kind_case()) {
    case v1::GraphValue::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case v1::GraphValue::kIntValue:
      return std::to_string(value.int_value());
    case v1::GraphValue::kDoubleValue:
      return fmt::format("{}", value.double_value());
    case v1::GraphValue::kText:
      return value.text();
    case v1::GraphValue::kJson:
      return value.json();
    case v1::GraphValue::kCode:
      return value.code();
    case v1::GraphValue::KIND_NOT_SET:
      break;
  }
  return "null";
}

void PrintValues(const google::protobuf::RepeatedPtrField<v1::ParameterValue>& values) {
  for (const v1::ParameterValue& each : values) {
    const std::string value = ShownValue(each.value());
    if (value.find('\n') == std::string::npos) {
      std::cout << fmt::format("  {} = {}\n", each.name(), value);
    } else {
      std::cout << fmt::format("  {}:\n{}\n", each.name(), value);
    }
  }
}

std::string StepWord(const v1::OptimizerStep& step) {
  if (step.kind() == v1::OptimizerStep::KIND_REVERT) {
    return fmt::format("back to step {}", step.reverted_to());
  }
  if (step.state() == v1::OptimizerStep::STATE_RUNNING) return "at work";
  if (step.state() == v1::OptimizerStep::STATE_FAILED) return "failed: " + step.error().message();
  if (step.finished()) return "nothing is left to change";
  return step.changes().empty() ? "changes nothing"
                                : fmt::format("changes {}", step.changes_size());
}

void PrintStep(const v1::OptimizerStep& step) {
  std::cout << fmt::format("\n{}  {}  {}\n", step.name(), StepWord(step), step.task());
  if (step.has_score_before())
    std::cout << fmt::format("  score before: {}\n", step.score_before());
  for (const double score : step.scores_after())
    std::cout << fmt::format("  score after: {}\n", score);
  if (!step.feedback().empty()) {
    std::cout << "  feedback: " << OneLine(step.feedback(), kLineWidth) << "\n";
  }
  if (!step.reasoning().empty()) {
    std::cout << "  why: " << OneLine(step.reasoning(), kLineWidth) << "\n";
  }
  for (const v1::RefusedSuggestion& each : step.refused()) {
    std::cout << fmt::format("  not taken: {} {}\n", each.name(),
                             OneLine(each.reason(), kLineWidth));
  }
  for (const v1::ParameterChange& each : step.changes()) {
    std::cout << fmt::format("  {}\n{}", each.name(), each.diff());
  }
}

// A fence that is longer than any run of backquotes inside.
std::string FenceFor(const std::string& text) {
  size_t longest = 0;
  size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return std::string(std::max<size_t>(3, longest + 1), '`');
}

void PrintBlock(const std::string& kind, const std::string& text) {
  const std::string fence = FenceFor(text);
  std::cout << fmt::format("{}{}\n{}{}{}\n\n", fence, kind, text, text.ends_with('\n') ? "" : "\n",
                           fence);
}

void PrintStepMarkdown(const v1::OptimizerStep& step) {
  std::cout << fmt::format("## {}: {}\n\n", step.name(), StepWord(step));
  if (step.has_score_before())
    std::cout << fmt::format("Score before: {}\n\n", step.score_before());
  for (const double score : step.scores_after())
    std::cout << fmt::format("Score after: {}\n\n", score);
  if (!step.feedback().empty()) {
    std::cout << "Feedback:\n\n";
    PrintBlock("", step.feedback());
  }
  if (!step.reasoning().empty()) std::cout << step.reasoning() << "\n\n";
  for (const v1::RefusedSuggestion& each : step.refused()) {
    std::cout << fmt::format("Not taken: `{}`: {}\n\n", each.name(), each.reason());
  }
  for (const v1::ParameterChange& each : step.changes()) {
    std::cout << fmt::format("`{}`\n\n", each.name());
    PrintBlock("diff", each.diff());
  }
}

// "optoprime_multi"
std::string AlgorithmName(const v1::Optimizer& optimizer) {
  auto algorithm = optimizer.settings().config().algorithm();
  if (algorithm == v1::OptimizerConfig::ALGORITHM_UNSPECIFIED) {
    algorithm = v1::OptimizerConfig::ALGORITHM_OPTOPRIME;
  }
  const std::string name = v1::OptimizerConfig::Algorithm_Name(algorithm);
  // One that this client does not know yet has no name.
  if (name.empty()) return fmt::format("algorithm {}", static_cast<int>(algorithm));
  return absl::AsciiStrToLower(name.substr(std::string_view("ALGORITHM_").size()));
}

int ListOptimizers(const GlobalOptions& global, const OptimizerOptions&) {
  const auto optimizers = OptimizersOf(global);
  v1::ListOptimizersRequest request;
  v1::ListOptimizersResponse all;
  do {
    v1::ListOptimizersResponse page;
    const auto status = optimizers->ListOptimizers(CallContext().get(), request, &page);
    if (!status.ok()) return Report(status, global.json);
    request.set_page_token(page.next_page_token());
    all.mutable_optimizers()->MergeFrom(page.optimizers());
  } while (!request.page_token().empty());
  if (global.json) {
    std::cout << ToJson(all) << std::endl;
    return kExitOk;
  }
  for (const v1::Optimizer& each : all.optimizers()) {
    std::cout << fmt::format("{}  {}, {} steps, {} model calls  {}\n", each.name(),
                             AlgorithmName(each), each.steps(), each.usage().model_calls(),
                             OneLine(each.settings().title(), kLineWidth));
    const std::string& objective = each.settings().config().objective();
    std::cout << fmt::format("    {}\n",
                             objective.empty() ? kUsualObjective : OneLine(objective, kLineWidth));
  }
  std::cout << std::flush;
  return kExitOk;
}

// The picture of the program as a step was shown it: of `number`, or of the last that drew one (0).
int FetchPicture(const GlobalOptions& global, const v1::ListStepsResponse& all, int number,
                 const std::string& file) {
  for (auto step = all.steps().rbegin(); step != all.steps().rend(); ++step) {
    const bool wanted = number == 0 ? step->state() == v1::OptimizerStep::STATE_SUCCEEDED
                                    : step->name().ends_with(fmt::format("/{}", number));
    if (!wanted || step->task().empty()) continue;
    return FetchArtifact(global, step->task(), "graph.svg", file);
  }
  const std::string what = number == 0 ? "no step has succeeded yet"
                                       : fmt::format("there is no step {} with a picture", number);
  return Report(grpc::Status(grpc::StatusCode::NOT_FOUND, what), global.json);
}

int ShowOptimizer(const GlobalOptions& global, const OptimizerOptions& options) {
  const auto optimizers = OptimizersOf(global);
  v1::GetOptimizerRequest get;
  get.set_name(OptimizerName(options.optimizer));
  v1::GetOptimizerResponse optimizer;
  auto status = optimizers->GetOptimizer(CallContext().get(), get, &optimizer);
  if (!status.ok()) return Report(status, global.json);
  v1::ListStepsRequest request;
  request.set_parent(get.name());
  v1::ListStepsResponse all;
  do {
    v1::ListStepsResponse page;
    status = optimizers->ListSteps(CallContext().get(), request, &page);
    if (!status.ok()) return Report(status, global.json);
    request.set_page_token(page.next_page_token());
    all.mutable_steps()->MergeFrom(page.steps());
  } while (!request.page_token().empty());
  if (!options.svg.empty()) return FetchPicture(global, all, options.step, options.svg);
  if (global.json) {
    std::cout << fmt::format("{{\"optimizer\": {}, \"steps\": {}}}", ToJson(optimizer.optimizer()),
                             ToJson(all))
              << std::endl;
    return kExitOk;
  }
  if (options.markdown) {
    std::cout << fmt::format("# {}\n\n{}\n\n", optimizer.optimizer().name(),
                             optimizer.optimizer().settings().title());
    for (const v1::OptimizerStep& step : all.steps()) PrintStepMarkdown(step);
    std::cout << std::flush;
    return kExitOk;
  }
  std::cout << fmt::format("{}  {}\n", optimizer.optimizer().name(),
                           optimizer.optimizer().settings().title());
  std::cout << fmt::format(
      "{} model calls, {} tokens\n", optimizer.optimizer().usage().model_calls(),
      optimizer.optimizer().usage().input_tokens() + optimizer.optimizer().usage().output_tokens());
  for (const v1::OptimizerStep& step : all.steps()) PrintStep(step);
  std::cout << "\nnow\n";
  PrintValues(optimizer.optimizer().parameters());
  std::cout << std::flush;
  return kExitOk;
}

int ShowBest(const GlobalOptions& global, const OptimizerOptions& options) {
  v1::GetBestRequest request;
  request.set_name(OptimizerName(options.optimizer));
  v1::GetBestResponse best;
  const auto status = OptimizersOf(global)->GetBest(CallContext().get(), request, &best);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(best) << std::endl;
    return kExitOk;
  }
  std::cout << fmt::format("score {} (of {}), {}\n", best.score(), best.scores(),
                           best.step().empty() ? "before all steps" : best.step());
  PrintValues(best.values());
  std::cout << std::flush;
  return kExitOk;
}

int Revert(const GlobalOptions& global, const OptimizerOptions& options) {
  v1::RevertRequest request;
  request.set_name(OptimizerName(options.optimizer));
  request.set_step(options.step);
  request.set_reason(options.reason);
  v1::RevertResponse response;
  const auto status = OptimizersOf(global)->Revert(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(response.step()) << std::endl;
    return kExitOk;
  }
  PrintStep(response.step());
  std::cout << std::flush;
  return kExitOk;
}

int DeleteOptimizer(const GlobalOptions& global, const OptimizerOptions& options) {
  v1::DeleteOptimizerRequest request;
  request.set_name(OptimizerName(options.optimizer));
  v1::DeleteOptimizerResponse response;
  const auto status =
      OptimizersOf(global)->DeleteOptimizer(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  if (global.json) std::cout << "{}" << std::endl;
  return kExitOk;
}

}  // namespace

void AddOptimizerCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto options = std::make_shared<OptimizerOptions>();
  CLI::App* optimizer = app.add_subcommand(
      "optimizer", "Optimizers of programs that run at clients, and their steps");
  optimizer->require_subcommand(1);
  using Run = int (*)(const GlobalOptions&, const OptimizerOptions&);
  const auto add = [&, optimizer](const char* name, const char* what, Run run) {
    CLI::App* command = optimizer->add_subcommand(name, what);
    command->callback([=, &global, &exit_code] { exit_code = run(global, *options); });
    return command;
  };
  const auto of_one = [&](const char* name, const char* what, Run run) {
    CLI::App* command = add(name, what, run);
    command->add_option("optimizer", options->optimizer, "The optimizer's name")->required();
    return command;
  };
  add("list", "List all optimizers, the newest first", ListOptimizers);
  CLI::App* show =
      of_one("show", "Show an optimizer and its steps, with what each changed", ShowOptimizer);
  show->add_flag("--markdown", options->markdown, "As Markdown");
  CLI::Option* svg =
      show->add_option("--svg", options->svg,
                       "Put the picture of the program, as a step was shown it, into this file");
  show->add_option("--step", options->step, "The step of the picture; without, the last")
      ->needs(svg);
  of_one("best", "Show the values with the best mean score", ShowBest);
  CLI::App* revert = of_one("revert", "Go back to the values after a step", Revert);
  revert->add_option("step", options->step, "Number of the step; 0: before all steps")->required();
  revert->add_option("--reason", options->reason, "Why, for the record");
  of_one("delete", "Delete an optimizer; the tasks of its steps stay", DeleteOptimizer);
}

}  // namespace troupe::client
