#include "agents/evaluate/grader.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agents/evaluate/asking_graders.h"
#include "agents/evaluate/text_graders.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr int kMaxGraders = 16;
constexpr size_t kMaxGraderName = 100;
constexpr double kMaxWeight = 1e6;

absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeGrader(const v1::Grader& spec) {
  switch (spec.kind_case()) {
    case v1::Grader::kExact:
      return MakeExactGrader();
    case v1::Grader::kNormalized:
      return MakeNormalizedGrader(spec.normalized());
    case v1::Grader::kNumeric:
      return MakeNumericGrader(spec.numeric());
    case v1::Grader::kChoice:
      return MakeChoiceGrader(spec.choice());
    case v1::Grader::kRegex:
      return MakeRegexGrader(spec.regex());
    case v1::Grader::kJsonSchema:
      return MakeSchemaGrader(spec.json_schema());
    case v1::Grader::kCode:
      return MakeCodeGrader(spec.code());
    case v1::Grader::kModel:
      return MakeModelGrader(spec.model());
    case v1::Grader::KIND_NOT_SET:
      break;
  }
  return Error(Reason::kInvalidField, "set one kind of grader, as exact", {{"field", ""}});
}

bool NeedsAnswer(const v1::Grader& spec) {
  switch (spec.kind_case()) {
    case v1::Grader::kExact:
    case v1::Grader::kNormalized:
    case v1::Grader::kNumeric:
    case v1::Grader::kChoice:
      return true;
    case v1::Grader::kRegex:
      return spec.regex().pattern().empty();
    default:
      return false;
  }
}

// The name of the field set in the oneof.
std::string KindOf(const v1::Grader& spec) {
  const auto* kind = v1::Grader::descriptor()->FindOneofByName("kind");
  const auto* field = spec.GetReflection()->GetOneofFieldDescriptor(spec, kind);
  return field == nullptr ? "" : field->name();
}

absl::Status Wrong(const std::string& field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what), {{"field", field}});
}

}  // namespace

absl::Status WrongGrader(std::string_view field, std::string_view what) {
  return Error(Reason::kInvalidField, fmt::format("{}: {}", field, what),
               {{"field", std::string(field)}});
}

absl::StatusOr<GraderSet> GraderSet::Make(
    const google::protobuf::RepeatedPtrField<v1::Grader>& specs, const std::string& field) {
  if (specs.size() > kMaxGraders) return Wrong(field, "at most 16");
  GraderSet set;
  std::set<std::string> names;
  double weights = 0;
  for (int i = 0; i < specs.size(); ++i) {
    const v1::Grader& spec = specs.Get(i);
    const std::string where = fmt::format("{}[{}]", field, i);
    Entry entry;
    entry.name = spec.name().empty() ? KindOf(spec) : spec.name();
    if (entry.name.size() > kMaxGraderName) return Wrong(where + ".name", "at most 100 bytes");
    entry.weight = spec.has_weight() ? spec.weight() : 1;
    if (!(entry.weight >= 0 && entry.weight <= kMaxWeight)) {
      return Wrong(where + ".weight", "give 0 to 1,000,000");
    }
    weights += entry.weight;
    entry.needs_answer = NeedsAnswer(spec);
    if (spec.has_code()) entry.needed_field = spec.code().tests_field();
    auto made = MakeGrader(spec);
    if (made.ok()) made = OfMarkedPart(spec, *std::move(made));
    if (!made.ok()) {
      const std::string part = MetadataOf(made.status()).at("field");
      const std::string full = part.empty() ? where : where + "." + part;
      return Error(
          Reason::kInvalidField,
          fmt::format("{}{}{}", where, part.empty() ? ": " : ".", MessageOf(made.status())),
          {{"field", full}});
    }
    entry.grader = *std::move(made);
    if (!names.insert(entry.name).second) {
      return Wrong(where + ".name", fmt::format("another grader is called '{}'", entry.name));
    }
    set.entries_.push_back(std::move(entry));
  }
  if (!set.entries_.empty() && weights <= 0) return Wrong(field, "no weight is above 0");
  return set;
}

absl::Status GraderSet::CheckItems(const std::vector<std::string>& fields,
                                   bool have_answers) const {
  for (const Entry& entry : entries_) {
    if (entry.needs_answer && !have_answers) {
      return Error(
          Reason::kInvalidField,
          fmt::format("the grader '{}' needs an expected answer, which no field of the data "
                      "set is: give items.answer_field",
                      entry.name),
          {{"field", "spec.evaluate.items.answer_field"}});
    }
    if (!entry.needed_field.empty() &&
        std::find(fields.begin(), fields.end(), entry.needed_field) == fields.end()) {
      return Error(Reason::kInvalidField,
                   fmt::format("the grader '{}' needs the field '{}', which no item has",
                               entry.name, entry.needed_field),
                   {{"field", "spec.evaluate.graders"}});
    }
  }
  return absl::OkStatus();
}

Async<std::vector<GivenGrade>> GraderSet::Judge(const Scope& scope, Item item,
                                                std::string answer) const {
  std::vector<GivenGrade> grades;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    Scope judging = scope.Open("grade", fmt::format("grade:{}", i + 1), entry.name);
    auto grade = co_await entry.grader->Judge(judging, item, answer);
    if (grade.ok()) {
      judging.Note("score", grade->score);
      judging.Note("reason", grade->reason);
    }
    judging.End(grade.status());
    CO_RETURN_IF_ERROR(grade.status());
    grade->grader = entry.name;
    grades.push_back(*std::move(grade));
  }
  co_return grades;
}

double GraderSet::ScoreOf(const std::vector<GivenGrade>& grades) const {
  double sum = 0;
  double weights = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    sum += entries_[i].weight * grades[i].score;
    weights += entries_[i].weight;
  }
  return weights > 0 ? sum / weights : 0;
}

bool GraderSet::PassOf(const std::vector<GivenGrade>& grades) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].weight > 0 && !grades[i].passed) return false;
  }
  return !entries_.empty();
}

}  // namespace troupe
