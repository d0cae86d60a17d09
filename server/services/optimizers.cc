#include "server/services/optimizers.h"

#include <absl/numeric/int128.h>
#include <fmt/format.h>

#include <cmath>
#include <future>
#include <random>

#include "agents/runtime/task_result.h"
#include "agents/runtime/text.h"
#include "agents/trace/graph.h"
#include "agents/trace/graph_message.h"
#include "agents/trace/graph_optimizer.h"
#include "agents/trace/optimizer_config.h"
#include "agents/trace/optimizer_step_kind.h"
#include "server/scheduler/check_spec.h"
#include "server/scheduler/resource_name.h"
#include "server/services/convert.h"
#include "server/services/errors.h"
#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxOptimizerId = 63;
constexpr size_t kMaxTitle = 200;
constexpr size_t kMaxContext = 16 << 10;
constexpr size_t kMaxRevertReason = 1000;
constexpr size_t kShownFeedback = 4 << 10;
constexpr int kMostScores = 100;
constexpr size_t kStepsPageBytes = 4 << 20;
constexpr char kLabel[] = "optimizer";

absl::Status WrongOptimizer(const std::string& field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what), {{"field", field}});
}

// The same error with its field's name as the request has it.
absl::Status Renamed(const absl::Status& status, std::string_view from, std::string_view to) {
  ErrorMetadata metadata = MetadataOf(status);
  const auto field = metadata.find("field");
  if (field == metadata.end() || !field->second.starts_with(from)) return status;
  field->second = std::string(to) + field->second.substr(from.size());
  std::string message(MessageOf(status));
  if (message.starts_with(from)) message = std::string(to) + message.substr(from.size());
  return Error(*ReasonOf(status), message, metadata);
}

std::string NewId() {
  std::random_device device;
  return fmt::format("o-{:08x}{:08x}", device(), device());
}

struct StepName {
  std::string optimizer;
  int32_t number = 0;
};
absl::StatusOr<StepName> ParseStepName(const std::string& name) {
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
  return StepName{*optimizer, std::stoi(digits)};
}

absl::Status NoSuchStep(const std::string& name) {
  return Error(Reason::kNotFound, fmt::format("there is no step '{}'", name), {{"name", name}});
}

absl::StatusOr<v1::OptimizerStep> MessageOfStep(const OptimizerStepRecord& record) {
  v1::OptimizerStep step;
  if (step.ParseFromString(record.message)) return step;
  return Error(Reason::kStoreFailed, "a stored step of an optimizer cannot be read");
}

// The limits that are left of `limit` when `used` is gone; kBudgetExceeded if nothing is.
absl::StatusOr<int64_t> Left(std::string_view what, int64_t limit, int64_t used) {
  if (limit == 0) return 0;
  if (used < limit) return limit - used;
  return Error(Reason::kBudgetExceeded,
               fmt::format("the optimizer's budget is used up: {} of {} {}", used, limit, what),
               {{"limit", std::string(what)}});
}

absl::StatusOr<v1::Budget> LimitsLeft(const v1::Budget& budget, const v1::Usage& used) {
  v1::Budget left = budget;
  ASSIGN_OR_RETURN(const int64_t calls,
                   Left("max_model_calls", budget.max_model_calls(), used.model_calls()));
  ASSIGN_OR_RETURN(const int64_t tools,
                   Left("max_tool_calls", budget.max_tool_calls(), used.tool_calls()));
  ASSIGN_OR_RETURN(const int64_t tokens, Left("max_tokens", budget.max_tokens(),
                                              used.input_tokens() + used.output_tokens()));
  ASSIGN_OR_RETURN(const int64_t cost,
                   Left("max_cost_microusd", budget.max_cost_microusd(), used.cost_microusd()));
  left.set_max_model_calls(calls);
  left.set_max_tool_calls(tools);
  left.set_max_tokens(tokens);
  left.set_max_cost_microusd(cost);
  return left;
}

void AddUsageTo(const v1::Usage& more, v1::Usage& all) {
  all.set_model_calls(all.model_calls() + more.model_calls());
  all.set_tool_calls(all.tool_calls() + more.tool_calls());
  all.set_input_tokens(all.input_tokens() + more.input_tokens());
  all.set_cached_input_tokens(all.cached_input_tokens() + more.cached_input_tokens());
  all.set_output_tokens(all.output_tokens() + more.output_tokens());
  all.set_reasoning_tokens(all.reasoning_tokens() + more.reasoning_tokens());
  all.set_cost_microusd(all.cost_microusd() + more.cost_microusd());
  all.set_estimated(all.estimated() || more.estimated());
  const auto add = [](const google::protobuf::Duration& from, google::protobuf::Duration& to) {
    int64_t nanos = int64_t{to.nanos()} + from.nanos();
    to.set_seconds(to.seconds() + from.seconds() + nanos / 1'000'000'000);
    to.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  };
  add(more.model_time(), *all.mutable_model_time());
  add(more.tool_time(), *all.mutable_tool_time());
}

using Values = std::map<std::string, v1::GraphValue>;
using ValueList = google::protobuf::RepeatedPtrField<v1::ParameterValue>;

Values ValuesIn(const ValueList& list) {
  Values values;
  for (const v1::ParameterValue& each : list) values[each.name()] = each.value();
  return values;
}

void FillValues(const Values& values, ValueList& list) {
  list.Clear();
  for (const auto& [name, value] : values) {
    v1::ParameterValue& each = *list.Add();
    each.set_name(name);
    *each.mutable_value() = value;
  }
}

// What makes two sets of values the same.
std::string KeyOf(const ValueList& list) {
  std::string key;
  for (const auto& [name, value] : ValuesIn(list)) {
    const std::string text = value.SerializeAsString();
    key += fmt::format("{}:{}{}:{}", name.size(), name, text.size(), text);
  }
  return key;
}

// Fills what a step's task came to into the step, and what it means for the optimizer.
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
  Values values = ValuesIn(step.values_before());
  for (const v1::ParameterChange& each : came.changes()) values[each.name()] = each.new_value();
  FillValues(values, *step.mutable_values_after());
  *step.mutable_changes() = std::move(*came.mutable_changes());
  *step.mutable_refused() = std::move(*came.mutable_refused());
  step.set_reasoning(came.reasoning());
  step.set_answer(came.answer());
  step.set_finished(came.finished());
  *step.mutable_unreached() = std::move(*came.mutable_unreached());
  record.state = came.state_json();
  Values current = ValuesIn(optimizer.parameters());
  for (const auto& [name, value] : values) current[name] = value;
  FillValues(current, *optimizer.mutable_parameters());
}

std::string RequestHash(const v1::StepRequest& request) {
  v1::StepRequest what = request;
  what.clear_wait();
  return HashBytes(Sha256Hex(what.SerializeAsString()));
}

// Of a graph that is checked.
absl::Status FillBefore(const v1::StepRequest& request, v1::OptimizerStep& step) {
  ASSIGN_OR_RETURN(const Graph graph, GraphFromMessage(request.graph(), "graph"));
  Values values;
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

// A small program, to check what an optimizer's tasks will be.
void FillSample(v1::OptimizerStepSpec& step) {
  v1::GraphNode& node = *step.mutable_graph()->add_nodes();
  node.set_name("x");
  node.mutable_value()->set_int_value(0);
  node.set_trainable(true);
  step.add_feedback()->set_feedback("f");
}

v1::TaskSpec SpecOf(const v1::OptimizerSettings& settings) {
  v1::TaskSpec spec;
  *spec.mutable_optimizer_step()->mutable_optimizer() = settings.config();
  if (settings.has_budget()) *spec.mutable_budget() = settings.budget();
  *spec.mutable_models() = settings.models();
  *spec.mutable_prompts() = settings.prompts();
  spec.set_seed(settings.seed());
  return spec;
}

}  // namespace

absl::StatusOr<v1::Optimizer> Optimizers::Create(const v1::CreateOptimizerRequest& request) {
  const std::string id = request.optimizer_id().empty() ? NewId() : request.optimizer_id();
  if (id.size() > kMaxOptimizerId || !CheckTaskId(id).ok()) {
    return WrongOptimizer("optimizer_id", "must match [a-z0-9][a-z0-9-]{0,62}");
  }
  const v1::OptimizerSettings& settings = request.settings();
  if (settings.title().size() > kMaxTitle)
    return WrongOptimizer("settings.title", "at most 200 bytes");
  RETURN_IF_ERROR(CheckOptimizerConfig(settings.config(), "settings.config"));
  v1::SubmitTaskRequest sample;
  *sample.mutable_spec() = SpecOf(settings);
  FillSample(*sample.mutable_spec()->mutable_optimizer_step());
  if (const absl::Status valid = manager_->Check(sample); !valid.ok()) {
    return Renamed(valid, "spec.", "settings.");
  }
  v1::Optimizer optimizer;
  optimizer.set_name("optimizers/" + id);
  *optimizer.mutable_settings() = settings;
  *optimizer.mutable_create_time() = TimestampOf(absl::Now());
  RETURN_IF_ERROR(store_->Create({0, id, optimizer.SerializeAsString(), ""}).status());
  return optimizer;
}

absl::StatusOr<Optimizers::Loaded> Optimizers::Load(const std::string& name) {
  ASSIGN_OR_RETURN(const std::string id, ParseIn("optimizers", name));
  Loaded loaded;
  ASSIGN_OR_RETURN(loaded.record, store_->Get(id));
  if (!loaded.message.ParseFromString(loaded.record.message)) {
    return Error(Reason::kStoreFailed, "a stored optimizer cannot be read");
  }
  RETURN_IF_ERROR(Settle(loaded));
  return loaded;
}

absl::Status Optimizers::Settle(Loaded& optimizer) {
  ASSIGN_OR_RETURN(std::optional<OptimizerStepRecord> record,
                   store_->FindRunning(optimizer.record.key));
  if (!record.has_value()) return absl::OkStatus();
  const auto task = manager_->Get(record->task);
  if (!task.ok() && !HasReason(task.status(), Reason::kNotFound)) return task.status();
  if (task.ok() && task->row.end_time == absl::InfinitePast()) return absl::OkStatus();
  ASSIGN_OR_RETURN(v1::OptimizerStep step, MessageOfStep(*record));
  if (task.ok()) {
    TakeUp(task->row, optimizer.record, optimizer.message, step);
  } else {
    // The server ended between the step and its task, or somebody deleted the task.
    step.set_state(v1::OptimizerStep::STATE_FAILED);
    *step.mutable_error() = RpcStatus(task.status());
    *step.mutable_end_time() = TimestampOf(absl::Now());
  }
  record->running = false;
  record->message = step.SerializeAsString();
  optimizer.record.message = optimizer.message.SerializeAsString();
  return store_->UpdateStep(*record, optimizer.record);
}

absl::StatusOr<v1::Optimizer> Optimizers::Get(const std::string& name) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Loaded loaded, Load(name));
  ASSIGN_OR_RETURN(const int32_t steps, store_->LastNumber(loaded.record.key));
  loaded.message.set_steps(steps);
  return std::move(loaded.message);
}

absl::StatusOr<std::vector<Optimizers::Listed>> Optimizers::List(int64_t before, int limit) {
  ASSIGN_OR_RETURN(const std::vector<OptimizerRecord> records, store_->List(before, limit));
  std::vector<Listed> listed;
  listed.reserve(records.size());
  for (const OptimizerRecord& record : records) {
    v1::Optimizer optimizer;
    if (!optimizer.ParseFromString(record.message)) {
      return Error(Reason::kStoreFailed, "a stored optimizer cannot be read");
    }
    optimizer.clear_parameters();
    ASSIGN_OR_RETURN(const int32_t steps, store_->LastNumber(record.key));
    optimizer.set_steps(steps);
    listed.push_back({record.key, std::move(optimizer)});
  }
  return listed;
}

absl::Status Optimizers::CheckNoneRuns(const Loaded& optimizer) {
  ASSIGN_OR_RETURN(const std::optional<OptimizerStepRecord> running,
                   store_->FindRunning(optimizer.record.key));
  if (!running.has_value()) return absl::OkStatus();
  return Error(
      Reason::kTaskNotTerminal,
      fmt::format("step {} of optimizers/{} is at work (tasks/{}): wait for its end, or cancel it",
                  running->number, optimizer.record.name, running->task),
      {{"name", "tasks/" + running->task}});
}

absl::Status Optimizers::Delete(const std::string& name) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Loaded loaded, Load(name));
  RETURN_IF_ERROR(CheckNoneRuns(loaded));
  return store_->Delete(loaded.record.key);
}

absl::Status Optimizers::SubmitTask(const Loaded& optimizer, const std::string& task,
                                    const v1::StepRequest& request) {
  v1::SubmitTaskRequest submit;
  submit.set_task_id(task);
  *submit.mutable_spec() = SpecOf(optimizer.message.settings());
  ASSIGN_OR_RETURN(*submit.mutable_spec()->mutable_budget(),
                   LimitsLeft(optimizer.message.settings().budget(), optimizer.message.usage()));
  (*submit.mutable_spec()->mutable_labels())[kLabel] = optimizer.record.name;
  v1::OptimizerStepSpec& step = *submit.mutable_spec()->mutable_optimizer_step();
  *step.mutable_graph() = request.graph();
  *step.mutable_feedback() = request.feedback();
  OptimizerState state;
  if (!optimizer.record.state.empty()) {
    ASSIGN_OR_RETURN(const Json json, ParseJson(optimizer.record.state, "an optimizer's state"));
    state = OptimizerState::FromJson(json);
  }
  state.context = request.context();
  step.set_state_json(DumpJson(state.ToJson()));
  std::promise<absl::Status> accepted;
  manager_->Submit(submit, [&accepted](const absl::StatusOr<LiveTask::Snapshot>& task_accepted) {
    accepted.set_value(task_accepted.status());
  });
  return Renamed(accepted.get_future().get(), "spec.", "settings.");
}

absl::StatusOr<v1::OptimizerStep> Optimizers::EarlierStep(const Loaded& optimizer,
                                                          const OptimizerStepRecord& step,
                                                          const v1::StepRequest& request) {
  if (step.request_hash != RequestHash(request)) {
    return Error(Reason::kRequestIdReused, "request_id: an earlier step had it, of another request",
                 {{"field", "request_id"}, {"request_id", request.request_id()}});
  }
  (void)optimizer;
  return MessageOfStep(step);
}

absl::StatusOr<v1::OptimizerStep> Optimizers::Begin(const v1::StepRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  if (request.has_score() && !std::isfinite(request.score())) {
    return WrongOptimizer("score", "must be finite");
  }
  if (request.context().size() > kMaxContext) return WrongOptimizer("context", "at most 16 KiB");
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const std::string id, ParseIn("optimizers", request.name()));
  // A step that was made durable just before the server ended, and has no task yet, gets it now:
  // before what is left of it is taken for failed.
  ASSIGN_OR_RETURN(const OptimizerRecord found, store_->Get(id));
  if (!request.request_id().empty()) {
    ASSIGN_OR_RETURN(const std::optional<OptimizerStepRecord> earlier,
                     store_->FindRequest(found.key, request.request_id()));
    if (earlier.has_value() && earlier->running &&
        HasReason(manager_->Get(earlier->task).status(), Reason::kNotFound)) {
      RETURN_IF_ERROR(store_->RemoveStep(found.key, earlier->number));
    }
  }
  ASSIGN_OR_RETURN(const Loaded loaded, Load(request.name()));
  if (!request.request_id().empty()) {
    ASSIGN_OR_RETURN(const std::optional<OptimizerStepRecord> earlier,
                     store_->FindRequest(loaded.record.key, request.request_id()));
    if (earlier.has_value()) return EarlierStep(loaded, *earlier, request);
  }
  v1::OptimizerStepSpec spec;
  *spec.mutable_optimizer() = loaded.message.settings().config();
  if (request.has_graph()) *spec.mutable_graph() = request.graph();
  *spec.mutable_feedback() = request.feedback();
  RETURN_IF_ERROR(CheckOptimizerStep(spec, ""));
  RETURN_IF_ERROR(CheckNoneRuns(loaded));
  RETURN_IF_ERROR(LimitsLeft(loaded.message.settings().budget(), loaded.message.usage()).status());
  ASSIGN_OR_RETURN(const int32_t last, store_->LastNumber(loaded.record.key));
  OptimizerStepRecord record;
  record.number = last + 1;
  record.request_id = request.request_id();
  record.request_hash = RequestHash(request);
  record.task = NewId();
  record.running = true;
  v1::OptimizerStep step;
  step.set_name(fmt::format("optimizers/{}/steps/{}", loaded.record.name, record.number));
  step.set_kind(v1::OptimizerStep::KIND_STEP);
  step.set_state(v1::OptimizerStep::STATE_RUNNING);
  step.set_task("tasks/" + record.task);
  *step.mutable_create_time() = TimestampOf(absl::Now());
  if (request.has_score()) step.set_score_before(request.score());
  RETURN_IF_ERROR(FillBefore(request, step));
  record.message = step.SerializeAsString();
  RETURN_IF_ERROR(store_->AddStep(loaded.record.key, record));
  const absl::Status submitted = SubmitTask(loaded, record.task, request);
  if (!submitted.ok()) {
    // It never was.
    RETURN_IF_ERROR(store_->RemoveStep(loaded.record.key, record.number));
    return submitted;
  }
  return step;
}

absl::StatusOr<v1::OptimizerStep> Optimizers::GetStep(const std::string& name) {
  ASSIGN_OR_RETURN(const StepName parsed, ParseStepName(name));
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Loaded loaded, Load("optimizers/" + parsed.optimizer));
  ASSIGN_OR_RETURN(const std::optional<OptimizerStepRecord> found,
                   store_->FindStep(loaded.record.key, parsed.number));
  if (!found.has_value()) return NoSuchStep(name);
  return MessageOfStep(*found);
}

absl::StatusOr<std::vector<v1::OptimizerStep>> Optimizers::ListSteps(const std::string& parent,
                                                                     int32_t first, int limit,
                                                                     size_t max_bytes) {
  MutexLock lock(&mutex_);
  auto loaded = Load(parent);
  if (!loaded.ok()) return Renamed(loaded.status(), "name", "parent");
  ASSIGN_OR_RETURN(const std::vector<OptimizerStepRecord> records,
                   store_->ListSteps(loaded->record.key, first, limit, max_bytes));
  std::vector<v1::OptimizerStep> steps;
  steps.reserve(records.size());
  for (const OptimizerStepRecord& record : records) {
    ASSIGN_OR_RETURN(v1::OptimizerStep step, MessageOfStep(record));
    steps.push_back(std::move(step));
  }
  return steps;
}

absl::StatusOr<v1::OptimizerStep> Optimizers::Report(const v1::ReportScoreRequest& request) {
  if (!std::isfinite(request.score())) return WrongOptimizer("score", "must be finite");
  ASSIGN_OR_RETURN(const StepName parsed, ParseStepName(request.name()));
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Loaded loaded, Load("optimizers/" + parsed.optimizer));
  ASSIGN_OR_RETURN(std::optional<OptimizerStepRecord> found,
                   store_->FindStep(loaded.record.key, parsed.number));
  if (!found.has_value()) return NoSuchStep(request.name());
  if (found->running) return CheckNoneRuns(loaded);
  ASSIGN_OR_RETURN(v1::OptimizerStep step, MessageOfStep(*found));
  step.add_scores_after(request.score());
  while (step.scores_after_size() > kMostScores) {
    step.mutable_scores_after()->erase(step.scores_after().begin());
  }
  found->message = step.SerializeAsString();
  RETURN_IF_ERROR(store_->UpdateStep(*found, loaded.record));
  return step;
}

absl::Status Optimizers::ForEachStep(
    int64_t optimizer, const std::function<absl::Status(const v1::OptimizerStep&)>& take) const {
  int32_t next = 1;
  for (;;) {
    ASSIGN_OR_RETURN(const std::vector<OptimizerStepRecord> records,
                     store_->ListSteps(optimizer, next, 100, kStepsPageBytes));
    if (records.empty()) return absl::OkStatus();
    for (const OptimizerStepRecord& record : records) {
      ASSIGN_OR_RETURN(const v1::OptimizerStep step, MessageOfStep(record));
      RETURN_IF_ERROR(take(step));
      next = record.number + 1;
    }
  }
}

absl::StatusOr<v1::OptimizerStep> Optimizers::Revert(const v1::RevertRequest& request) {
  if (request.reason().size() > kMaxRevertReason) {
    return WrongOptimizer("reason", "at most 1,000 bytes");
  }
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Loaded loaded, Load(request.name()));
  RETURN_IF_ERROR(CheckNoneRuns(loaded));
  ASSIGN_OR_RETURN(const int32_t last, store_->LastNumber(loaded.record.key));
  if (request.step() < 0 || request.step() > last) {
    return WrongOptimizer("step", fmt::format("give 0 to {}, the last step", last));
  }
  // What a parameter was after the step: by the last step up to it that had the parameter, else as
  // the first one after it found it.
  Values values;
  int32_t number = 0;
  RETURN_IF_ERROR(ForEachStep(loaded.record.key, [&](const v1::OptimizerStep& step) {
    ++number;
    for (const auto& [name, value] : ValuesIn(step.values_before())) values.emplace(name, value);
    if (number > request.step()) return absl::OkStatus();
    for (const auto& [name, value] : ValuesIn(step.values_before())) values[name] = value;
    for (const auto& [name, value] : ValuesIn(step.values_after())) values[name] = value;
    return absl::OkStatus();
  }));
  v1::OptimizerStep step;
  step.set_name(fmt::format("optimizers/{}/steps/{}", loaded.record.name, last + 1));
  step.set_kind(v1::OptimizerStep::KIND_REVERT);
  step.set_state(v1::OptimizerStep::STATE_SUCCEEDED);
  *step.mutable_create_time() = *step.mutable_end_time() = TimestampOf(absl::Now());
  step.set_reasoning(request.reason());
  step.set_reverted_to(request.step());
  Values current = ValuesIn(loaded.message.parameters());
  *step.mutable_values_before() = loaded.message.parameters();
  for (const auto& [name, value] : values) {
    v1::GraphValue& now = current[name];
    if (now.SerializeAsString() != value.SerializeAsString()) {
      *step.add_changes() = ChangeMessage(name, now, value);
    }
    now = value;
  }
  FillValues(current, *step.mutable_values_after());
  *loaded.message.mutable_parameters() = step.values_after();
  loaded.record.message = loaded.message.SerializeAsString();
  OptimizerStepRecord record;
  record.number = last + 1;
  record.message = step.SerializeAsString();
  RETURN_IF_ERROR(store_->AddStep(loaded.record.key, record));
  RETURN_IF_ERROR(store_->UpdateStep(record, loaded.record));
  return step;
}

absl::StatusOr<v1::GetBestResponse> Optimizers::Best(const std::string& name) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Loaded loaded, Load(name));
  struct Scored {
    ValueList values;
    double sum = 0;
    int32_t count = 0;
    std::string step;
  };
  std::vector<Scored> all;
  std::map<std::string, size_t> by_values;
  const auto entry = [&](const ValueList& values) -> Scored& {
    const auto [place, added] = by_values.emplace(HashBytes(Sha256Hex(KeyOf(values))), all.size());
    if (added) all.push_back({values, 0, 0, ""});
    return all[place->second];
  };
  RETURN_IF_ERROR(ForEachStep(loaded.record.key, [&](const v1::OptimizerStep& step) {
    if (step.has_score_before()) {
      Scored& before = entry(step.values_before());
      before.sum += step.score_before();
      ++before.count;
    }
    if (step.state() != v1::OptimizerStep::STATE_SUCCEEDED) return absl::OkStatus();
    Scored& after = entry(step.values_after());
    const bool known_before = KeyOf(step.values_before()) == KeyOf(step.values_after());
    if (after.step.empty() && after.count == 0 && !known_before) after.step = step.name();
    for (const double score : step.scores_after()) {
      after.sum += score;
      ++after.count;
    }
    return absl::OkStatus();
  }));
  const Scored* best = nullptr;
  for (const Scored& each : all) {
    if (each.count == 0) continue;
    if (best == nullptr || each.sum / each.count > best->sum / best->count) best = &each;
  }
  if (best == nullptr) {
    return Error(
        Reason::kNotFound,
        fmt::format("no values of {} have a score: give it with Step or ReportScore", name),
        {{"name", name}});
  }
  v1::GetBestResponse response;
  *response.mutable_values() = best->values;
  response.set_score(best->sum / best->count);
  response.set_scores(best->count);
  response.set_step(best->step);
  return response;
}

}  // namespace troupe
