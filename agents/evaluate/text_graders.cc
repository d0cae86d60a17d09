#include "agents/evaluate/text_graders.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>

#include "agents/evaluate/answer_text.h"
#include "agents/models/structured_reply.h"
#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr size_t kMaxPattern = 64 * 1024;
constexpr int64_t kPatternMemory = 8 * 1024 * 1024;
constexpr size_t kShown = 200;

// A grader whose judgement is a plain function of item and answer.
class TextGrader : public AnswerGrader {
 public:
  Async<GivenGrade> Judge(const Scope&, Item item, std::string answer) const final {
    co_return Compare(item, answer);
  }
  virtual GivenGrade Compare(const Item& item, const std::string& answer) const = 0;
};

GivenGrade Verdict(bool passed, std::string reason) {
  return {"", passed ? 1.0 : 0.0, passed, std::move(reason), ""};
}

// The same of a part of the answer, which is what counts of it.
GivenGrade VerdictOn(std::string part, bool passed, std::string reason) {
  GivenGrade grade = Verdict(passed, std::move(reason));
  grade.judged = std::move(part);
  return grade;
}

std::string Shown(std::string_view text) { return fmt::format("'{}'", Elide(text, kShown)); }

class ExactGrader : public TextGrader {
 public:
  GivenGrade Compare(const Item& item, const std::string& answer) const override {
    const bool same = Trimmed(answer) == Trimmed(item.answer);
    return Verdict(same, same ? "is what was expected" : "is not " + Shown(item.answer));
  }
};

class NormalizedGrader : public TextGrader {
 public:
  explicit NormalizedGrader(bool contains) : contains_(contains) {}
  GivenGrade Compare(const Item& item, const std::string& answer) const override {
    const std::string expected = Normalized(item.answer);
    const std::string given = Normalized(answer);
    // What is nothing but punctuation is compared as it is.
    if (expected.empty()) return Verdict(Trimmed(answer) == Trimmed(item.answer), "compared as is");
    if (given == expected) return Verdict(true, "is what was expected");
    if (contains_ && ContainsWords(given, expected)) return Verdict(true, "has what was expected");
    return Verdict(false, fmt::format("{} {}", contains_ ? "has no" : "is not", Shown(expected)));
  }

 private:
  const bool contains_;
};

class NumericGrader : public TextGrader {
 public:
  explicit NumericGrader(const v1::NumericGrader& spec)
      : absolute_(spec.absolute_tolerance()), relative_(spec.relative_tolerance()) {}
  GivenGrade Compare(const Item& item, const std::string& answer) const override {
    const auto expected = FindNumber(item.answer);
    if (!expected.has_value()) return Verdict(false, "no number is expected by the data set");
    const auto given = FindNumber(answer);
    if (!given.has_value()) return Verdict(false, "has no number");
    // A little more than nothing, so that 0.1 + 0.2 is 0.3.
    const double rounding = 1e-9 * std::max(std::abs(*expected), std::abs(*given));
    const double allowed = std::max({absolute_, relative_ * std::abs(*expected), rounding});
    return VerdictOn(fmt::format("{}", *given), std::abs(*given - *expected) <= allowed,
                     fmt::format("{} against {} expected", *given, *expected));
  }

 private:
  const double absolute_;
  const double relative_;
};

class ChoiceGrader : public TextGrader {
 public:
  explicit ChoiceGrader(int choices) : choices_(choices) {}
  GivenGrade Compare(const Item& item, const std::string& answer) const override {
    const auto expected = FindChoice(item.answer, choices_);
    if (!expected.has_value()) return Verdict(false, "no choice is expected by the data set");
    const auto given = FindChoice(answer, choices_);
    if (!given.has_value()) return Verdict(false, "makes no choice");
    return VerdictOn(std::string(1, *given), *given == *expected,
                     fmt::format("{} against {} expected", *given, *expected));
  }

 private:
  const int choices_;
};

RE2::Options PatternOptions() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kPatternMemory);
  return options;
}

absl::StatusOr<std::shared_ptr<const RE2>> CompilePattern(const std::string& pattern) {
  if (pattern.size() > kMaxPattern) return Error(Reason::kInvalidField, "at most 64 KiB");
  auto compiled = std::make_shared<const RE2>(pattern, PatternOptions());
  if (compiled->ok()) return compiled;
  return Error(Reason::kInvalidField, fmt::format("is no RE2: {}", compiled->error()));
}

class RegexGrader : public TextGrader {
 public:
  RegexGrader(std::shared_ptr<const RE2> pattern, bool full)
      : pattern_(std::move(pattern)), full_(full) {}
  GivenGrade Compare(const Item& item, const std::string& answer) const override {
    if (pattern_ != nullptr) return Match(*pattern_, answer);
    const auto of_item = CompilePattern(item.answer);
    if (!of_item.ok()) {
      return Verdict(false, fmt::format("what is expected {}", MessageOf(of_item.status())));
    }
    return Match(**of_item, answer);
  }

 private:
  GivenGrade Match(const RE2& pattern, const std::string& answer) const {
    const std::string_view whole = Trimmed(answer);
    const re2::StringPiece piece(whole.data(), whole.size());
    const bool matches = full_ ? RE2::FullMatch(piece, pattern) : RE2::PartialMatch(piece, pattern);
    return Verdict(matches, fmt::format("{} {}", matches ? "matches" : "does not match",
                                        Shown(pattern.pattern())));
  }

  const std::shared_ptr<const RE2> pattern_;  // null: the item's expected answer is it
  const bool full_;
};

class SchemaGrader : public TextGrader {
 public:
  explicit SchemaGrader(Json schema) : schema_{"answer", std::move(schema)} {}
  GivenGrade Compare(const Item&, const std::string& answer) const override {
    ChatReply reply;
    reply.message = AssistantMessage(answer);
    const auto parsed = ParseStructuredReply(reply, schema_);
    if (parsed.ok()) return Verdict(true, "is valid by the schema");
    return Verdict(false, std::string(MessageOf(parsed.status())));
  }

 private:
  const ReplySchema schema_;
};

class PartGrader : public AnswerGrader {
 public:
  PartGrader(std::string tag, std::shared_ptr<const RE2> pattern,
             std::shared_ptr<const AnswerGrader> inner)
      : tag_(std::move(tag)), pattern_(std::move(pattern)), inner_(std::move(inner)) {}

  Async<GivenGrade> Judge(const Scope& scope, Item item, std::string answer) const override {
    auto part = PartOf(answer);
    if (!part.has_value()) {
      co_return Verdict(false, pattern_ == nullptr ? fmt::format("has no <{}>", tag_)
                                                   : "has no part that matches answer_pattern");
    }
    const std::string judged = Elide(*part, kShown);
    auto grade = co_await inner_->Judge(scope, std::move(item), *std::move(part));
    if (grade.ok() && grade->judged.empty()) grade->judged = judged;
    co_return grade;
  }

 private:
  std::optional<std::string> PartOf(const std::string& answer) const {
    if (pattern_ == nullptr) return TaggedPart(answer, tag_);
    re2::StringPiece rest(answer);
    std::optional<std::string> part;
    re2::StringPiece found[2];
    const int groups = pattern_->NumberOfCapturingGroups() > 0 ? 2 : 1;
    size_t at = 0;
    while (at <= answer.size() &&
           pattern_->Match(answer, at, answer.size(), RE2::UNANCHORED, found, groups)) {
      part = std::string(found[groups - 1]);
      const auto end = static_cast<size_t>(found[0].data() + found[0].size() - answer.data());
      at = std::max(end, at + 1);
    }
    return part;
  }

  const std::string tag_;
  const std::shared_ptr<const RE2> pattern_;
  const std::shared_ptr<const AnswerGrader> inner_;
};

bool IsTag(const std::string& tag) {
  return !tag.empty() && tag.size() <= 64 && std::all_of(tag.begin(), tag.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  });
}

}  // namespace

std::shared_ptr<const AnswerGrader> MakeExactGrader() { return std::make_shared<ExactGrader>(); }

std::shared_ptr<const AnswerGrader> MakeNormalizedGrader(const v1::NormalizedGrader& spec) {
  return std::make_shared<NormalizedGrader>(spec.contains());
}

absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeNumericGrader(
    const v1::NumericGrader& spec) {
  const auto fits = [](double tolerance) { return tolerance >= 0 && std::isfinite(tolerance); };
  if (!fits(spec.absolute_tolerance())) {
    return WrongGrader("numeric.absolute_tolerance", "must not be negative");
  }
  if (!fits(spec.relative_tolerance())) {
    return WrongGrader("numeric.relative_tolerance", "must not be negative");
  }
  return std::make_shared<NumericGrader>(spec);
}

absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeChoiceGrader(const v1::ChoiceGrader& spec) {
  const int choices = spec.choices() == 0 ? 10 : spec.choices();
  if (choices < 2 || choices > 26) {
    return WrongGrader("choice.choices", "give 2 to 26, or 0 for 10");
  }
  return std::make_shared<ChoiceGrader>(choices);
}

absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeRegexGrader(const v1::RegexGrader& spec) {
  std::shared_ptr<const RE2> pattern;
  if (!spec.pattern().empty()) {
    auto compiled = CompilePattern(spec.pattern());
    if (!compiled.ok()) return WrongGrader("regex.pattern", MessageOf(compiled.status()));
    pattern = *std::move(compiled);
  }
  return std::make_shared<RegexGrader>(std::move(pattern), spec.full_match());
}

absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeSchemaGrader(const v1::SchemaGrader& spec) {
  if (spec.schema().empty() || spec.schema().size() > kMaxPattern) {
    return WrongGrader("json_schema.schema", "give 1 byte to 64 KiB");
  }
  auto schema = ParseJson(spec.schema(), "it");
  if (!schema.ok()) return WrongGrader("json_schema.schema", MessageOf(schema.status()));
  const auto compiled = JsonSchema::Compile(*schema);
  if (!compiled.ok()) {
    return WrongGrader("json_schema.schema", MessageOf(compiled.status()));
  }
  return std::make_shared<SchemaGrader>(*std::move(schema));
}

absl::StatusOr<std::shared_ptr<const AnswerGrader>> OfMarkedPart(
    const v1::Grader& spec, std::shared_ptr<const AnswerGrader> inner) {
  if (spec.answer_tag().empty() && spec.answer_pattern().empty()) return inner;
  if (!spec.answer_tag().empty() && !spec.answer_pattern().empty()) {
    return WrongGrader("answer_pattern", "not beside answer_tag");
  }
  if (!spec.answer_tag().empty()) {
    if (!IsTag(spec.answer_tag())) {
      return WrongGrader("answer_tag", "give the tag's name, as answer");
    }
    return std::make_shared<PartGrader>(spec.answer_tag(), nullptr, std::move(inner));
  }
  auto pattern = CompilePattern(spec.answer_pattern());
  if (!pattern.ok()) return WrongGrader("answer_pattern", MessageOf(pattern.status()));
  return std::make_shared<PartGrader>("", *std::move(pattern), std::move(inner));
}

}  // namespace troupe
