#include "agents/trace/optimizer_config.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "agents/trace/baselines.h"
#include "agents/trace/opto_prime.h"
#include "agents/trace/opto_prime_multi.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "troupe/v1/optimizer.pb.h"

namespace troupe {
namespace {

using Config = v1::OptimizerConfig;
using Candidates = v1::OptimizerCandidates;

constexpr size_t kMaxObjective = 64 << 10;
constexpr size_t kMaxPatternBytes = 200;
constexpr size_t kMaxSchemaBytes = 64 << 10;
constexpr int kMaxProjections = 100;
constexpr int kMaxFormatter = 32;
constexpr size_t kMaxFormatterBytes = 1000;
constexpr int kMostCandidates = 16;
constexpr size_t kDefaultValueBytes = 2000;
constexpr size_t kDefaultSectionBytes = 48'000;

absl::Status WrongConfig(std::string_view field, std::string_view part, std::string_view what) {
  const std::string full = fmt::format("{}.{}", field, part);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

absl::Status CheckProjection(const v1::Projection& projection, const std::string& field) {
  if (projection.parameter().empty() || projection.parameter().size() > kMaxPatternBytes) {
    return WrongConfig(field, "parameter", "1 to 200 bytes");
  }
  const bool low = !projection.has_least() || std::isfinite(projection.least());
  const bool high = !projection.has_most() || std::isfinite(projection.most());
  if (!low) return WrongConfig(field, "least", "must be finite");
  if (!high) return WrongConfig(field, "most", "must be finite");
  if (projection.has_least() && projection.has_most() && projection.least() > projection.most()) {
    return WrongConfig(field, "most", "is below `least`");
  }
  if (projection.schema().size() > kMaxSchemaBytes) {
    return WrongConfig(field, "schema", "at most 64 KiB");
  }
  if (!projection.schema().empty()) {
    const auto schema = ParseJson(projection.schema(), "it");
    if (!schema.ok()) return WrongConfig(field, "schema", MessageOf(schema.status()));
    const absl::Status compiled = JsonSchema::Compile(*schema).status();
    if (!compiled.ok()) return WrongConfig(field, "schema", MessageOf(compiled));
  }
  if (projection.max_length() < 0) return WrongConfig(field, "max_length", "must not be negative");
  if (projection.formatter_size() > kMaxFormatter) {
    return WrongConfig(field, "formatter", "at most 32");
  }
  for (const std::string& word : projection.formatter()) {
    if (word.size() > kMaxFormatterBytes) {
      return WrongConfig(field, "formatter", "at most 1,000 bytes each");
    }
  }
  const bool nothing = !projection.has_least() && !projection.has_most() &&
                       projection.schema().empty() && projection.max_length() == 0 &&
                       projection.formatter().empty();
  if (nothing) return WrongConfig(field, "parameter", "say what its values must keep to");
  return absl::OkStatus();
}

absl::Status CheckCandidates(const Config& config, std::string_view field) {
  if (!config.has_candidates()) return absl::OkStatus();
  if (config.algorithm() != Config::ALGORITHM_OPTOPRIME_MULTI) {
    return WrongConfig(field, "candidates", "is for ALGORITHM_OPTOPRIME_MULTI alone");
  }
  return CheckOptimizerCandidates(config.candidates(), fmt::format("{}.candidates", field));
}

absl::Status CheckSections(const Config& config, std::string_view field) {
  std::set<int> masked;
  for (const int section : config.masked_sections()) {
    if (section == Config::SECTION_UNSPECIFIED || !Config::Section_IsValid(section)) {
      return WrongConfig(field, "masked_sections", "there is no such section");
    }
    if (!masked.insert(section).second) {
      return WrongConfig(field, "masked_sections", "give each once");
    }
  }
  return absl::OkStatus();
}

size_t BytesOf(int32_t given, size_t otherwise) {
  if (given == 0) return otherwise;
  return given < 0 ? 0 : static_cast<size_t>(given);
}

ProblemLayout LayoutOf(const Config& config) {
  static constexpr Section kSections[] = {
      Section::kInstruction, Section::kCode,        Section::kDocumentation,
      Section::kVariables,   Section::kConstraints, Section::kInputs,
      Section::kOthers,      Section::kOutputs,     Section::kFeedback};
  ProblemLayout layout;
  layout.value_bytes = BytesOf(config.max_value_bytes(), kDefaultValueBytes);
  layout.section_bytes = BytesOf(config.max_section_bytes(), kDefaultSectionBytes);
  for (const int section : config.masked_sections()) layout.masked.insert(kSections[section - 1]);
  return layout;
}

ValueRules RulesOf(const Config& config) {
  static const SandboxCodeChecker python(SandboxCodeChecker::Language::kPython);
  static const SandboxCodeChecker r(SandboxCodeChecker::Language::kR);
  ValueRules rules;
  if (config.language() != Config::LANGUAGE_OTHER) {
    rules.checker = config.language() == Config::LANGUAGE_R ? &r : &python;
  }
  rules.projections.reserve(static_cast<size_t>(config.projections_size()));
  for (const v1::Projection& given : config.projections()) {
    Projection projection;
    projection.parameter = given.parameter();
    if (given.has_least()) projection.least = given.least();
    if (given.has_most()) projection.most = given.most();
    if (given.max_length() > 0) projection.max_length = given.max_length();
    projection.formatter.assign(given.formatter().begin(), given.formatter().end());
    if (!given.schema().empty()) {
      auto schema = JsonSchema::Compile(*ParseJson(given.schema(), "a checked schema"));
      projection.schema = std::make_shared<const JsonSchema>(*std::move(schema));
    }
    rules.projections.push_back(std::move(projection));
  }
  return rules;
}

MultiOptions MultiOf(const Candidates& candidates) {
  MultiOptions options;
  if (candidates.count() > 0) options.count = candidates.count();
  if (candidates.generation() == Candidates::GENERATION_REFINEMENT) {
    options.generation = MultiOptions::Generation::kRefinement;
  } else if (candidates.generation() == Candidates::GENERATION_ALTERNATIVES) {
    options.generation = MultiOptions::Generation::kAlternatives;
  } else if (candidates.generation() == Candidates::GENERATION_EXPERTS) {
    options.generation = MultiOptions::Generation::kExperts;
  }
  if (candidates.selection() == Candidates::SELECTION_MERGE) {
    options.selection = MultiOptions::Selection::kMerge;
  } else if (candidates.selection() == Candidates::SELECTION_MAJORITY) {
    options.selection = MultiOptions::Selection::kMajority;
  } else if (candidates.selection() == Candidates::SELECTION_LAST) {
    options.selection = MultiOptions::Selection::kLast;
  }
  return options;
}

}  // namespace

absl::Status CheckOptimizerCandidates(const Candidates& candidates, std::string_view field) {
  if (candidates.count() != 0 && (candidates.count() < 2 || candidates.count() > kMostCandidates)) {
    return WrongConfig(field, "count", "give 2 to 16, or 0 for 3");
  }
  if (!Candidates::Generation_IsValid(candidates.generation())) {
    return WrongConfig(field, "generation", "there is no such way");
  }
  if (!Candidates::Selection_IsValid(candidates.selection())) {
    return WrongConfig(field, "selection", "there is no such way");
  }
  return absl::OkStatus();
}

absl::Status CheckOptimizerConfig(const Config& config, std::string_view field) {
  if (!Config::Algorithm_IsValid(config.algorithm())) {
    return WrongConfig(field, "algorithm", "there is no such optimizer");
  }
  if (config.objective().size() > kMaxObjective) {
    return WrongConfig(field, "objective", "at most 64 KiB");
  }
  if (!Config::Form_IsValid(config.form())) {
    return WrongConfig(field, "form", "give FORM_SECTIONS or FORM_TAGS");
  }
  if (!Config::Language_IsValid(config.language())) {
    return WrongConfig(field, "language", "there is no such language");
  }
  if (config.memory() < 0 || config.memory() > static_cast<int>(kMaxMemory)) {
    return WrongConfig(field, "memory", "give 0 to 100");
  }
  RETURN_IF_ERROR(CheckSections(config, field));
  if (config.max_value_bytes() < -1) return WrongConfig(field, "max_value_bytes", "-1 or more");
  if (config.max_section_bytes() < -1) return WrongConfig(field, "max_section_bytes", "-1 or more");
  if (config.has_temperature() && !(config.temperature() >= 0 && config.temperature() <= 2)) {
    return WrongConfig(field, "temperature", "give 0 to 2");
  }
  if (config.max_tokens() < 0) return WrongConfig(field, "max_tokens", "must not be negative");
  RETURN_IF_ERROR(CheckCandidates(config, field));
  if (config.projections_size() > kMaxProjections) {
    return WrongConfig(field, "projections", "at most 100");
  }
  for (int i = 0; i < config.projections_size(); ++i) {
    RETURN_IF_ERROR(
        CheckProjection(config.projections(i), fmt::format("{}.projections[{}]", field, i)));
  }
  return absl::OkStatus();
}

std::shared_ptr<const GraphOptimizer> MakeGraphOptimizer(const Config& config) {
  std::optional<double> temperature;
  if (config.has_temperature()) temperature = config.temperature();
  std::optional<int64_t> max_tokens;
  if (config.max_tokens() > 0) max_tokens = config.max_tokens();
  if (config.algorithm() == Config::ALGORITHM_OPRO ||
      config.algorithm() == Config::ALGORITHM_TEXTGRAD) {
    BaselineOptions options{temperature, max_tokens, LayoutOf(config), RulesOf(config)};
    if (config.algorithm() == Config::ALGORITHM_OPRO) {
      return std::make_shared<const Opro>(std::move(options));
    }
    return std::make_shared<const TextGrad>(std::move(options));
  }
  OptoPrimeOptions options;
  if (config.form() == Config::FORM_TAGS) options.form = OptoPrimeOptions::Form::kTags;
  options.layout = LayoutOf(config);
  options.example = config.example();
  options.temperature = temperature;
  options.max_tokens = max_tokens;
  options.rules = RulesOf(config);
  if (config.algorithm() != Config::ALGORITHM_OPTOPRIME_MULTI) {
    return std::make_shared<const OptoPrime>(std::move(options));
  }
  return std::make_shared<const OptoPrimeMulti>(std::move(options), MultiOf(config.candidates()));
}

ProblemOptions ProblemOptionsOf(const Config& config) {
  return {config.objective(), !config.keep_hidden()};
}

size_t MemoryOf(const Config& config) {
  return config.has_memory() ? static_cast<size_t>(config.memory()) : kDefaultMemory;
}

}  // namespace troupe
