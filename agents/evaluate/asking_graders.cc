#include "agents/evaluate/asking_graders.h"

#include <fmt/format.h>

#include <algorithm>

#include "agents/evaluate/answer_text.h"
#include "agents/prompts/render.h"
#include "agents/runtime/text.h"
#include "agents/runtime/tool_answer.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/json_schema.h"

namespace troupe {
namespace {

constexpr size_t kMaxCode = 256 * 1024;
constexpr size_t kMaxRubric = 64 * 1024;
constexpr size_t kMaxReason = 1000;
constexpr int kDefaultSeconds = 30;
constexpr int kMaxSeconds = 600;
constexpr int kMaxVotes = 15;
constexpr double kDefaultPassScore = 0.6;
constexpr double kMostPoints = 10;
constexpr char kVerdict[] = "GraderVerdict";

// What a code grader runs. SIGALRM with its default action ends the cell wherever it is.
constexpr char kProgram[] = R"py(import json, math, signal
signal.signal(signal.SIGALRM, signal.SIG_DFL)
signal.alarm({seconds})
class {verdict}(Exception):
    pass
def _verdict(given):
    names = given["names"]
    try:
        for code in given["codes"]:
            try:
                compiled = compile(code["text"], code["name"], "exec")
            except SyntaxError as error:
                if given["scored"]:
                    return {{"broken": "its code is no Python: " + str(error)}}
                raise
            exec(compiled, names)
        score = names.get("score") if given["scored"] else 1
        if not isinstance(score, (bool, int, float)) or not math.isfinite(score):
            said = "no score" if score is None else "the score " + repr(score)[:100]
            return {{"broken": "its code set " + said + ", not a number from 0 to 1 or a bool"}}
        return {{"score": float(score), "reason": str(names.get("reason", ""))[:1000]}}
    except BaseException as error:
        return {{"score": 0, "reason": (type(error).__name__ + ": " + str(error))[:1000]}}
said = json.dumps(_verdict(json.loads({given})))
signal.alarm(0)
raise {verdict}(said)
)py";

class CodeGrader : public AnswerGrader {
 public:
  explicit CodeGrader(const v1::CodeGrader& spec)
      : code_(spec.code()),
        tests_field_(spec.tests_field()),
        seconds_(spec.timeout_seconds() == 0 ? kDefaultSeconds : spec.timeout_seconds()) {}

  Async<GivenGrade> Judge(const Scope& scope, Item item, std::string answer) const override {
    Json given = {{"names", Json::object()}, {"codes", Json::array()}, {"scored", !code_.empty()}};
    if (code_.empty()) {
      given["codes"].push_back({{"name", "answer"}, {"text", FindCode(answer)}});
      const std::string tests = FieldText(JsonMember(item.fields, tests_field_));
      given["codes"].push_back({{"name", "tests"}, {"text", tests}});
      given["names"]["__name__"] = "answer";
    } else {
      given["codes"].push_back({{"name", "grader"}, {"text", code_}});
      given["names"] = {{"answer", answer}, {"expected", item.answer}, {"item", item.fields}};
    }
    // JSON text as a literal of Python: both write strings alike.
    const std::string program =
        fmt::format(kProgram, fmt::arg("seconds", seconds_), fmt::arg("verdict", kVerdict),
                    fmt::arg("given", DumpJson(DumpJson(given))));
    Json arguments = {{"code", program}, {"from", ""}};
    CO_ASSIGN_OR_RETURN(ToolResult result, co_await scope.CallTool("code", "python", arguments));
    if (JsonString(result.value, "status") == "killed") {
      // By the code, and then it will be again; or the sandbox died under it.
      CO_ASSIGN_OR_RETURN(result,
                          co_await scope.CallTool("code.again", "python", std::move(arguments)));
    }
    co_return VerdictOf(result);
  }

 private:
  absl::StatusOr<GivenGrade> VerdictOf(const ToolResult& result) const {
    const std::string status = JsonString(result.value, "status");
    for (const Json& output : JsonArray(result.value, "outputs")) {
      if (JsonString(output, "ename") != kVerdict) continue;
      ASSIGN_OR_RETURN(const Json verdict,
                       ParseJson(JsonString(output, "evalue"), "the grader's verdict"));
      if (const std::string broken = JsonString(verdict, "broken"); !broken.empty()) {
        // The answer may be right or wrong: a grade of 0 would be made up.
        return Error(Reason::kInvalidField, fmt::format("the grader cannot be used: {}", broken),
                     {{"field", "spec.evaluate.graders"}});
      }
      const double score = std::clamp(JsonDouble(verdict, "score"), 0.0, 1.0);
      return GivenGrade{"", score, score >= 1, JsonString(verdict, "reason"), ""};
    }
    if (status.empty()) {
      return Error(Reason::kPermissionDenied,
                   fmt::format("the code was not run: {}", Elide(TextOf(result), kMaxReason)));
    }
    if (status == "timeout" || status == "killed") {
      return GivenGrade{"", 0, false,
                        fmt::format("the code was ended: it took longer than {} s or more than it "
                                    "may: {}",
                                    seconds_, Elide(TextOf(result), kMaxReason)),
                        ""};
    }
    return GivenGrade{"", 0, false, Elide(TextOf(result), kMaxReason), ""};
  }

  const std::string code_;
  const std::string tests_field_;
  const int seconds_;
};

const Json& VoteSchema() {
  static const Json* const schema = new Json(
      ClosedObject({{"reason", {{"type", "string"}}},
                    {"points", {{"type", "number"}, {"minimum", 0}, {"maximum", kMostPoints}}}}));
  return *schema;
}

class ModelGrader : public AnswerGrader {
 public:
  explicit ModelGrader(const v1::ModelGrader& spec)
      : rubric_(spec.rubric()),
        votes_(std::max(1, spec.repeats())),
        pass_score_(spec.has_pass_score() ? spec.pass_score() : kDefaultPassScore) {}

  Async<GivenGrade> Judge(const Scope& scope, Item item, std::string answer) const override {
    const Json values = {{"question", item.question},
                         {"expected", item.answer},
                         {"answer", answer},
                         {"rubric", rubric_}};
    CO_ASSIGN_OR_RETURN(ChatRequest request, PromptRequest(scope, "evaluate.grader", values));
    request.reply_schema = ReplySchema{"grade", VoteSchema()};
    GivenGrade grade;
    double points = 0;
    for (int vote = 1; vote <= votes_; ++vote) {
      const std::string name = fmt::format("vote:{}", vote);
      CO_ASSIGN_OR_RETURN(const Json reply, co_await scope.ChatJson(name, kGraderRole, request));
      points += JsonDouble(reply, "points");
      if (grade.reason.empty()) grade.reason = Elide(JsonString(reply, "reason"), kMaxReason);
    }
    grade.score = points / (kMostPoints * votes_);
    // Thirds and tenths add up to what they should.
    grade.passed = grade.score >= pass_score_ - 1e-9;
    co_return grade;
  }

 private:
  const std::string rubric_;
  const int votes_;
  const double pass_score_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeCodeGrader(const v1::CodeGrader& spec) {
  if (spec.code().empty() && spec.tests_field().empty()) {
    return WrongGrader("code.code", "give code, or the tests_field of items");
  }
  if (!spec.code().empty() && !spec.tests_field().empty()) {
    return WrongGrader("code.tests_field", "not beside code");
  }
  if (spec.code().size() > kMaxCode) return WrongGrader("code.code", "at most 256 KiB");
  if (spec.timeout_seconds() < 0 || spec.timeout_seconds() > kMaxSeconds) {
    return WrongGrader("code.timeout_seconds", "give 1 to 600, or 0 for 30");
  }
  return std::make_shared<CodeGrader>(spec);
}

absl::StatusOr<std::shared_ptr<const AnswerGrader>> MakeModelGrader(const v1::ModelGrader& spec) {
  if (spec.rubric().empty() || spec.rubric().size() > kMaxRubric) {
    return WrongGrader("model.rubric", "give 1 byte to 64 KiB");
  }
  if (spec.repeats() < 0 || spec.repeats() > kMaxVotes) {
    return WrongGrader("model.repeats", "give 1 to 15, or 0 for 1");
  }
  if (spec.has_pass_score() && !(spec.pass_score() >= 0 && spec.pass_score() <= 1)) {
    return WrongGrader("model.pass_score", "give 0 to 1");
  }
  return std::make_shared<ModelGrader>(spec);
}

}  // namespace troupe
