#include "agents/evaluate/evaluate_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "agents/evaluate/evaluate_report.h"
#include "agents/evaluate/evaluate_spec.h"
#include "agents/evaluate/item_selection.h"
#include "agents/runtime/task_result.h"
#include "agents/workflow/operations.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int64_t kMaxRuns = 50'000;
constexpr char kItems[] = "spec.evaluate.items";
constexpr char kResultsFile[] = "results.jsonl";

absl::Status CheckRuns(size_t items, size_t variants, int repeats) {
  const auto runs =
      static_cast<int64_t>(items * std::max<size_t>(1, variants)) * std::max(1, repeats);
  if (runs <= kMaxRuns) return absl::OkStatus();
  return WrongEvaluate("items.limit", fmt::format("makes {} runs, over {}: take fewer items, "
                                                  "variants or repeats",
                                                  runs, kMaxRuns));
}

// The variants of an evaluation as baselines for others on the same version of a data set.
absl::StatusOr<Json> BaselinesOf(const std::string& task, const v1::TaskResult& result,
                                 const std::string& digest) {
  if (!result.has_evaluate() || result.evaluate().variants().empty()) {
    return WrongEvaluate("baseline", fmt::format("{} is no evaluation", task));
  }
  if (!result.evaluate().dataset().ends_with("@" + digest)) {
    return WrongEvaluate("baseline",
                         fmt::format("{} was made on {}: it must be the same version of "
                                     "the same data set",
                                     task, result.evaluate().dataset()));
  }
  Json baselines = Json::array();
  for (const v1::VariantResult& variant : result.evaluate().variants()) {
    const bool only = result.evaluate().variants_size() == 1;
    Json baseline = {{"name", only ? task : fmt::format("{}:{}", task, variant.name())},
                     {"numbers", Json::array()},
                     {"scores", Json::array()},
                     {"passes", Json::array()}};
    for (int i = 0; i < variant.item_numbers_size(); ++i) {
      baseline["numbers"].push_back(variant.item_numbers(i));
      baseline["scores"].push_back(static_cast<double>(variant.item_scores(i)));
      baseline["passes"].push_back(variant.item_passes(i));
    }
    baselines.push_back(std::move(baseline));
  }
  return baselines;
}

std::vector<EvaluationBaseline> BaselinesIn(const Json& recorded) {
  std::vector<EvaluationBaseline> baselines;
  // Once a task had a single one, without a list around it.
  const Json list = recorded.is_array() ? recorded : Json::array({recorded});
  for (const Json& each : list) {
    EvaluationBaseline baseline;
    baseline.name = JsonString(each, "name");
    baseline.numbers = JsonArray(each, "numbers").get<std::vector<int32_t>>();
    baseline.scores = JsonArray(each, "scores").get<std::vector<double>>();
    baseline.passes = JsonArray(each, "passes").get<std::vector<bool>>();
    baselines.push_back(std::move(baseline));
  }
  return baselines;
}

// A value that is read once and then recorded: later lives need its source no more.
template <typename Read>
Async<Json> FixOnce(const Scope& scope, std::string name, Read read) {
  CO_ASSIGN_OR_RETURN(Json recorded, scope.RecallValue(name, SpanKind::kValue));
  if (!recorded.is_null()) co_return recorded;
  CO_ASSIGN_OR_RETURN(Json value, read());
  co_return co_await scope.Fix(std::move(name), std::move(value));
}

// The rows of all runs as an artifact, tried twice: a disk that was full may have room then.
AsyncStatus WriteRuns(const Scope& task, std::string lines, v1::TaskResult& result) {
  Scope closing = task.ForClosing().Open("closing", "closing", "Write the results");
  Json arguments = {{"name", kResultsFile},
                    {"description", "All runs with answers and grades, one a line"},
                    {"text", std::move(lines)}};
  auto written = co_await closing.CallTool("write", "write_artifact", arguments);
  if (closing.cancelled().ok() && (!written.ok() || written->is_error)) {
    written = co_await closing.CallTool("write.again", "write_artifact", std::move(arguments));
  }
  closing.End(written.status());
  CO_RETURN_IF_ERROR(written.status());
  AddArtifacts(written->artifacts, result);
  co_return absl::OkStatus();
}

}  // namespace

std::string EvaluateKind::TitleOf(const v1::TaskSpec& spec) const {
  const v1::EvaluateSpec& evaluate = spec.evaluate();
  std::string what = "a prompt";
  if (evaluate.variants_size() > 1) what = fmt::format("{} prompts", evaluate.variants_size());
  if (evaluate.has_agent() && evaluate.variants_size() < 2) what = "an agent";
  if (evaluate.has_workflow() && evaluate.variants_size() < 2) what = "a workflow";
  return fmt::format("Evaluate {} on {}", what, evaluate.items().dataset());
}

absl::Status EvaluateKind::Validate(const v1::TaskSpec& spec) const {
  const v1::EvaluateSpec& evaluate = spec.evaluate();
  RETURN_IF_ERROR(CheckEvaluateSpec(evaluate));
  ASSIGN_OR_RETURN(const GraderSet graders, MakeGraders(evaluate));
  const auto found = FindItems(*services_.datasets, SelectionOf(evaluate.items()));
  if (!found.ok()) return OfSelection(kItems, found.status());
  RETURN_IF_ERROR(CheckRuns(found->numbers.size(), static_cast<size_t>(evaluate.variants_size()),
                            evaluate.repeats()));
  const auto& fields = found->dataset.fields;
  RETURN_IF_ERROR(graders.CheckItems(fields, !found->fields.answer.empty()));
  RETURN_IF_ERROR(MakeTarget(evaluate, fields, services_.workflows).status());
  ASSIGN_OR_RETURN(const Json registered, ReadRegistered(evaluate, *services_.prompts));
  RETURN_IF_ERROR(MakeVariants(evaluate, registered, fields, *services_.prompts).status());
  if (evaluate.baseline().empty()) return absl::OkStatus();
  const auto result = services_.read_result(evaluate.baseline());
  if (!result.ok()) return WrongEvaluate("baseline", MessageOf(result.status()));
  return BaselinesOf(evaluate.baseline(), *result, found->dataset.digest).status();
}

std::vector<std::string> EvaluateKind::PromptFamilies(const v1::TaskSpec& spec) const {
  std::vector<std::string> families = {"evaluate"};
  if (spec.evaluate().has_agent() && spec.evaluate().agent().task().fields_size() == 1) {
    families.push_back(spec.evaluate().agent().task().fields().begin()->first);
  }
  if (!spec.evaluate().has_workflow()) return families;
  for (std::string& family : PromptFamiliesOf(spec.evaluate().workflow().workflow())) {
    families.push_back(std::move(family));
  }
  return families;
}

Async<v1::TaskResult> EvaluateKind::Run(Scope& scope, v1::TaskSpec spec) const {
  const v1::EvaluateSpec& evaluate = spec.evaluate();
  auto opened = co_await ItemReader::Open(scope, services_.datasets, SelectionOf(evaluate.items()));
  CO_RETURN_IF_ERROR(OfSelection(kItems, opened.status()));
  const std::shared_ptr<ItemReader> items = *std::move(opened);
  const auto& fields = items->field_names();
  EvaluateOptions options;
  CO_ASSIGN_OR_RETURN(options.graders, MakeGraders(evaluate));
  CO_RETURN_IF_ERROR(options.graders.CheckItems(fields, !items->fields().answer.empty()));
  CO_ASSIGN_OR_RETURN(options.target, MakeTarget(evaluate, fields, services_.workflows));
  const auto read_registered = [&] { return ReadRegistered(evaluate, *services_.prompts); };
  CO_ASSIGN_OR_RETURN(const Json registered, co_await FixOnce(scope, "variants", read_registered));
  CO_ASSIGN_OR_RETURN(options.variants,
                      MakeVariants(evaluate, registered, fields, *services_.prompts));
  if (evaluate.concurrency() > 0) options.concurrency = evaluate.concurrency();
  if (evaluate.repeats() > 0) options.repeats = evaluate.repeats();
  if (evaluate.confidence() > 0) options.confidence = evaluate.confidence();
  CO_RETURN_IF_ERROR(CheckRuns(items->numbers().size(), options.variants.size(), options.repeats));
  if (!evaluate.baseline().empty()) {
    const auto read_baseline = [&]() -> absl::StatusOr<Json> {
      ASSIGN_OR_RETURN(const v1::TaskResult result, services_.read_result(evaluate.baseline()));
      return BaselinesOf(evaluate.baseline(), result, items->digest());
    };
    CO_ASSIGN_OR_RETURN(const Json baseline, co_await FixOnce(scope, "baseline", read_baseline));
    options.baselines = BaselinesIn(baseline);
  }
  CO_ASSIGN_OR_RETURN(const EvaluateOutcome outcome, co_await RunEvaluation(scope, items, options));
  v1::TaskResult result;
  result.set_text(EvaluationTable(options, outcome));
  result.set_stop_reason(StopReasonOf(outcome.stopped));
  *result.mutable_evaluate() = ResultOf(options, outcome);
  result.mutable_evaluate()->set_dataset(
      fmt::format("datasets/{}@{}", items->dataset(), items->digest()));
  result.mutable_evaluate()->set_split(evaluate.items().split());
  result.mutable_evaluate()->set_items(static_cast<int32_t>(items->numbers().size()));
  AddWins(options, outcome, result);
  CO_RETURN_IF_ERROR(co_await WriteRuns(scope, RunLines(options, outcome), result));
  AddRunArtifacts(options, outcome, result);
  co_return result;
}

}  // namespace troupe
