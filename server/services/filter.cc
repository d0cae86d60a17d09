#include "server/services/filter.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include "agents/runtime/journal.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "troupe/v1/task.pb.h"

namespace troupe {
namespace {

constexpr size_t kMaxFilter = 4096;
constexpr int kMaxDepth = 32;

struct Token {
  enum class Kind { kWord, kText, kOperator, kOpen, kClose, kEnd };
  Kind kind = Kind::kEnd;
  std::string text;
  size_t at = 0;
};

absl::Status Invalid(size_t at, std::string_view what) {
  return Error(Reason::kFilterInvalid, fmt::format("filter, position {}: {}", at, what),
               {{"field", "filter"}, {"position", std::to_string(at)}});
}

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-' || c == '+' || c == '/' ||
         c == '*';
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  absl::StatusOr<Token> Next() {
    while (at_ < source_.size() && absl::ascii_isspace(source_[at_])) ++at_;
    Token token;
    token.at = at_;
    if (at_ == source_.size()) return token;
    const char c = source_[at_];
    if (c == '(' || c == ')') {
      ++at_;
      token.kind = c == '(' ? Token::Kind::kOpen : Token::Kind::kClose;
    } else if (c == '"') {
      return Text();
    } else if (std::string_view("=!<>:").find(c) != std::string_view::npos) {
      token.kind = Token::Kind::kOperator;
      token.text = std::string(1, source_[at_++]);
      if (at_ < source_.size() && source_[at_] == '=' && c != '=' && c != ':') {
        token.text += source_[at_++];
      }
      if (token.text == "!") return Invalid(token.at, "'!' stands only in '!='");
    } else if (IsWordCharacter(c)) {
      token.kind = Token::Kind::kWord;
      // A time such as 2026-01-01T00:00:00Z holds colons, which are operators elsewhere.
      const bool number = absl::ascii_isdigit(c);
      while (at_ < source_.size() &&
             (IsWordCharacter(source_[at_]) || (number && source_[at_] == ':'))) {
        token.text += source_[at_++];
      }
    } else {
      return Invalid(at_, fmt::format("'{}' is not understood", c));
    }
    return token;
  }

 private:
  absl::StatusOr<Token> Text() {
    Token token{Token::Kind::kText, "", at_++};
    while (at_ < source_.size() && source_[at_] != '"') {
      if (source_[at_] == '\\' && at_ + 1 < source_.size()) ++at_;
      token.text += source_[at_++];
    }
    if (at_ == source_.size()) return Invalid(token.at, "the quoted text is not closed");
    ++at_;
    return token;
  }

  std::string_view source_;
  size_t at_ = 0;
};

class Compiler {
 public:
  Compiler(std::string_view source, const FilterFields& fields) : lexer_(source), fields_(fields) {}

  absl::StatusOr<SqlCondition> Compile() {
    RETURN_IF_ERROR(Advance());
    ASSIGN_OR_RETURN(condition_.sql, Conjunction(0));
    if (token_.kind != Token::Kind::kEnd) {
      return Invalid(token_.at, "AND, OR or the end is expected here");
    }
    return std::move(condition_);
  }

 private:
  absl::Status Advance() {
    ASSIGN_OR_RETURN(token_, lexer_.Next());
    return absl::OkStatus();
  }
  bool IsWord(std::string_view word) const {
    return token_.kind == Token::Kind::kWord && token_.text == word;
  }

  absl::StatusOr<std::string> Conjunction(int depth) {
    if (depth > kMaxDepth) return Invalid(token_.at, "nested too deeply");
    ASSIGN_OR_RETURN(std::string sql, Disjunction(depth));
    while (IsWord("AND")) {
      RETURN_IF_ERROR(Advance());
      ASSIGN_OR_RETURN(const std::string right, Disjunction(depth));
      sql = fmt::format("{} AND {}", sql, right);
    }
    return sql;
  }

  absl::StatusOr<std::string> Disjunction(int depth) {
    ASSIGN_OR_RETURN(std::string sql, Factor(depth));
    while (IsWord("OR")) {
      RETURN_IF_ERROR(Advance());
      ASSIGN_OR_RETURN(const std::string right, Factor(depth));
      sql = fmt::format("({} OR {})", sql, right);
    }
    return sql;
  }

  absl::StatusOr<std::string> Factor(int depth) {
    bool negated = false;
    while (IsWord("NOT")) {
      negated = !negated;
      RETURN_IF_ERROR(Advance());
    }
    std::string sql;
    if (token_.kind == Token::Kind::kOpen) {
      RETURN_IF_ERROR(Advance());
      ASSIGN_OR_RETURN(sql, Conjunction(depth + 1));
      if (token_.kind != Token::Kind::kClose) return Invalid(token_.at, "')' is expected here");
      RETURN_IF_ERROR(Advance());
      sql = "(" + sql + ")";
    } else {
      ASSIGN_OR_RETURN(sql, Comparison());
    }
    return negated ? "NOT " + sql : sql;
  }

  absl::StatusOr<std::string> Comparison() {
    const Token name = token_;
    if (name.kind != Token::Kind::kWord) return Invalid(name.at, "a field is expected here");
    RETURN_IF_ERROR(Advance());
    const Token op = token_;
    if (op.kind != Token::Kind::kOperator) {
      return Invalid(op.at, "an operator (= != < <= > >= :) is expected here");
    }
    RETURN_IF_ERROR(Advance());
    const Token value = token_;
    if (value.kind != Token::Kind::kWord && value.kind != Token::Kind::kText) {
      return Invalid(value.at, "a value is expected here");
    }
    RETURN_IF_ERROR(Advance());
    const size_t dot = name.text.find('.');
    auto field = fields_.find(name.text);
    if (field == fields_.end() && dot != std::string::npos) {
      field = fields_.find(name.text.substr(0, dot));
      if (field != fields_.end() && field->second.keyed) {
        condition_.values.push_back(name.text.substr(dot + 1));
        return Compare(field->second, name, op, value);
      }
      field = fields_.end();
    }
    if (field == fields_.end() || field->second.keyed) {
      return Invalid(name.at, fmt::format("there is no field '{}'", name.text));
    }
    return Compare(field->second, name, op, value);
  }

  absl::StatusOr<std::string> Compare(const FilterField& field, const Token& name, const Token& op,
                                      const Token& value) {
    const bool equality = op.text == "=" || op.text == "!=";
    if (op.text == ":" && field.type != FilterField::Type::kText) {
      return Invalid(op.at, fmt::format("':' is for text, which {} is not", name.text));
    }
    switch (field.type) {
      case FilterField::Type::kText:
        condition_.values.push_back(value.text);
        if (op.text == ":") return fmt::format("instr(lower({}), lower(?)) > 0", field.sql);
        return fmt::format("{} {} ?", field.sql, op.text);
      case FilterField::Type::kEnum: {
        const auto number = field.names.find(absl::AsciiStrToUpper(value.text));
        if (number == field.names.end()) {
          return Invalid(value.at, fmt::format("'{}' is not a value of {}", value.text, name.text));
        }
        if (!equality) return Invalid(op.at, fmt::format("{} has only = and !=", name.text));
        return fmt::format("{} {} {}", field.sql, op.text, number->second);
      }
      case FilterField::Type::kNumber: {
        int64_t number = 0;
        if (!absl::SimpleAtoi(value.text, &number)) {
          return Invalid(value.at, fmt::format("{} needs a whole number", name.text));
        }
        return fmt::format("{} {} {}", field.sql, op.text, number);
      }
      case FilterField::Type::kTime: {
        absl::Time time;
        std::string error;
        if (!absl::ParseTime(absl::RFC3339_full, value.text, &time, &error)) {
          return Invalid(value.at,
                         fmt::format("{} needs a time such as 2026-01-31T12:00:00Z", name.text));
        }
        return fmt::format("{} {} {}", field.sql, op.text, absl::ToUnixMicros(time));
      }
    }
    return Invalid(name.at, "not comparable");
  }

  Lexer lexer_;
  const FilterFields& fields_;
  Token token_;
  SqlCondition condition_;
};

FilterField Text(std::string sql) { return {FilterField::Type::kText, std::move(sql), {}, false}; }
FilterField Number(std::string sql) {
  return {FilterField::Type::kNumber, std::move(sql), {}, false};
}
FilterField Time(std::string sql) { return {FilterField::Type::kTime, std::move(sql), {}, false}; }
FilterField Enum(std::string sql, std::map<std::string, int> names) {
  return {FilterField::Type::kEnum, std::move(sql), std::move(names), false};
}

}  // namespace

absl::StatusOr<SqlCondition> CompileFilter(std::string_view filter, const FilterFields& fields) {
  if (filter.size() > kMaxFilter) return Invalid(kMaxFilter, "the filter is over 4096 bytes");
  if (filter.find_first_not_of(" \t\r\n") == std::string_view::npos) return SqlCondition();
  return Compiler(filter, fields).Compile();
}

const FilterFields& TaskFilterFields() {
  static const FilterFields* const fields = [] {
    std::map<std::string, int> states;
    for (int i = v1::Task::State_MIN; i <= v1::Task::State_MAX; ++i) {
      const std::string name = v1::Task::State_Name(static_cast<v1::Task::State>(i));
      states[name] = i;
      states[name.substr(std::string_view("STATE_").size())] = i;
    }
    auto* all = new FilterFields{{"state", Enum("state", std::move(states))},
                                 {"kind", Text("kind")},
                                 {"title", Text("title")},
                                 {"name", Text("('tasks/' || name)")},
                                 {"create_time", Time("create_time")},
                                 {"end_time", Time("end_time")}};
    FilterField labels =
        Text("ifnull((SELECT value FROM task_labels WHERE task = tasks.id AND key = ?), '')");
    labels.keyed = true;
    (*all)["labels"] = labels;
    return all;
  }();
  return *fields;
}

const FilterFields& SpanFilterFields() {
  static const FilterFields* const fields = [] {
    std::map<std::string, int> kinds;
    for (int i = 1; i <= static_cast<int>(SpanKind::kValue); ++i) {
      kinds[absl::AsciiStrToUpper(std::string(SpanKindName(static_cast<SpanKind>(i))))] = i;
    }
    std::map<std::string, int> states;
    for (int i = 1; i <= static_cast<int>(SpanState::kCancelled); ++i) {
      states[absl::AsciiStrToUpper(std::string(SpanStateName(static_cast<SpanState>(i))))] = i;
    }
    return new FilterFields{{"kind", Enum("s.kind", std::move(kinds))},
                            {"state", Enum("ifnull(e.state, 1)", std::move(states))},
                            {"type", Text("s.type")},
                            {"title", Text("s.title")},
                            {"path", Text("s.path")},
                            {"model", Text("ifnull(e.model, s.model)")},
                            {"role", Text("s.role")},
                            {"tool", Text("s.tool")},
                            {"begin_time", Time("s.begin_time")},
                            {"end_time", Time("e.end_time")},
                            {"input_tokens", Number("ifnull(e.input_tokens, 0)")},
                            {"output_tokens", Number("ifnull(e.output_tokens, 0)")},
                            {"cost_microusd", Number("ifnull(e.cost_microusd, 0)")}};
  }();
  return *fields;
}

}  // namespace troupe
