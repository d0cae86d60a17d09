#include "agents/evaluate/evaluate_spec.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <set>

#include "agents/evaluate/workflow_target.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int kMaxVariants = 8;
constexpr int kMaxItems = 20'000;
constexpr size_t kMaxText = 256 * 1024;
constexpr size_t kMaxName = 100;
constexpr size_t kMaxAgentSpec = 512 * 1024;

absl::Status CheckNumbers(const v1::EvaluateSpec& spec) {
  if (spec.items().limit() < 0 || spec.items().limit() > kMaxItems) {
    return WrongEvaluate("items.limit", "give 1 to 20,000, or 0 for all");
  }
  if (spec.concurrency() < 0 || spec.concurrency() > 256) {
    return WrongEvaluate("concurrency", "give 1 to 256, or 0 for 16");
  }
  if (spec.repeats() < 0 || spec.repeats() > 100) {
    return WrongEvaluate("repeats", "give 1 to 100, or 0 for 1");
  }
  const double level = spec.confidence();
  if (level != 0 && !(level >= 0.5 && level <= 0.999)) {
    return WrongEvaluate("confidence", "give 0.5 to 0.999, or 0 for 0.95");
  }
  return absl::OkStatus();
}

absl::Status CheckTarget(const v1::EvaluateSpec& spec) {
  switch (spec.target_case()) {
    case v1::EvaluateSpec::kPrompt:
      if (spec.prompt().role().size() > kMaxName) {
        return WrongEvaluate("prompt.role", "at most 100 bytes");
      }
      if (spec.prompt().has_temperature() &&
          !(spec.prompt().temperature() >= 0 && spec.prompt().temperature() <= 2)) {
        return WrongEvaluate("prompt.temperature", "give 0 to 2");
      }
      if (spec.prompt().max_tokens() < 0) {
        return WrongEvaluate("prompt.max_tokens", "must not be negative");
      }
      return absl::OkStatus();
    case v1::EvaluateSpec::kAgent:
      if (spec.agent().task().ByteSizeLong() > kMaxAgentSpec) {
        return WrongEvaluate("agent.task", "at most 512 KiB");
      }
      return absl::OkStatus();
    case v1::EvaluateSpec::kWorkflow:
      if (spec.workflow().parameter().empty() && !spec.variants().empty()) {
        return WrongEvaluate("workflow.parameter",
                             "say in the place of which parameter the variants are tried");
      }
      return absl::OkStatus();
    case v1::EvaluateSpec::TARGET_NOT_SET:
      break;
  }
  return WrongEvaluate("target", "say what is tried: prompt, agent or workflow");
}

absl::Status CheckVariant(const v1::EvaluateSpec& spec, int i) {
  const v1::PromptVariant& variant = spec.variants(i);
  const std::string field = fmt::format("variants[{}]", i);
  if (variant.name().size() > kMaxName) return WrongEvaluate(field + ".name", "at most 100 bytes");
  const bool agent = spec.has_agent();
  switch (variant.source_case()) {
    case v1::PromptVariant::kText:
      if (variant.text().size() > kMaxText)
        return WrongEvaluate(field + ".text", "at most 256 KiB");
      break;
    case v1::PromptVariant::kTemplate:
      if (variant.template_().empty() || variant.template_().size() > kMaxText) {
        return WrongEvaluate(field + ".template", "give 1 byte to 256 KiB");
      }
      break;
    case v1::PromptVariant::kRegistered: {
      const auto name = ParseRegistered(variant.registered());
      if (!name.ok()) return WrongEvaluate(field + ".registered", MessageOf(name.status()));
      if (agent && !spec.agent().prompt_name().empty() &&
          name->prompt != spec.agent().prompt_name()) {
        return WrongEvaluate(
            field + ".registered",
            fmt::format("is no version of {}, agent.prompt_name", spec.agent().prompt_name()));
      }
      return absl::OkStatus();
    }
    case v1::PromptVariant::SOURCE_NOT_SET:
      return WrongEvaluate(field, "give text, template or registered");
  }
  if (agent && spec.agent().prompt_name().empty()) {
    return WrongEvaluate(field, "say in agent.prompt_name which prompt of the agent it stands for");
  }
  return absl::OkStatus();
}

// The prompt of an agent that the variants stand for; kInvalidField if they are of several.
absl::StatusOr<std::string> PromptNameOf(const v1::EvaluateSpec& spec) {
  std::string name = spec.agent().prompt_name();
  for (const v1::PromptVariant& variant : spec.variants()) {
    if (variant.source_case() != v1::PromptVariant::kRegistered) continue;
    ASSIGN_OR_RETURN(const RegisteredName registered, ParseRegistered(variant.registered()));
    if (!name.empty() && registered.prompt != name) {
      return WrongEvaluate("variants", "are of several prompts: give those of one");
    }
    name = registered.prompt;
  }
  return name;
}

// A name for a variant that has none.
std::string NameOf(const v1::PromptVariant& variant, const PromptUnderTest& prompt) {
  if (!variant.name().empty()) return variant.name();
  return prompt.text.empty() ? "question" : prompt.id;
}

}  // namespace

absl::Status WrongEvaluate(std::string_view field, std::string_view what) {
  const std::string full = fmt::format("spec.evaluate.{}", field);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

absl::StatusOr<RegisteredName> ParseRegistered(const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  int version = 0;
  const bool plain = parts.size() == 2 && parts[0] == "prompts" && !parts[1].empty();
  const bool exact = parts.size() == 4 && parts[0] == "prompts" && !parts[1].empty() &&
                     parts[2] == "versions" && absl::SimpleAtoi(parts[3], &version) && version > 0;
  if (plain) return RegisteredName{parts[1], ""};
  if (exact) return RegisteredName{parts[1], parts[3]};
  return Error(Reason::kInvalidField, fmt::format("'{}' is not of the form prompts/{{prompt}} or "
                                                  "prompts/{{prompt}}/versions/{{version}}",
                                                  name));
}

absl::Status CheckEvaluateSpec(const v1::EvaluateSpec& spec) {
  if (spec.items().dataset().empty()) {
    return WrongEvaluate("items.dataset", "name a data set, as datasets/navigate");
  }
  RETURN_IF_ERROR(CheckNumbers(spec));
  RETURN_IF_ERROR(CheckTarget(spec));
  if (spec.variants_size() > kMaxVariants) return WrongEvaluate("variants", "at most 8");
  std::set<std::string> names;
  for (int i = 0; i < spec.variants_size(); ++i) {
    RETURN_IF_ERROR(CheckVariant(spec, i));
    if (!spec.variants(i).name().empty() && !names.insert(spec.variants(i).name()).second) {
      return WrongEvaluate(fmt::format("variants[{}].name", i), "is given twice");
    }
  }
  return PromptNameOf(spec).status();
}

absl::StatusOr<std::shared_ptr<const Target>> MakeTarget(const v1::EvaluateSpec& spec,
                                                         const std::vector<std::string>& known,
                                                         const WorkflowServices& services) {
  if (spec.has_workflow()) {
    ASSIGN_OR_RETURN(auto target, WorkflowTarget::Make(spec.workflow(), known, services));
    return std::shared_ptr<const Target>(std::move(target));
  }
  if (spec.has_prompt()) {
    PromptTarget::Options options;
    if (!spec.prompt().role().empty()) options.role = spec.prompt().role();
    if (spec.prompt().has_temperature()) options.temperature = spec.prompt().temperature();
    if (spec.prompt().max_tokens() > 0) options.max_tokens = spec.prompt().max_tokens();
    return std::make_shared<const PromptTarget>(std::move(options));
  }
  std::string text;
  const auto printed = google::protobuf::util::MessageToJsonString(spec.agent().task(), &text);
  if (!printed.ok()) return WrongEvaluate("agent.task", std::string(printed.message()));
  ASSIGN_OR_RETURN(const Json task, ParseJson(text, "spec.evaluate.agent.task"));
  ASSIGN_OR_RETURN(std::string prompt_name, PromptNameOf(spec));
  if (spec.variants().empty()) prompt_name.clear();
  return AgentTarget::Make(task, std::move(prompt_name), known, services.find_kind);
}

absl::StatusOr<GraderSet> MakeGraders(const v1::EvaluateSpec& spec) {
  if (spec.graders_size() > 0) return GraderSet::Make(spec.graders(), "spec.evaluate.graders");
  google::protobuf::RepeatedPtrField<v1::Grader> plain;
  plain.Add()->mutable_normalized();
  return GraderSet::Make(plain, "spec.evaluate.graders");
}

absl::StatusOr<Json> ReadRegistered(const v1::EvaluateSpec& spec, const PromptSource& prompts) {
  if (const std::string& name = spec.agent().prompt_name(); !name.empty()) {
    const auto known = prompts.TextOf(name, "");
    if (!known.ok()) return WrongEvaluate("agent.prompt_name", MessageOf(known.status()));
  }
  Json texts = Json::array();
  for (int i = 0; i < spec.variants_size(); ++i) {
    const v1::PromptVariant& variant = spec.variants(i);
    if (variant.source_case() != v1::PromptVariant::kRegistered) {
      texts.push_back(nullptr);
      continue;
    }
    ASSIGN_OR_RETURN(const RegisteredName name, ParseRegistered(variant.registered()));
    const auto text = prompts.TextOf(name.prompt, name.version);
    if (!text.ok()) {
      return WrongEvaluate(fmt::format("variants[{}].registered", i), MessageOf(text.status()));
    }
    texts.push_back({{"prompt", name.prompt}, {"version", text->version}, {"text", text->text}});
  }
  return texts;
}

absl::StatusOr<std::vector<EvaluatedVariant>> MakeVariants(const v1::EvaluateSpec& spec,
                                                           const Json& registered,
                                                           const std::vector<std::string>& known,
                                                           const PromptSource& prompts) {
  std::vector<EvaluatedVariant> variants;
  if (spec.variants().empty()) {
    const char* const name = spec.has_agent()      ? "agent"
                             : spec.has_workflow() ? "workflow"
                                                   : "question";
    variants.push_back({name, PlainPrompt(""), ""});
    return variants;
  }
  std::set<std::string> names;
  for (int i = 0; i < spec.variants_size(); ++i) {
    const v1::PromptVariant& given = spec.variants(i);
    const std::string field = fmt::format("variants[{}]", i);
    EvaluatedVariant variant;
    if (given.source_case() == v1::PromptVariant::kRegistered) {
      const Json& text = registered[static_cast<size_t>(i)];
      variant.registered = JsonString(text, "prompt");
      variant.prompt = PlainPrompt(JsonString(text, "text"));
      variant.prompt.id = fmt::format("{}@{}", variant.registered, JsonInt(text, "version"));
    } else {
      variant.prompt = PlainPrompt(given.has_text() ? given.text() : given.template_());
      if (spec.has_agent()) variant.registered = spec.agent().prompt_name();
    }
    if (!variant.registered.empty()) {
      // A template of the registered prompt, by its own variables.
      auto compiled = prompts.Compile(variant.registered, variant.prompt.text);
      if (!compiled.ok()) return WrongEvaluate(field, MessageOf(compiled.status()));
      variant.prompt.compiled = std::make_shared<const PromptTemplate>(*std::move(compiled));
    } else if (given.source_case() == v1::PromptVariant::kTemplate) {
      auto compiled = TemplatePrompt(given.template_(), known);
      if (!compiled.ok()) return WrongEvaluate(field + ".template", MessageOf(compiled.status()));
      variant.prompt = *std::move(compiled);
    }
    variant.name = NameOf(given, variant.prompt);
    if (!names.insert(variant.name).second) {
      return WrongEvaluate(field, fmt::format("is called '{}' as another one: give it a name, or "
                                              "leave it out if it is the same",
                                              variant.name));
    }
    if (spec.has_prompt() && variant.prompt.compiled != nullptr) {
      for (const std::string& name : variant.prompt.compiled->used()) {
        if (name != "question" && std::find(known.begin(), known.end(), name) == known.end()) {
          return WrongEvaluate(field, fmt::format("it uses '{}', which is no field of the items: "
                                                  "there are {}",
                                                  name, fmt::join(known, ", ")));
        }
      }
    }
    variants.push_back(std::move(variant));
  }
  return variants;
}

}  // namespace troupe
