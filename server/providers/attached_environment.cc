#include "server/providers/attached_environment.h"

#include <fmt/format.h>

#include <asio/this_coro.hpp>

#include "server/providers/provider_hub.h"
#include "tools/base/deadline_token.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/steady_time.h"

namespace troupe {
namespace {

using v1::EnvironmentWork;

absl::Status Failed(const EnvironmentSpec& spec, std::string_view what) {
  return Error(Reason::kToolFailed, fmt::format("{}: {}", spec.name, what),
               {{"environment", spec.name}});
}

}  // namespace

absl::StatusOr<std::shared_ptr<Environment>> AttachedEnvironment::Make(EnvironmentSpec spec,
                                                                       std::string key,
                                                                       ProviderHub* hub) {
  ASSIGN_OR_RETURN(JsonSchema action, JsonSchema::Compile(spec.action_schema));
  ASSIGN_OR_RETURN(JsonSchema observation, JsonSchema::Compile(spec.observation_schema));
  return std::shared_ptr<Environment>(new AttachedEnvironment(
      std::move(spec), std::move(key), hub, std::move(action), std::move(observation)));
}

Async<Json> AttachedEnvironment::Operate(Operation operation, std::string instance, Json input,
                                         EnvironmentContext context) {
  const absl::Time now = SteadyNow();
  context.deadline = std::min(context.deadline, now + spec_.timeout);
  const DeadlineToken deadline(co_await asio::this_coro::executor, context.cancel,
                               context.deadline - now, spec_.name);
  context.cancel = deadline.token();
  auto call = std::make_shared<AttachedCall>();
  EnvironmentWork* work = call->message.mutable_environment();
  work->set_name(spec_.name);
  work->set_version(spec_.version);
  work->set_instance(instance);
  work->set_operation(operation);
  if (!input.is_null()) work->set_input_json(DumpJson(input));
  if (work->input_json().size() > kMaxArgumentsBytes) {
    co_return Error(Reason::kToolArgumentsInvalid,
                    fmt::format("{}: what is given has {} bytes; give at most {}", spec_.name,
                                work->input_json().size(), kMaxArgumentsBytes));
  }
  call->id =
      CallId(context, key_,
             fmt::format("{} {} {}", instance, static_cast<int>(operation), work->input_json()));
  call->key = key_;
  call->subject = spec_.name;
  call->instance = std::move(instance);
  call->begins_instance = operation == EnvironmentWork::OPERATION_RESET;
  call->ends_instance = operation == EnvironmentWork::OPERATION_CLOSE;
  call->repeatable = call->begins_instance || operation == EnvironmentWork::OPERATION_OBSERVE;
  call->message.set_task("tasks/" + context.task_id);
  call->message.set_path(context.path);
  call->message.set_seed(context.seed);
  call->context = std::move(context);
  CO_ASSIGN_OR_RETURN(ToolResult result, co_await hub_->Perform(std::move(call)));
  co_return std::move(result.value);
}

Async<EnvironmentState> AttachedEnvironment::OperateToState(Operation operation,
                                                            std::string instance, Json input,
                                                            EnvironmentContext context) {
  CO_ASSIGN_OR_RETURN(Json value, co_await Operate(operation, std::move(instance), std::move(input),
                                                   std::move(context)));
  EnvironmentState state;
  state.observation = JsonMember(value, "observation");
  state.reward = JsonDouble(value, "reward");
  state.done = JsonBool(value, "done");
  if (const absl::Status fits = observation_.Validate(state.observation); !fits.ok()) {
    co_return Failed(spec_,
                     fmt::format("an observation does not fit its schema:\n{}", MessageOf(fits)));
  }
  co_return state;
}

Async<EnvironmentState> AttachedEnvironment::Reset(std::string instance, Json settings,
                                                   EnvironmentContext context) {
  co_return co_await OperateToState(EnvironmentWork::OPERATION_RESET, std::move(instance),
                                    std::move(settings), std::move(context));
}

Async<EnvironmentState> AttachedEnvironment::Observe(std::string instance,
                                                     EnvironmentContext context) {
  co_return co_await OperateToState(EnvironmentWork::OPERATION_OBSERVE, std::move(instance), Json(),
                                    std::move(context));
}

Async<EnvironmentState> AttachedEnvironment::Step(std::string instance, Json action,
                                                  EnvironmentContext context) {
  if (const absl::Status fits = action_.Validate(action); !fits.ok()) {
    co_return Error(Reason::kToolArgumentsInvalid,
                    fmt::format("the action does not fit {}:\n{}", spec_.name, MessageOf(fits)),
                    {{"environment", spec_.name}});
  }
  co_return co_await OperateToState(EnvironmentWork::OPERATION_STEP, std::move(instance),
                                    std::move(action), std::move(context));
}

Async<std::string> AttachedEnvironment::Snapshot(std::string instance, EnvironmentContext context) {
  if (!spec_.snapshots) co_return Failed(spec_, "has no snapshots");
  CO_ASSIGN_OR_RETURN(const Json value,
                      co_await Operate(EnvironmentWork::OPERATION_SNAPSHOT, std::move(instance),
                                       Json(), std::move(context)));
  std::string snapshot = JsonString(value, "snapshot");
  if (snapshot.empty()) co_return Failed(spec_, "its provider names no snapshot");
  co_return snapshot;
}

Async<EnvironmentState> AttachedEnvironment::Restore(std::string instance, std::string snapshot,
                                                     EnvironmentContext context) {
  if (!spec_.snapshots) co_return Failed(spec_, "has no snapshots");
  Json input = std::move(snapshot);
  co_return co_await OperateToState(EnvironmentWork::OPERATION_RESTORE, std::move(instance),
                                    std::move(input), std::move(context));
}

AsyncStatus AttachedEnvironment::Close(std::string instance, EnvironmentContext context) {
  const auto closed = co_await Operate(EnvironmentWork::OPERATION_CLOSE, std::move(instance),
                                       Json(), std::move(context));
  co_return closed.status();
}

}  // namespace troupe
