#include <fmt/format.h>
#include <re2/re2.h>

#include "agents/workflow/binding.h"
#include "agents/workflow/condition.h"
#include "agents/workflow/problems.h"
#include "agents/workflow/protobuf_value.h"
#include "tools/base/error.h"
#include "tools/json_schema.h"

namespace troupe::internal {
namespace {

constexpr int kMaxDepth = 12;
constexpr int kMaxSteps = 200;
constexpr size_t kMaxStepDescription = 4 * 1024;
constexpr size_t kMaxRole = 100;
constexpr int kMaxEntries = 64;
constexpr size_t kMaxTemplate = 64 * 1024;
constexpr int kMaxToolRounds = 100;
constexpr int kMaxSeconds = 600;
constexpr int kMaxConditions = 32;
constexpr int kMaxRounds = 10'000;
constexpr int kMaxMapParallel = 64;
constexpr size_t kMaxPattern = 4 * 1024;
constexpr int kMaxOverlays = 16;

using Bindings = google::protobuf::Map<std::string, google::protobuf::Value>;

DeclaredVariables VariablesOf(const SeenNames& seen) {
  DeclaredVariables variables;
  for (const auto& [name, what] : seen) variables[name] = {what.type, false};
  return variables;
}

std::string Listed(const SeenNames& seen) {
  std::vector<std::string> names;
  names.reserve(seen.size());
  for (const auto& [name, what] : seen) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

StepChecker::StepChecker(const v1::Workflow* workflow, const WorkflowServices* services,
                         ProblemList* problems)
    : workflow_(workflow), services_(services), problems_(problems) {
  CollectNames(workflow->steps());
}

void StepChecker::CollectNames(const Steps& steps) {
  for (const v1::WorkflowStep& step : steps) {
    all_steps_.insert(step.name());
    CollectNames(step.if_().then());
    CollectNames(step.if_().else_());
    CollectNames(step.for_().steps());
    CollectNames(step.while_().steps());
    CollectNames(step.map().steps());
  }
}

std::string StepChecker::WhyUnseen(const std::string& name, const SeenNames& seen) const {
  if (all_steps_.contains(name)) {
    return fmt::format(
        "the step '{}' is not seen here: it comes later, or is inside of another "
        "step, whose own value is seen instead",
        name);
  }
  return fmt::format("there is no '{}' here, but: {}", name, Listed(seen));
}

void StepChecker::CheckSteps(const Steps& steps, const std::string& place, SeenNames& seen,
                             int depth) {
  if (depth > kMaxDepth) {
    if (!steps.empty()) problems_->Add(place, "steps are nested over 12 deep");
    return;
  }
  for (int i = 0; i < steps.size(); ++i) {
    if (++count_ == kMaxSteps + 1) problems_->Add(place, "a workflow has at most 200 steps");
    if (count_ > kMaxSteps) return;
    CheckStep(steps[i], fmt::format("{}[{}]", place, i), seen, depth);
  }
}

bool StepChecker::CheckNewName(const std::string& name, const std::string& place,
                               const SeenNames& seen) {
  if (!IsWorkflowName(name)) {
    problems_->Add(place, "a name has 1 to 40 lower-case letters, digits and _, a letter first");
    return false;
  }
  if (seen.contains(name)) {
    problems_->Add(place, fmt::format("'{}' is the name of something else already", name));
  }
  return true;
}

void StepChecker::CheckStep(const v1::WorkflowStep& step, const std::string& place, SeenNames& seen,
                            int depth) {
  const bool named = CheckNewName(step.name(), place + ".name", seen);
  if (step.description().size() > kMaxStepDescription) {
    problems_->Add(place + ".description", "at most 4 KiB");
  }
  CheckAction(step, place, seen, depth);
  if (named) seen[step.name()] = {NameKind::kStep, VariableType::kAny};
}

void StepChecker::CheckAction(const v1::WorkflowStep& step, const std::string& place,
                              const SeenNames& seen, int depth) {
  switch (step.action_case()) {
    case v1::WorkflowStep::kSet:
      return CheckBinding(step.set(), place + ".set", seen);
    case v1::WorkflowStep::kModel:
      return CheckModel(step.model(), place + ".model", seen);
    case v1::WorkflowStep::kTool:
      return CheckTool(step.tool(), place + ".tool", seen);
    case v1::WorkflowStep::kCode:
      return CheckCode(step.code(), place + ".code", seen);
    case v1::WorkflowStep::kTask:
      return CheckTask(step.task(), place + ".task", seen);
    case v1::WorkflowStep::kIf:
      return CheckIf(step.if_(), place + ".if", seen, depth);
    case v1::WorkflowStep::kFor:
      return CheckFor(step.for_(), place + ".for", seen, depth);
    case v1::WorkflowStep::kWhile:
      return CheckWhile(step.while_(), place + ".while", seen, depth);
    case v1::WorkflowStep::kMap:
      return CheckMap(step.map(), place + ".map", seen, depth);
    case v1::WorkflowStep::ACTION_NOT_SET:
      problems_->Add(place, "say what it does: set, model, tool, code, task, if, for, while, map");
  }
}

void StepChecker::CheckBinding(const google::protobuf::Value& binding, const std::string& place,
                               const SeenNames& seen) {
  const auto references = ReferencesIn(JsonOf(binding));
  if (!references.ok()) return problems_->Add(place, references.status());
  for (const Reference& reference : *references) {
    used_.insert(reference.name);
    if (!seen.contains(reference.name)) problems_->Add(place, WhyUnseen(reference.name, seen));
  }
}

void StepChecker::CheckTemplate(const std::string& text, const std::string& place,
                                const SeenNames& seen) {
  if (text.empty() || text.size() > kMaxTemplate) {
    return problems_->Add(place, "give 1 byte to 64 KiB");
  }
  const auto compiled = PromptTemplate::Parse(text, VariablesOf(seen));
  if (!compiled.ok()) return problems_->Add(place, compiled.status());
  used_.insert(compiled->used().begin(), compiled->used().end());
}

void StepChecker::CheckParameterUse(const std::string& name, NameKind kind,
                                    const std::string& place) {
  used_.insert(name);
  const auto found = workflow_->parameters().find(name);
  if (found == workflow_->parameters().end()) {
    return problems_->Add(place, fmt::format("there is no parameter '{}'", name));
  }
  const bool fits = kind == NameKind::kCode
                        ? found->second.has_code()
                        : found->second.kind_case() == v1::WorkflowParameter::kPrompt;
  if (fits) return;
  problems_->Add(place, fmt::format("the parameter '{}' is no {}", name,
                                    kind == NameKind::kCode ? "code" : "prompt"));
}

void StepChecker::CheckModel(const v1::WorkflowModelStep& step, const std::string& place,
                             const SeenNames& seen) {
  if (step.role().size() > kMaxRole) problems_->Add(place + ".role", "at most 100 bytes");
  if (step.messages().empty()) problems_->Add(place + ".messages", "say what the model is told");
  if (step.messages_size() > kMaxEntries) problems_->Add(place + ".messages", "at most 64");
  for (int i = 0; i < step.messages_size(); ++i) {
    CheckMessage(step.messages(i), fmt::format("{}.messages[{}]", place, i), seen);
  }
  if (step.has_reply_schema()) {
    problems_->Add(place + ".reply_schema",
                   JsonSchema::Compile(JsonOf(step.reply_schema())).status());
  }
  if (step.has_temperature()) {
    CheckBinding(step.temperature(), place + ".temperature", seen);
    const auto& given = step.temperature();
    if (given.has_number_value() && !(given.number_value() >= 0 && given.number_value() <= 2)) {
      problems_->Add(place + ".temperature", "give 0 to 2");
    }
  }
  if (step.max_tokens() < 0) problems_->Add(place + ".max_tokens", "must not be negative");
  if (step.max_rounds() < 0 || step.max_rounds() > kMaxToolRounds) {
    problems_->Add(place + ".max_rounds", "give 1 to 100, or 0 for 8");
  }
  if (step.tools_size() > kMaxEntries) problems_->Add(place + ".tools", "at most 64");
  for (int i = 0; i < step.tools_size(); ++i) {
    problems_->Add(fmt::format("{}.tools[{}]", place, i),
                   services_->find_tool(step.tools(i)).status());
  }
}

void StepChecker::CheckMessage(const v1::WorkflowMessage& message, const std::string& place,
                               const SeenNames& seen) {
  if (!v1::WorkflowMessage::Speaker_IsValid(message.speaker())) {
    problems_->Add(place + ".speaker", "give SPEAKER_USER, SPEAKER_SYSTEM or SPEAKER_ASSISTANT");
  }
  if (message.variables_size() > kMaxEntries) problems_->Add(place + ".variables", "at most 64");
  CheckBindings(message.variables(), place + ".variables", seen);
  SeenNames variables = seen;
  for (const auto& [name, binding] : message.variables()) {
    if (!IsWorkflowName(name)) {
      problems_->Add(fmt::format("{}.variables[{}]", place, name), "is no name of a variable");
    } else {
      variables[name] = {NameKind::kLoop, VariableType::kAny};
    }
  }
  switch (message.content_case()) {
    case v1::WorkflowMessage::kText:
      return CheckTemplate(message.text(), place + ".text", variables);
    case v1::WorkflowMessage::kPrompt: {
      CheckParameterUse(message.prompt(), NameKind::kPrompt, place + ".prompt");
      const auto found = workflow_->parameters().find(message.prompt());
      if (found == workflow_->parameters().end() || found->second.prompt().empty()) return;
      return CheckTemplate(found->second.prompt(), place + ".prompt", variables);
    }
    case v1::WorkflowMessage::CONTENT_NOT_SET:
      problems_->Add(place, "give text, or prompt with the name of a parameter");
  }
}

void StepChecker::CheckTool(const v1::WorkflowToolStep& step, const std::string& place,
                            const SeenNames& seen) {
  CheckBindings(step.arguments(), place + ".arguments", seen);
  const auto found = services_->find_tool(step.tool());
  if (!found.ok()) return problems_->Add(place + ".tool", found.status());
  const Json& schema = (*found)->arguments_schema;
  for (const Json& required : JsonArray(schema, "required")) {
    if (!required.is_string() || step.arguments().contains(required.get<std::string>())) continue;
    problems_->Add(place + ".arguments",
                   fmt::format("the tool needs '{}'", required.get<std::string>()));
  }
  const Json& allowed = JsonMember(schema, "additionalProperties");
  if (!allowed.is_boolean() || allowed.get<bool>()) return;
  for (const auto& [name, binding] : step.arguments()) {
    if (JsonObject(schema, "properties").contains(name)) continue;
    problems_->Add(fmt::format("{}.arguments[{}]", place, name), "the tool takes no such argument");
  }
}

void StepChecker::CheckCode(const v1::WorkflowCodeStep& step, const std::string& place,
                            const SeenNames& seen) {
  CheckParameterUse(step.function(), NameKind::kCode, place + ".function");
  if (step.arguments_size() > kMaxEntries) problems_->Add(place + ".arguments", "at most 64");
  CheckBindings(step.arguments(), place + ".arguments", seen);
  if (step.timeout_seconds() < 0 || step.timeout_seconds() > kMaxSeconds) {
    problems_->Add(place + ".timeout_seconds", "give 1 to 600, or 0 for 30");
  }
}

void StepChecker::CheckTask(const v1::WorkflowTaskStep& step, const std::string& place,
                            const SeenNames& seen) {
  Json spec = JsonOf(step.spec());
  const std::string kind = KindNameOf(spec);
  if (services_->find_kind(kind) == nullptr) {
    problems_->Add(place + ".spec",
                   kind.empty() ? "give one kind of task and nothing else, as {\"solve\": {...}}"
                                : fmt::format("there is no kind of task '{}' for a step", kind));
  } else {
    problems_->Add(place + ".spec", ParseTaskSpec(spec).status());
  }
  const absl::Status changed = ChangeTemplates(spec, [&](std::string& text) {
    CheckTemplate(text, place + ".spec", seen);
    return absl::OkStatus();
  });
  problems_->Add(place + ".spec", changed);
  if (step.prompts_size() > kMaxOverlays) problems_->Add(place + ".prompts", "at most 16");
  for (const auto& [registered, parameter] : step.prompts()) {
    const std::string each = fmt::format("{}.prompts[{}]", place, registered);
    CheckParameterUse(parameter, NameKind::kPrompt, each);
    const auto found = workflow_->parameters().find(parameter);
    if (services_->prompts == nullptr || found == workflow_->parameters().end()) continue;
    problems_->Add(each, services_->prompts->Compile(registered, found->second.prompt()).status());
  }
}

void StepChecker::CheckCondition(const v1::WorkflowCondition& condition, const std::string& place,
                                 const SeenNames& seen, int depth) {
  if (depth > kMaxDepth) return problems_->Add(place, "conditions are nested over 12 deep");
  const bool tests = condition.test_case() != v1::WorkflowCondition::TEST_NOT_SET;
  const int forms = (tests ? 1 : 0) + (condition.all().empty() ? 0 : 1) +
                    (condition.any().empty() ? 0 : 1) + (condition.has_not_() ? 1 : 0);
  if (forms != 1) {
    problems_->Add(place,
                   "give one test (equals, differs, less, at_most, more, at_least, "
                   "contains, matches, is_set), or all, any or not");
  }
  if (tests != condition.has_value()) {
    problems_->Add(place + ".value",
                   tests ? "say what is tested" : "is for a test, which is missing");
  }
  if (condition.test_case() == v1::WorkflowCondition::kMatches) {
    const RE2 pattern(condition.matches(), RE2::Quiet);
    if (condition.matches().size() > kMaxPattern) {
      problems_->Add(place + ".matches", "at most 4 KiB");
    } else if (!pattern.ok()) {
      problems_->Add(place + ".matches", pattern.error());
    }
  }
  if (condition.all_size() > kMaxConditions) problems_->Add(place + ".all", "at most 32");
  if (condition.any_size() > kMaxConditions) problems_->Add(place + ".any", "at most 32");
  if (condition.has_value()) CheckBinding(condition.value(), place + ".value", seen);
  if (const auto* operand = OperandOf(condition)) {
    const auto* const field =
        v1::WorkflowCondition::descriptor()->FindFieldByNumber(condition.test_case());
    CheckBinding(*operand, place + "." + field->name(), seen);
  }
  for (int i = 0; i < condition.all_size(); ++i) {
    CheckCondition(condition.all(i), fmt::format("{}.all[{}]", place, i), seen, depth + 1);
  }
  for (int i = 0; i < condition.any_size(); ++i) {
    CheckCondition(condition.any(i), fmt::format("{}.any[{}]", place, i), seen, depth + 1);
  }
  if (condition.has_not_()) CheckCondition(condition.not_(), place + ".not", seen, depth + 1);
}

void StepChecker::CheckIf(const v1::WorkflowIfStep& step, const std::string& place,
                          const SeenNames& seen, int depth) {
  CheckCondition(step.condition(), place + ".condition", seen, 1);
  if (step.then().empty()) problems_->Add(place + ".then", "say what is done");
  SeenNames inside = seen;
  CheckSteps(step.then(), place + ".then", inside, depth + 1);
  inside = seen;
  CheckSteps(step.else_(), place + ".else", inside, depth + 1);
}

template <typename Map>
void StepChecker::AddCarried(const Map& carry, const std::string& place, SeenNames& seen) {
  const SeenNames outside = seen;
  CheckBindings(carry, place, outside);
  for (const auto& [name, binding] : carry) {
    if (CheckNewName(name, fmt::format("{}[{}]", place, name), outside)) {
      seen[name] = {NameKind::kLoop, VariableType::kAny};
    }
  }
}

template <typename Map>
void StepChecker::CheckRound(const Steps& steps, const Map* next, const std::string& place,
                             SeenNames seen, int depth) {
  if (steps.empty()) problems_->Add(place + ".steps", "say what is done");
  CheckSteps(steps, place + ".steps", seen, depth + 1);
  if (next != nullptr) CheckBindings(*next, place + ".next", seen);
}

namespace {

// Names in `next` that are not carried.
void CheckNext(const Bindings& carry, const Bindings& next, const std::string& place,
               ProblemList& problems) {
  for (const auto& [name, binding] : next) {
    if (carry.contains(name)) continue;
    problems.Add(fmt::format("{}.next[{}]", place, name),
                 fmt::format("'{}' is not carried: give its first value in carry", name));
  }
}

}  // namespace

void StepChecker::CheckFor(const v1::WorkflowForStep& step, const std::string& place,
                           const SeenNames& seen, int depth) {
  if (!step.has_each()) problems_->Add(place + ".each", "say which list");
  CheckBinding(step.each(), place + ".each", seen);
  SeenNames inside = seen;
  AddCarried(step.carry(), place + ".carry", inside);
  if (CheckNewName(step.as(), place + ".as", inside)) {
    inside[step.as()] = {NameKind::kLoop, VariableType::kAny};
  }
  CheckNext(step.carry(), step.next(), place, *problems_);
  CheckRound(step.steps(), &step.next(), place, inside, depth);
}

void StepChecker::CheckWhile(const v1::WorkflowWhileStep& step, const std::string& place,
                             const SeenNames& seen, int depth) {
  SeenNames inside = seen;
  AddCarried(step.carry(), place + ".carry", inside);
  if (step.carry().empty()) {
    problems_->Add(place + ".carry", "name what changes from round to round");
  }
  if (step.next().empty()) {
    problems_->Add(place + ".next", "say what changes: the condition would hold for ever");
  }
  CheckCondition(step.condition(), place + ".condition", inside, 1);
  if (step.max_rounds() < 1 || step.max_rounds() > kMaxRounds) {
    problems_->Add(place + ".max_rounds", "give 1 to 10,000");
  }
  CheckNext(step.carry(), step.next(), place, *problems_);
  CheckRound(step.steps(), &step.next(), place, inside, depth);
}

void StepChecker::CheckMap(const v1::WorkflowMapStep& step, const std::string& place,
                           const SeenNames& seen, int depth) {
  if (!step.has_each()) problems_->Add(place + ".each", "say which list");
  CheckBinding(step.each(), place + ".each", seen);
  if (step.max_parallel() < 0 || step.max_parallel() > kMaxMapParallel) {
    problems_->Add(place + ".max_parallel", "give 1 to 64, or 0 for 8");
  }
  SeenNames inside = seen;
  if (CheckNewName(step.as(), place + ".as", inside)) {
    inside[step.as()] = {NameKind::kLoop, VariableType::kAny};
  }
  const Bindings* const nothing = nullptr;
  CheckRound(step.steps(), nothing, place, inside, depth);
}

}  // namespace troupe::internal
