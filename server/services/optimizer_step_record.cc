#include "server/services/optimizer_step_record.h"

#include <fmt/format.h>

#include <random>

#include "agents/runtime/task_result.h"
#include "agents/runtime/text.h"
#include "agents/trace/graph.h"
#include "agents/trace/graph_message.h"
#include "server/scheduler/resource_name.h"
#include "server/services/convert.h"
#include "server/services/errors.h"
#include "server/services/optimizer_budget.h"
#include "server/services/optimizer_values.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kShownFeedback = 4 << 10;

}  // namespace

absl::Status WrongOptimizer(const std::string& field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what), {{"field", field}});
}

absl::Status Renamed(const absl::Status& status, std::string_view from, std::string_view to) {
  ErrorMetadata metadata = MetadataOf(status);
  const auto field = metadata.find("field");
  if (field == metadata.end() || !field->second.starts_with(from)) return status;
  field->second = std::string(to) + field->second.substr(from.size());
  std::string message(MessageOf(status));
  if (message.starts_with(from)) message = std::string(to) + message.substr(from.size());
  return Error(*ReasonOf(status), message, metadata);
}

std::string NewOptimizerId() {
  std::random_device device;
  return fmt::format("o-{:08x}{:08x}", device(), device());
}

absl::StatusOr<OptimizerStepName> ParseStepName(const std::string& name) {
  const size_t steps = name.rfind("/steps/");
  const std::string digits = steps == std::string::npos ? "" : name.substr(steps + 7);
  const bool number = !digits.empty() && digits.size() <= 9 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
  const auto optimizer = ParseIn("optimizers", name.substr(0, steps));
  if (!number || !optimizer.ok()) {
    return WrongOptimizer(
        "name",
        fmt::format("'{}' is not of the form optimizers/{{optimizer}}/steps/{{number}}", name));
  }
  return OptimizerStepName{*optimizer, std::stoi(digits)};
}

absl::Status NoSuchStep(const std::string& name) {
  return Error(Reason::kNotFound, fmt::format("there is no step '{}'", name), {{"name", name}});
}

absl::StatusOr<v1::OptimizerStep> MessageOfStep(const OptimizerStepRecord& record) {
  v1::OptimizerStep step;
  if (step.ParseFromString(record.message)) return step;
  return Error(Reason::kStoreFailed, "a stored step of an optimizer cannot be read");
}

std::string RequestHash(const v1::StepRequest& request) {
  v1::StepRequest what = request;
  what.clear_wait();
  return std::string(Sha256(what.SerializeAsString()).bytes());
}

absl::Status FillBefore(const v1::StepRequest& request, v1::OptimizerStep& step) {
  ASSIGN_OR_RETURN(const Graph graph, GraphFromMessage(request.graph(), "graph"));
  ParameterValues values;
  for (const NodeId id : graph.parameters()) {
    const Graph::Node& node = graph.node(id);
    values[node.name] = ValueMessage(node.value, node.type);
  }
  FillValues(values, *step.mutable_values_before());
  std::string feedback;
  for (const v1::GraphFeedback& each : request.feedback()) {
    if (!feedback.empty()) feedback += "\n\n";
    const std::string text =
        each.feedback().empty() ? ErrorFeedback(graph.node(each.output())) : each.feedback();
    feedback += request.feedback_size() > 1
                    ? fmt::format("{}: {}", graph.node(each.output()).identifier, text)
                    : text;
    if (feedback.size() > kShownFeedback) break;
  }
  step.set_feedback(TruncateUtf8(feedback, kShownFeedback));
  return absl::OkStatus();
}

void TakeUp(const TaskRow& row, OptimizerRecord& record, v1::Optimizer& optimizer,
            v1::OptimizerStep& step) {
  v1::TaskResult result;
  v1::Usage usage;
  if (usage.ParseFromString(row.usage)) *step.mutable_usage() = usage;
  AddUsageTo(usage, *optimizer.mutable_usage());
  *step.mutable_end_time() = TimestampOf(row.end_time);
  const bool read = result.ParseFromString(row.result) && result.has_optimizer_step();
  if (row.state != v1::Task::STATE_SUCCEEDED || !read) {
    step.set_state(v1::OptimizerStep::STATE_FAILED);
    absl::Status error =
        row.error.empty() ? ErrorOf(result.stop_reason()) : StatusFromText(row.error);
    if (error.ok()) error = Error(Reason::kInternal, "the step's task ended without a result");
    *step.mutable_error() = RpcStatus(error);
    return;
  }
  v1::OptimizerStepResult& came = *result.mutable_optimizer_step();
  step.set_state(v1::OptimizerStep::STATE_SUCCEEDED);
  ParameterValues values = ValuesIn(step.values_before());
  for (const v1::ParameterChange& each : came.changes()) values[each.name()] = each.new_value();
  FillValues(values, *step.mutable_values_after());
  *step.mutable_changes() = std::move(*came.mutable_changes());
  *step.mutable_refused() = std::move(*came.mutable_refused());
  step.set_reasoning(came.reasoning());
  step.set_answer(came.answer());
  step.set_finished(came.finished());
  *step.mutable_unreached() = std::move(*came.mutable_unreached());
  record.state = came.state_json();
  ParameterValues current = ValuesIn(optimizer.parameters());
  for (const auto& [name, value] : values) current[name] = value;
  FillValues(current, *optimizer.mutable_parameters());
}

v1::TaskSpec TaskSpecOf(const v1::OptimizerSettings& settings) {
  v1::TaskSpec spec;
  *spec.mutable_optimizer_step()->mutable_optimizer() = settings.config();
  if (settings.has_budget()) *spec.mutable_budget() = settings.budget();
  *spec.mutable_models() = settings.models();
  *spec.mutable_prompts() = settings.prompts();
  spec.set_seed(settings.seed());
  return spec;
}

}  // namespace troupe
