#include "clients/cpp/trace/sandbox.h"

#include <fmt/format.h>

#include "clients/cpp/trace/calls.h"
#include "troupe/v1/task_service.grpc.pb.h"

namespace troupe::trace {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kBesides{60};  // that a task takes besides the function itself

// Only of what was made from JSON: none that is not finite.
google::protobuf::Value MessageOf(const json& given) {
  google::protobuf::Value value;
  if (given.is_boolean()) {
    value.set_bool_value(given.get<bool>());
  } else if (given.is_number()) {
    value.set_number_value(given.get<double>());
  } else if (given.is_string()) {
    value.set_string_value(ValidText(given.get_ref<const std::string&>()));
  } else if (given.is_array()) {
    auto& list = *value.mutable_list_value();
    for (const json& each : given) *list.add_values() = MessageOf(each);
  } else if (given.is_object()) {
    auto& fields = *value.mutable_struct_value()->mutable_fields();
    for (const auto& [name, each] : given.items()) fields[ValidText(name)] = MessageOf(each);
  } else {
    value.set_null_value(google::protobuf::NULL_VALUE);
  }
  return value;
}

json JsonOf(const Value& value) {
  return std::visit(
      [](const auto& held) -> json {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::monostate>) return nullptr;
        if constexpr (std::is_same_v<Held, Code>) return held.text;
        if constexpr (!std::is_same_v<Held, std::monostate> && !std::is_same_v<Held, Code>) {
          return held;
        }
      },
      value);
}

std::string TextMember(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// A workflow of one step, whose value is what the function returns, or how it failed.
v1::TaskSpec SpecOf(const SandboxOptions& options, const std::string& name,
                    const std::string& source, const json& arguments) {
  v1::TaskSpec spec;
  (*spec.mutable_labels())["sandbox"] = "trace";
  v1::Workflow& document = *spec.mutable_workflow()->mutable_workflow();
  v1::WorkflowCode& code = *(*document.mutable_parameters())[name].mutable_code();
  code.set_source(source);
  if (options.r) code.set_language(v1::WorkflowCode::LANGUAGE_R);
  v1::WorkflowStep& step = *document.add_steps();
  step.set_name("result");
  step.set_keep_error(true);
  step.mutable_code()->set_function(name);
  step.mutable_code()->set_timeout_seconds(static_cast<int32_t>(options.timeout.count()));
  // In a list, so that the answer's text is JSON whatever the result is.
  document.mutable_answer()->mutable_list_value()->add_values()->set_string_value("$result");
  json given = json::object();
  for (const auto& [argument, value] : arguments.items()) {
    const std::string input = "given_" + argument;
    (*document.mutable_inputs())[input];
    (*step.mutable_code()->mutable_arguments())[argument].set_string_value("$" + input);
    (*spec.mutable_workflow()->mutable_inputs())[input] = MessageOf(value);
  }
  return spec;
}

}  // namespace

struct Sandbox::Parts {
  explicit Parts(const SandboxOptions& options)
      : server{options.server, options.patience, Connect(options.server)},
        tasks(v1::TaskService::NewStub(server.channel)) {}

  ServerChannel server;
  std::unique_ptr<v1::TaskService::Stub> tasks;
};

Sandbox::Sandbox(SandboxOptions options)
    : options_(std::move(options)), parts_(std::make_unique<Parts>(options_)) {}

Sandbox::~Sandbox() = default;

absl::StatusOr<Sandbox::Outcome> Sandbox::call(const std::string& name, const std::string& source,
                                               const json& arguments) {
  using Service = v1::TaskService::Stub;
  v1::SubmitTaskRequest submit;
  submit.set_request_id(RandomUuid());
  *submit.mutable_spec() = SpecOf(options_, name, source, arguments);
  v1::SubmitTaskResponse submitted;
  absl::Status status =
      CallAgain(parts_->server, parts_->tasks.get(), &Service::SubmitTask, submit, submitted);
  if (!status.ok()) return status;
  v1::WatchTaskRequest watch;
  watch.set_name(submitted.task().name());
  status =
      CallAgain(parts_->server, options_.timeout + kBesides, [&](grpc::ClientContext& context) {
        const auto events = parts_->tasks->WatchTask(&context, watch);
        v1::WatchTaskResponse event;
        while (events->Read(&event)) {
        }
        return events->Finish();
      });
  if (!status.ok()) return status;
  v1::GetTaskRequest get;
  get.set_name(submitted.task().name());
  v1::GetTaskResponse ended;
  status = CallAgain(parts_->server, parts_->tasks.get(), &Service::GetTask, get, ended);
  if (!status.ok()) return status;
  if (!options_.keep_tasks) {
    // It is of no use any more; that it is gone already is as well.
    v1::DeleteTaskRequest remove;
    remove.set_name(submitted.task().name());
    v1::DeleteTaskResponse removed;
    (void)CallAgain(parts_->server, parts_->tasks.get(), &Service::DeleteTask, remove, removed);
  }
  const v1::Task& task = ended.task();
  if (task.state() != v1::Task::STATE_SUCCEEDED) {
    return absl::AbortedError(
        fmt::format("the sandbox could not run {}: {}", name, task.error().message()));
  }
  const json answer = json::parse(task.result().text(), nullptr, /*allow_exceptions=*/false);
  if (!answer.is_array() || answer.size() != 1) {
    return absl::InternalError("the server's answer cannot be read");
  }
  Outcome outcome{answer[0], std::nullopt};
  if (!outcome.value.is_object() || !outcome.value.contains("error")) return outcome;
  const json& error = outcome.value["error"];
  if (!error.is_object() || TextMember(error, "step") != "result") return outcome;
  const auto line = error.find("line");
  outcome.failure =
      Failure{TextMember(error, "type"), TextMember(error, "message"), source,
              line != error.end() && line->is_number_integer() ? line->get<int>() : 0};
  return outcome;
}

int32_t Sandbox::Record(Tape& tape, const std::string& name,
                        const std::shared_ptr<const Operator>& operation,
                        const std::vector<int32_t>& inputs, Reader read) {
  if (inputs.size() != operation->arguments.size()) {
    tape.Fail(absl::InvalidArgumentError(fmt::format("{} takes {} arguments and was given {}", name,
                                                     operation->arguments.size() - 1,
                                                     inputs.size() - 1)));
    return tape.AddInput("unknown", Value());
  }
  json arguments = json::object();
  for (size_t i = 0; i + 1 < inputs.size(); ++i) {
    const Value& value = tape.ValueOf(inputs[i]);
    const double* const number = std::get_if<double>(&value);
    if (number != nullptr && !std::isfinite(*number)) {
      return tape.RecordFailure(operation, inputs,
                                {"ValueError", operation->arguments[i] + " is no finite number"});
    }
    arguments[operation->arguments[i]] = JsonOf(value);
  }
  const std::string source = std::get<Code>(tape.ValueOf(inputs.back())).text;
  auto outcome = call(name, source, arguments);
  if (!outcome.ok()) {
    tape.Fail(outcome.status());
    return tape.AddInput("unknown", Value());
  }
  if (outcome->failure.has_value()) {
    return tape.RecordFailure(operation, inputs, *std::move(outcome->failure));
  }
  std::optional<Value> value = read(outcome->value);
  if (value.has_value()) return tape.Record(operation, inputs, *std::move(value));
  return tape.RecordFailure(operation, inputs,
                            {"TypeError",
                             fmt::format("{} returns {}, which is of another type than is wanted",
                                         name, outcome->value.dump().substr(0, 200)),
                             source});
}

}  // namespace troupe::trace
