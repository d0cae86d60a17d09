// The steps that act: models, tools, code, whole tasks.
#include <fmt/format.h>

#include "agents/prompts/tool_card.h"
#include "agents/runtime/text.h"
#include "agents/runtime/tool_answer.h"
#include "agents/workflow/function_call.h"
#include "agents/workflow/interpreter.h"
#include "agents/workflow/protobuf_value.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe::internal {
namespace {

constexpr char kDefaultRole[] = "executor";
constexpr int kDefaultToolRounds = 8;
constexpr int kDefaultSeconds = 30;
constexpr size_t kMaxShown = 500;

absl::StatusOr<HeldValues> EvaluateAll(const Interpreter& interpreter,
                                       const Interpreter::Bindings& bindings, Frame& frame,
                                       OperationInputs& inputs) {
  const std::map<std::string, google::protobuf::Value> ordered(bindings.begin(), bindings.end());
  HeldValues values;
  for (const auto& [name, binding] : ordered) {
    ASSIGN_OR_RETURN(HeldValue held, interpreter.Evaluate(binding, name, frame));
    if (held.id != 0) inputs.emplace_back(name, held.id);
    values[name] = std::move(held);
  }
  return values;
}

Json ObjectOf(const HeldValues& values) {
  Json object = Json::object();
  for (const auto& [name, held] : values) object[name] = *held.value;
  return object;
}

Message Said(v1::WorkflowMessage::Speaker speaker, std::string text) {
  if (speaker == v1::WorkflowMessage::SPEAKER_SYSTEM) return SystemMessage(std::move(text));
  if (speaker == v1::WorkflowMessage::SPEAKER_ASSISTANT) return AssistantMessage(std::move(text));
  return UserMessage(std::move(text));
}

// What one message says; a prompt that is filled is an operation of its own.
absl::StatusOr<std::string> FillMessage(const Interpreter& interpreter,
                                        const v1::WorkflowMessage& message,
                                        const v1::WorkflowStep& step, int number, Frame& frame,
                                        OperationInputs& inputs) {
  OperationInputs used;
  std::string text = message.text();
  if (!message.prompt().empty()) {
    const HeldValue& prompt = frame.seen.at(message.prompt());
    used.emplace_back(message.prompt(), prompt.id);
    text = prompt.value->get<std::string>();
  }
  OperationInputs ignored;
  ASSIGN_OR_RETURN(const HeldValues variables,
                   EvaluateAll(interpreter, message.variables(), frame, ignored));
  v1::WorkflowStep filling;
  filling.set_name(
      fmt::format("{}_message{}", step.name(), number == 1 ? "" : fmt::format("_{}", number)));
  filling.set_description("fills the prompt's template with the values of its variables");
  auto filled = FillTemplate(text, frame, variables, used);
  if (!filled.ok()) return RecordFailure(frame, filling, "fill", used, filled.status());
  if (used.empty()) return filled;
  ASSIGN_OR_RETURN(const HeldValue held, Record(frame, filling, "fill", std::move(used), *filled));
  inputs.emplace_back(filling.name(), held.id);
  return filled;
}

absl::StatusOr<ChatRequest> RequestOf(const Interpreter& interpreter, const v1::WorkflowStep& step,
                                      Frame& frame, OperationInputs& inputs) {
  const v1::WorkflowModelStep& model = step.model();
  ChatRequest request;
  request.prompt = "workflow." + step.name();
  int number = 0;
  for (const v1::WorkflowMessage& message : model.messages()) {
    ASSIGN_OR_RETURN(std::string text,
                     FillMessage(interpreter, message, step, ++number, frame, inputs));
    request.messages.push_back(Said(message.speaker(), std::move(text)));
  }
  if (model.has_temperature()) {
    ASSIGN_OR_RETURN(const HeldValue held,
                     interpreter.Evaluate(model.temperature(), "temperature", frame));
    if (!held.value->is_number() || held.value->get<double>() < 0 ||
        held.value->get<double>() > 2) {
      return Error(Reason::kInvalidField, "the temperature is no number from 0 to 2");
    }
    request.temperature = held.value->get<double>();
    if (held.id != 0) inputs.emplace_back("temperature", held.id);
  }
  if (model.max_tokens() > 0) request.max_tokens = model.max_tokens();
  if (model.has_reply_schema()) {
    request.reply_schema = ReplySchema{step.name(), JsonOf(model.reply_schema())};
  }
  return request;
}

// What the model is told of its tools, the same in every life of the task.
Async<std::vector<ToolDeclaration>> Declared(const Scope& scope,
                                             const v1::WorkflowModelStep& model) {
  std::vector<ToolDeclaration> tools;
  if (model.tools().empty()) co_return tools;
  Json described = Json::array();
  for (const std::string& name : model.tools()) {
    CO_ASSIGN_OR_RETURN(const std::shared_ptr<const ToolSpec> spec, scope.ToolNamed(name));
    CO_ASSIGN_OR_RETURN(const DescribedTool tool, DescribeTool(scope, *spec));
    described.push_back(
        {{"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}});
  }
  CO_ASSIGN_OR_RETURN(const Json fixed, co_await scope.Fix("tools", std::move(described)));
  for (const Json& tool : fixed) {
    tools.push_back({JsonString(tool, "name"), JsonString(tool, "description"),
                     JsonMember(tool, "parameters")});
  }
  co_return tools;
}

// The answer to one call of a tool that the model asks for.
Async<Message> PerformUse(const Scope& scope, std::string effect,
                          const v1::WorkflowModelStep& model, std::string role, ToolUse use) {
  std::string named;
  for (const std::string& tool : model.tools()) {
    if (tool == use.name || tool.starts_with(use.name + "@")) named = tool;
  }
  if (named.empty()) co_return ToolMessage(use.id, fmt::format("There is no tool {}.", use.name));
  if (use.arguments.is_null()) {
    co_return ToolMessage(use.id, fmt::format("The arguments are not JSON: {}",
                                              Elide(use.malformed_arguments, kMaxShown)));
  }
  const auto result =
      co_await scope.CallTool(std::move(effect), std::move(named), use.arguments, std::move(role));
  if (result.ok()) co_return ToolMessage(use.id, TextOf(*result));
  if (!IsForTheModel(scope, result.status())) co_return result.status();
  co_return ToolMessage(use.id, fmt::format("The call failed: {}", MessageOf(result.status())));
}

// The model's last words, after the calls of tools that it wants.
Async<Json> AskModel(const Scope& scope, const v1::WorkflowModelStep& model, ChatRequest request) {
  const std::string role = model.role().empty() ? kDefaultRole : model.role();
  CO_ASSIGN_OR_RETURN(request.tools, co_await Declared(scope, model));
  const int rounds = model.max_rounds() > 0 ? model.max_rounds() : kDefaultToolRounds;
  if (request.tools.empty()) {
    if (request.reply_schema.has_value()) {
      co_return co_await scope.ChatJson("call", role, std::move(request));
    }
    CO_ASSIGN_OR_RETURN(const ChatReply reply,
                        co_await scope.Chat("call", role, std::move(request)));
    co_return Json(reply.message.text());
  }
  const std::optional<ReplySchema> schema = std::exchange(request.reply_schema, std::nullopt);
  for (int round = 1;; ++round) {
    const bool last = round > rounds;
    request.tool_choice = last ? "none" : "auto";
    CO_ASSIGN_OR_RETURN(const ChatReply reply,
                        co_await scope.Chat(fmt::format("call:{}", round), role, request));
    if (reply.message.tool_uses.empty() || last) {
      if (!schema.has_value()) co_return Json(reply.message.text());
      break;
    }
    request.messages.push_back(reply.message);
    for (size_t i = 0; i < reply.message.tool_uses.size(); ++i) {
      std::string effect = fmt::format("use:{}.{}", round, i + 1);
      CO_ASSIGN_OR_RETURN(Message answer, co_await PerformUse(scope, std::move(effect), model, role,
                                                              reply.message.tool_uses[i]));
      request.messages.push_back(std::move(answer));
    }
  }
  // With what it found out, once more for the reply that is wanted.
  request.tool_choice = "none";
  request.reply_schema = schema;
  co_return co_await scope.ChatJson("reply", role, std::move(request));
}

absl::StatusOr<Json> ValueOfResult(const ToolResult& result) {
  if (result.is_error) {
    return Error(Reason::kToolFailed, Elide(TextOf(result), 4 * kMaxShown));
  }
  return result.value.is_null() ? Json(TextOf(result)) : result.value;
}

}  // namespace

Async<HeldValue> Interpreter::RunModel(const Scope& scope, const v1::WorkflowStep& step,
                                       Frame& frame) const {
  OperationInputs inputs;
  auto request = RequestOf(*this, step, frame, inputs);
  if (!request.ok()) co_return RecordFailure(frame, step, "model", inputs, request.status());
  auto reply = co_await AskModel(scope, step.model(), *std::move(request));
  if (!reply.ok()) co_return RecordFailure(frame, step, "model", inputs, reply.status());
  co_return Record(frame, step, "model", std::move(inputs), *std::move(reply));
}

Async<HeldValue> Interpreter::RunTool(const Scope& scope, const v1::WorkflowStep& step,
                                      Frame& frame) const {
  OperationInputs inputs;
  CO_ASSIGN_OR_RETURN(const HeldValues arguments,
                      EvaluateAll(*this, step.tool().arguments(), frame, inputs));
  const auto result = co_await scope.CallTool("call", step.tool().tool(), ObjectOf(arguments));
  if (!result.ok()) co_return RecordFailure(frame, step, "tool", inputs, result.status());
  auto value = ValueOfResult(*result);
  if (!value.ok()) co_return RecordFailure(frame, step, "tool", inputs, value.status());
  co_return Record(frame, step, "tool", std::move(inputs), *std::move(value));
}

Async<HeldValue> Interpreter::RunCode(const Scope& scope, const v1::WorkflowStep& step,
                                      Frame& frame) const {
  const v1::WorkflowCodeStep& code = step.code();
  const HeldValue& source = frame.seen.at(code.function());
  OperationInputs inputs = {{code.function(), source.id}};
  CO_ASSIGN_OR_RETURN(const HeldValues arguments,
                      EvaluateAll(*this, code.arguments(), frame, inputs));
  FunctionCall call;
  const v1::WorkflowCode& parameter = workflow_->parameters().at(code.function()).code();
  call.is_r = parameter.language() == v1::WorkflowCode::LANGUAGE_R;
  call.name = code.function();
  call.source = source.value->get<std::string>();
  call.arguments = ObjectOf(arguments);
  call.timeout_seconds = code.timeout_seconds() > 0 ? code.timeout_seconds() : kDefaultSeconds;
  auto value = co_await CallFunction(scope, std::move(call));
  if (!value.ok()) co_return RecordFailure(frame, step, "code", inputs, value.status());
  co_return Record(frame, step, "code", std::move(inputs), *std::move(value));
}

Async<HeldValue> Interpreter::RunTask(const Scope& scope, const v1::WorkflowStep& step,
                                      Frame& frame) const {
  const v1::WorkflowTaskStep& task = step.task();
  OperationInputs inputs;
  std::map<std::string, std::string> texts;
  const std::map<std::string, std::string> overlays(task.prompts().begin(), task.prompts().end());
  for (const auto& [registered, parameter] : overlays) {
    const HeldValue& prompt = frame.seen.at(parameter);
    inputs.emplace_back(parameter, prompt.id);
    texts[registered] = prompt.value->get<std::string>();
  }
  Json spec = JsonOf(task.spec());
  const TaskKind* const kind = services_->find_kind(KindNameOf(spec));
  const HeldValues none;
  const absl::Status filled = ChangeTemplates(spec, [&](std::string& text) -> absl::Status {
    ASSIGN_OR_RETURN(text, FillTemplate(text, frame, none, inputs));
    return absl::OkStatus();
  });
  if (!filled.ok()) co_return RecordFailure(frame, step, "task", inputs, filled);
  auto parsed = ParseTaskSpec(spec);
  if (!parsed.ok()) co_return RecordFailure(frame, step, "task", inputs, parsed.status());
  auto answer = co_await RunAgent(scope, kind, *std::move(parsed), std::move(texts));
  if (!answer.ok()) co_return RecordFailure(frame, step, "task", inputs, answer.status());
  Json text = answer->result.text();
  co_return Record(frame, step, "task", std::move(inputs), std::move(text));
}

}  // namespace troupe::internal
