#include "agents/spo/spo_kind.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "agents/compare/model_opinions.h"
#include "agents/prompts/prompt_library.h"
#include "agents/runtime/task_result.h"
#include "agents/runtime/text.h"
#include "agents/runtime/usage_message.h"
#include "agents/spo/model_roles.h"
#include "agents/spo/question_sets.h"
#include "agents/spo/report/report.h"
#include "agents/spo/spo.h"
#include "agents/spo/spo_result.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxText = 64 * 1024;
constexpr size_t kMaxDescription = 4 * 1024;
constexpr int kMaxQuestions = 10'000;
constexpr int kFaithfulVotes = 4;
constexpr int kFaithfulSample = 3;
constexpr int kDraftedQuestions = 24;
// A lead of two on held-out questions is the least that proves anything; they are four tenths of
// all.
constexpr int kLeastHeldOut = 2;
constexpr int kLeastQuestions = 5;

absl::Status Wrong(std::string_view field, std::string_view what) {
  const std::string full = fmt::format("spec.spo.{}", field);
  return Error(Reason::kInvalidField, fmt::format("{}: {}", full, what), {{"field", full}});
}

bool IsFaithful(const v1::SpoSpec& spec) { return spec.preset() == v1::SpoSpec::PRESET_FAITHFUL; }

absl::Status CheckQuestions(const google::protobuf::RepeatedPtrField<v1::SpoQuestion>& questions,
                            std::string_view field) {
  for (int i = 0; i < questions.size(); ++i) {
    const std::string each = fmt::format("{}[{}]", field, i);
    if (questions[i].question().empty()) return Wrong(each + ".question", "say what is asked");
    if (questions[i].question().size() > kMaxText) {
      return Wrong(each + ".question", "at most 64 KiB");
    }
    if (questions[i].answer().size() > kMaxText) return Wrong(each + ".answer", "at most 64 KiB");
  }
  return absl::OkStatus();
}

absl::Status CheckTexts(const v1::SpoSpec& spec) {
  const bool described = !spec.description().empty();
  if (spec.description().size() > kMaxDescription) return Wrong("description", "at most 4 KiB");
  if (spec.prompt().empty() && !described) {
    return Wrong("prompt", "give the prompt to begin with, or a description");
  }
  if (spec.prompt().size() > kMaxText) return Wrong("prompt", "at most 64 KiB");
  if (spec.requirements().empty() && !described) {
    return Wrong("requirements", "say what good answers are, or give a description");
  }
  if (spec.requirements().size() > kMaxText) return Wrong("requirements", "at most 64 KiB");
  if (spec.questions().empty() && !spec.has_items() && !described) {
    return Wrong("questions", "give questions, items of a data set, or a description");
  }
  if (spec.questions_size() + spec.held_out_size() > kMaxQuestions) {
    return Wrong("questions", "at most 10,000 with those held out");
  }
  RETURN_IF_ERROR(CheckQuestions(spec.questions(), "questions"));
  return CheckQuestions(spec.held_out(), "held_out");
}

absl::Status CheckNumbers(const v1::SpoSpec& spec) {
  struct Range {
    std::string_view field;
    int value;
    int most;
    std::string_view hint;
  };
  for (const Range& range :
       {Range{"rounds", spec.rounds(), 100, "give 1 to 100, or 0 for 10"},
        Range{"sample", spec.sample(), 20, "give 1 to 20, or 0 for the preset's own"},
        Range{"votes", spec.votes(), 15, "give 1 to 15, or 0 for the preset's own"},
        Range{"challengers", spec.challengers(), 14, "give 1 to 14, or 0 for the preset's own"},
        Range{"max_prompt_words", spec.max_prompt_words(), 10'000, "give 0 to 10,000"},
        Range{"max_prompt_bytes", spec.max_prompt_bytes(), 65'536, "give 0 to 65,536"},
        Range{"patience", spec.patience(), 100, "give 1 to 100, or 0 for 3"},
        Range{"drafted_questions", spec.drafted_questions(), 50, "give 1 to 50, or 0 for 24"}}) {
    if (range.value < 0 || range.value > range.most) return Wrong(range.field, range.hint);
  }
  if (!IsFaithful(spec)) {
    if (spec.votes() != 0 && spec.votes() % 2 == 0) return Wrong("votes", "give an odd number");
    return absl::OkStatus();
  }
  if (!spec.held_out().empty()) return Wrong("held_out", "PRESET_FAITHFUL holds out none");
  if (spec.has_held_out_items()) {
    return Wrong("held_out_items", "PRESET_FAITHFUL holds out none");
  }
  if (spec.challengers() > 1) {
    return Wrong("challengers", "PRESET_FAITHFUL makes one: give 1, or leave it out");
  }
  for (const auto& [field, value] :
       {std::pair<std::string_view, int>{"max_prompt_bytes", spec.max_prompt_bytes()},
        {"patience", spec.patience()}}) {
    if (value != 0) return Wrong(field, "is not for PRESET_FAITHFUL");
  }
  return absl::OkStatus();
}

std::vector<Item> ItemsOf(const google::protobuf::RepeatedPtrField<v1::SpoQuestion>& questions) {
  std::vector<Item> items;
  for (const v1::SpoQuestion& question : questions) {
    Item item;
    item.number = static_cast<int32_t>(items.size()) + 1;
    item.fields = {{"question", question.question()}, {"answer", question.answer()}};
    item.question = question.question();
    item.answer = question.answer();
    item.answer_field = "answer";
    items.push_back(std::move(item));
  }
  return items;
}

SpoOptions OptionsOf(const v1::SpoSpec& spec) {
  SpoOptions options;
  options.preset = IsFaithful(spec) ? SpoPreset::kFaithful : SpoPreset::kImproved;
  options.prompt = spec.prompt();
  options.requirements = spec.requirements();
  options.questions = ItemsOf(spec.questions());
  options.held_out = ItemsOf(spec.held_out());
  if (spec.rounds() > 0) options.rounds = spec.rounds();
  if (IsFaithful(spec)) options.sample = kFaithfulSample;
  if (spec.sample() > 0) options.sample = spec.sample();
  if (IsFaithful(spec)) options.votes = kFaithfulVotes;
  if (spec.votes() > 0) options.votes = spec.votes();
  if (spec.challengers() > 0) options.challengers = spec.challengers();
  options.prompt_words = spec.max_prompt_words();
  options.max_prompt_bytes = static_cast<size_t>(spec.max_prompt_bytes());
  if (spec.patience() > 0) options.patience = spec.patience();
  options.registered_prompt = spec.registered_prompt();
  return options;
}

// Has what the user left out written from the description; whether anything was.
Async<bool> FillIn(const Scope& scope, v1::SpoSpec* spec) {
  const bool complete =
      !spec->prompt().empty() && !spec->requirements().empty() && !spec->questions().empty();
  if (complete) co_return false;
  const int wanted = spec->drafted_questions() > 0 ? spec->drafted_questions() : kDraftedQuestions;
  CO_ASSIGN_OR_RETURN(Draft draft, co_await WriteDraft(scope, spec->description(), wanted));
  if (spec->prompt().empty()) spec->set_prompt(std::move(draft.prompt));
  if (spec->requirements().empty()) spec->set_requirements(std::move(draft.requirements));
  if (spec->questions().empty()) {
    for (std::string& question : draft.questions) {
      spec->add_questions()->set_question(std::move(question));
    }
  }
  scope.Progress(fmt::format("Written from the description: {} to search with",
                             CountText(spec->questions_size(), "question")));
  co_return true;
}

// Says before money is spent what the result says behind it.
void WarnOfFewQuestions(const Scope& scope, const v1::SpoSpec& spec) {
  const bool few = spec.held_out().empty() ? spec.questions_size() < kLeastQuestions
                                           : spec.held_out_size() < kLeastHeldOut;
  if (!few) return;
  scope.Progress(fmt::format(
      "Too few questions to prove anything: the first prompt will be the result. It takes {} to be "
      "held out, or {} in all",
      kLeastHeldOut, kLeastQuestions));
}

// An agent in the executor's place has roles of its own: what is neither the optimizer's nor the
// evaluator's is counted as the executor's.
Usage SpentInRole(const Scope& scope, const std::string& role, bool agent) {
  Usage usage = scope.SpentBy(role);
  if (!agent || role != kExecutor) return usage;
  usage = scope.usage();
  for (const char* const other : {kOptimizer, kEvaluator}) usage -= scope.SpentBy(other);
  return usage;
}

void FillCosts(const Scope& scope, bool agent, v1::SpoResult& result) {
  for (const char* const role : {kOptimizer, kExecutor, kEvaluator}) {
    v1::SpoRoleCost& cost = *result.add_costs();
    cost.set_role(role);
    FillUsage(SpentInRole(scope, role, agent), cost);
  }
}

}  // namespace

std::string SpoKind::TitleOf(const v1::TaskSpec& spec) const {
  const v1::SpoSpec& spo = spec.spo();
  if (!spo.registered_prompt().empty()) return "Improve " + spo.registered_prompt();
  if (!spo.description().empty()) return "Make a prompt for: " + spo.description();
  return "Improve a prompt: " + spo.prompt();
}

std::vector<std::string> SpoKind::PromptFamilies(const v1::TaskSpec& spec) const {
  std::vector<std::string> families = {"spo", "compare"};
  for (const auto& [kind, settings] : spec.spo().agent().fields()) families.push_back(kind);
  return families;
}

absl::StatusOr<std::shared_ptr<const Target>> SpoKind::ExecutorOf(const v1::SpoSpec& spec) const {
  if (!spec.has_agent()) {
    return std::make_shared<const PromptTarget>(
        PromptTarget::Options{kExecutor, kExecutorTemperature, std::nullopt});
  }
  std::string text;
  const auto printed = google::protobuf::util::MessageToJsonString(spec.agent(), &text);
  if (!printed.ok()) return Wrong("agent", std::string(printed.message()));
  ASSIGN_OR_RETURN(const Json task, ParseJson(text, "spec.spo.agent"));
  auto agent = AgentTarget::Make(task, spec.registered_prompt(), {"question"}, find_kind_);
  if (!agent.ok()) {
    // It names the field of the other kind that has such a target.
    const std::string message(MessageOf(agent.status()));
    const size_t colon = message.find(": ");
    return Wrong("agent", colon == std::string::npos ? message : message.substr(colon + 2));
  }
  return std::shared_ptr<const Target>(*std::move(agent));
}

absl::Status SpoKind::Validate(const v1::TaskSpec& spec) const {
  const v1::SpoSpec& spo = spec.spo();
  if (!v1::SpoSpec::Preset_IsValid(spo.preset())) {
    return Wrong("preset", "give PRESET_IMPROVED or PRESET_FAITHFUL, or leave it out");
  }
  RETURN_IF_ERROR(CheckTexts(spo));
  RETURN_IF_ERROR(CheckNumbers(spo));
  RETURN_IF_ERROR(CheckQuestionSets(spo, *datasets_));
  if (!IsFaithful(spo) && !spo.has_items()) {
    v1::SpoSpec given = spo;
    RETURN_IF_ERROR(LeaveOutRepeated(given).status());
  }
  if (spo.registered_prompt().empty()) {
    if (!spo.has_agent()) return absl::OkStatus();
    return Wrong("agent", "name the registered_prompt that the agent is to use new prompts for");
  }
  const auto active = prompts_->Get(spo.registered_prompt(), "");
  if (!active.ok()) return Wrong("registered_prompt", MessageOf(active.status()));
  const auto compiled = prompts_->Compile(spo.registered_prompt(), spo.prompt());
  if (!compiled.ok()) return Wrong("prompt", MessageOf(compiled.status()));
  return ExecutorOf(spo).status();
}

Async<v1::TaskResult> SpoKind::Run(Scope& scope, v1::TaskSpec spec) const {
  v1::SpoSpec& spo = *spec.mutable_spo();
  v1::TaskResult result;
  v1::SpoResult& detail = *result.mutable_spo();
  CO_RETURN_IF_ERROR(co_await AddQuestionSets(scope, datasets_, &spo));
  if (!IsFaithful(spo)) {
    CO_ASSIGN_OR_RETURN(const int repeated, LeaveOutRepeated(spo));
    if (repeated > 0) {
      scope.Progress(fmt::format("{} left out: given twice, or held out too",
                                 CountText(repeated, "question")));
    }
  }
  const auto drafted = co_await FillIn(scope, &spo);
  if (IsLimit(drafted.status())) {
    result.set_stop_reason(StopReasonOf(drafted.status()));
    co_return result;
  }
  CO_RETURN_IF_ERROR(drafted.status());
  const bool faithful = IsFaithful(spo);
  if (!faithful) WarnOfFewQuestions(scope, spo);
  const ModelOptimizer optimizer(faithful ? ModelOptimizer::Form::kTags
                                          : ModelOptimizer::Form::kJson);
  CO_ASSIGN_OR_RETURN(const std::shared_ptr<const Target> executor, ExecutorOf(spo));
  const ModelOpinions evaluator(
      {kEvaluator, faithful ? OpinionSettings::Form::kTags : OpinionSettings::Form::kJson,
       kEvaluatorTemperature});
  const LedgerAllowance allowance;
  const SpoRoles roles{&optimizer, executor.get(), &evaluator, &allowance};
  CO_ASSIGN_OR_RETURN(const SpoOutcome outcome, co_await RunSpo(scope, OptionsOf(spo), roles));
  result.set_text(outcome.winner().text);
  result.set_stop_reason(StopReasonOf(outcome.stopped));
  CO_RETURN_IF_ERROR(FillSpoResult(outcome, detail));
  detail.set_preset(faithful ? v1::SpoSpec::PRESET_FAITHFUL : v1::SpoSpec::PRESET_IMPROVED);
  detail.set_requirements(spo.requirements());
  detail.set_drafted(*drafted);
  FillCosts(scope, spo.has_agent(), detail);
  // Without the agent that uses it the template was tried as it stands, which proves nothing of it.
  if (spo.has_agent()) AddPromptWin(outcome, spo.registered_prompt(), result);
  std::vector<ReportFile> files = MakeSpoReport(detail);
  CO_ASSIGN_OR_RETURN(const std::vector<Artifact> report,
                      co_await PublishReport(scope, std::move(files)));
  AddArtifacts(report, result);
  co_return result;
}

}  // namespace troupe
