#include "clients/cpp/trace/optimizer.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/grpcpp.h>

#include "clients/cpp/trace/calls.h"
#include "clients/cpp/trace/graph_writer.h"
#include "troupe/v1/optimizer_service.grpc.pb.h"

namespace troupe::trace {
namespace {

using Service = v1::OptimizerService::Stub;
constexpr std::chrono::seconds kWait{55};  // that the server is asked to wait for a step's end

}  // namespace

struct Optimizer::Parts {
  explicit Parts(const OptimizerOptions& options)
      : server{options.server, options.patience, Connect(options.server)},
        stub(v1::OptimizerService::NewStub(server.channel)) {}

  // Calls that may be made twice, again and again while the server cannot be reached.
  template <typename Method, typename Request, typename Response>
  absl::Status Call(Method method, const Request& request, Response& response,
                    std::chrono::seconds wait = {}) {
    return CallAgain(server, stub.get(), method, request, response, wait);
  }

  ServerChannel server;
  std::unique_ptr<Service> stub;
  bool made = false;
  int last = 0;                          // number of the step that was made last; 0: none
  std::optional<v1::StepRequest> begun;  // sent, and not heard of
};

Optimizer::Optimizer(Tape& tape, OptimizerOptions options)
    : tape_(tape),
      options_(std::move(options)),
      name_("optimizers/" + (options_.id.empty() ? "cpp-" + RandomHex(32) : options_.id)),
      parts_(std::make_unique<Parts>(options_)) {}

Optimizer::~Optimizer() = default;

absl::Status Optimizer::Ensure() {
  if (parts_->made) return absl::OkStatus();
  v1::CreateOptimizerRequest request;
  request.set_optimizer_id(name_.substr(name_.find('/') + 1));
  v1::OptimizerSettings& settings = *request.mutable_settings();
  settings.mutable_config()->set_objective(options_.objective);
  settings.mutable_config()->set_memory(options_.memory);
  if (!options_.model.empty()) (*settings.mutable_models())["optimizer"] = options_.model;
  settings.set_seed(options_.seed);
  if (options_.configure) options_.configure(settings);
  v1::CreateOptimizerResponse response;
  absl::Status made = parts_->Call(&Service::CreateOptimizer, request, response);
  if (absl::IsAlreadyExists(made)) {
    v1::GetOptimizerRequest which;
    which.set_name(name_);
    v1::GetOptimizerResponse there;
    made = parts_->Call(&Service::GetOptimizer, which, there);
    parts_->last = there.optimizer().steps();
  }
  parts_->made = made.ok();
  return made;
}

absl::StatusOr<Step> Optimizer::step(const StepOptions& options) {
  if (!tape_.status().ok()) return tape_.status();
  if (tape_.feedback_.empty()) {
    return absl::FailedPreconditionError("there is no feedback: call backward on an output first");
  }
  v1::StepRequest request;
  request.set_name(name_);
  request.set_context(options.context);
  if (options.score.has_value()) request.set_score(*options.score);
  request.mutable_wait()->set_seconds(kWait.count());
  absl::Status written =
      GraphWriter(tape_).Write(*request.mutable_graph(), *request.mutable_feedback());
  if (!written.ok()) return written;
  std::optional<v1::StepRequest>& begun = parts_->begun;
  if (begun.has_value()) request.set_request_id(begun->request_id());
  if (!begun.has_value() || !google::protobuf::util::MessageDifferencer::Equals(request, *begun)) {
    request.set_request_id(RandomUuid());
    begun = request;
  }
  if (absl::Status made = Ensure(); !made.ok()) return made;
  v1::StepResponse response;
  absl::Status called = parts_->Call(&Service::Step, request, response, kWait);
  if (!called.ok()) return called;
  v1::OptimizerStep step = std::move(*response.mutable_step());
  while (step.state() == v1::OptimizerStep::STATE_RUNNING) {
    v1::GetStepRequest further;
    further.set_name(step.name());
    *further.mutable_wait() = request.wait();
    v1::GetStepResponse now;
    called = parts_->Call(&Service::GetStep, further, now, kWait);
    if (!called.ok()) return called;
    step = std::move(*now.mutable_step());
  }
  begun.reset();
  return Apply(step, options.bypassing);
}

absl::StatusOr<Step> Optimizer::Apply(const v1::OptimizerStep& step, bool bypassing) {
  Step made;
  const std::string& name = step.name();
  made.number = std::atoi(name.substr(name.rfind('/') + 1).c_str());
  parts_->last = made.number;
  if (step.state() == v1::OptimizerStep::STATE_FAILED) {
    return absl::AbortedError(
        fmt::format("step {} failed: {}", made.number, step.error().message()));
  }
  made.task = step.task();
  made.reasoning = step.reasoning();
  made.answer = step.answer();
  made.finished = step.finished();
  made.unreached.assign(step.unreached().begin(), step.unreached().end());
  made.changes.reserve(static_cast<size_t>(step.changes_size()));
  for (const v1::ParameterChange& each : step.changes()) {
    made.changes.push_back(
        {each.name(), TextOf(each.old_value()), TextOf(each.new_value()), each.diff()});
  }
  made.refused.reserve(static_cast<size_t>(step.refused_size()));
  for (const v1::RefusedSuggestion& each : step.refused()) {
    made.refused.push_back({each.name(), each.suggested(), each.reason()});
  }
  if (!bypassing) {
    std::vector<v1::ParameterValue> values(static_cast<size_t>(step.changes_size()));
    for (int i = 0; i < step.changes_size(); ++i) {
      values[static_cast<size_t>(i)].set_name(step.changes(i).name());
      *values[static_cast<size_t>(i)].mutable_value() = step.changes(i).new_value();
    }
    if (absl::Status set = Set(values); !set.ok()) return set;
  }
  tape_.zero_feedback();
  return made;
}

template <typename Values>
absl::Status Optimizer::Set(const Values& values) {
  std::vector<std::pair<Value*, Value>> read;
  for (const v1::ParameterValue& each : values) {
    for (Tape::Parameter& parameter : tape_.parameters_) {
      if (parameter.name != each.name()) continue;
      Value value = parameter.value;
      if (!ReadInto(each.value(), value)) {
        return absl::InternalError("the server gave parameter " + parameter.name +
                                   " a value of another type");
      }
      read.emplace_back(&parameter.value, std::move(value));
    }
  }
  for (auto& [parameter, value] : read) *parameter = std::move(value);
  return absl::OkStatus();
}

absl::StatusOr<Step> Optimizer::revert(int step, const std::string& reason) {
  if (absl::Status made = Ensure(); !made.ok()) return made;
  v1::RevertRequest request;
  request.set_name(name_);
  request.set_step(step);
  request.set_reason(reason);
  v1::RevertResponse response;
  absl::Status called = parts_->Call(&Service::Revert, request, response);
  if (!called.ok()) return called;
  if (absl::Status set = Set(response.step().values_after()); !set.ok()) return set;
  return Apply(response.step(), /*bypassing=*/true);
}

absl::Status Optimizer::report(double score) {
  if (absl::Status made = Ensure(); !made.ok()) return made;
  if (parts_->last == 0) {
    return absl::FailedPreconditionError("no step was made yet: give its score to step()");
  }
  v1::ReportScoreRequest request;
  request.set_name(fmt::format("{}/steps/{}", name_, parts_->last));
  request.set_score(score);
  v1::ReportScoreResponse response;
  return parts_->Call(&Service::ReportScore, request, response);
}

absl::StatusOr<double> Optimizer::restore_best() {
  if (absl::Status made = Ensure(); !made.ok()) return made;
  v1::GetBestRequest request;
  request.set_name(name_);
  v1::GetBestResponse response;
  absl::Status called = parts_->Call(&Service::GetBest, request, response);
  if (!called.ok()) return called;
  if (absl::Status set = Set(response.values()); !set.ok()) return set;
  return response.score();
}

}  // namespace troupe::trace
