#include "agents/prompts/prompt_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {

struct PromptTemplate::Node {
  enum class Kind { kText, kVariable, kIf, kEach };
  Kind kind = Kind::kText;
  std::string text;  // of kText
  std::string name;  // of the others: "name", "this" or "this.field"
  std::vector<std::unique_ptr<Node>> body;
  std::vector<std::unique_ptr<Node>> otherwise;  // of kIf
};

namespace {

// Of sections within sections: deeper, a template from who knows where would exhaust the stack.
constexpr int kMaxDepth = 16;

constexpr std::array<std::pair<VariableType, std::string_view>, 6> kTypes = {{
    {VariableType::kAny, "any"},
    {VariableType::kText, "text"},
    {VariableType::kList, "list"},
    {VariableType::kObject, "object"},
    {VariableType::kNumber, "number"},
    {VariableType::kBoolean, "boolean"},
}};

std::optional<VariableType> TypeOf(const Json& value) {
  if (value.is_string()) return VariableType::kText;
  if (value.is_array()) return VariableType::kList;
  if (value.is_object()) return VariableType::kObject;
  if (value.is_number()) return VariableType::kNumber;
  if (value.is_boolean()) return VariableType::kBoolean;
  return std::nullopt;
}

absl::Status CheckValue(const std::string& name, const DeclaredVariable& declared,
                        const Json& value) {
  if (declared.type == VariableType::kAny) return absl::OkStatus();
  if (value.is_null() && !declared.required) return absl::OkStatus();
  const auto type = TypeOf(value);
  if (type == declared.type) return absl::OkStatus();
  return Error(Reason::kInvalidField,
               fmt::format("the variable '{}' is declared as {} and is given as {}", name,
                           VariableTypeName(declared.type),
                           type.has_value() ? VariableTypeName(*type) : "null"),
               {{"field", name}});
}

using Node = PromptTemplate::Node;
using Nodes = std::vector<std::unique_ptr<Node>>;

// A piece of the template: text, or what stands between {{ and }}.
struct Token {
  bool is_tag = false;
  std::string text;
  size_t offset = 0;
};

absl::Status ErrorAt(std::string_view source, size_t offset, std::string_view what) {
  const std::string_view before = source.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_start =
      before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return Error(Reason::kInvalidField,
               fmt::format("line {}, column {}: {}", line, offset - line_start + 1, what),
               {{"line", std::to_string(line)}});
}

std::string Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

bool IsSection(const Token& token) {
  return token.is_tag &&
         (token.text.starts_with('#') || token.text.starts_with('/') || token.text == "else");
}

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source) {
  std::vector<Token> tokens;
  Token text;
  size_t at = 0;
  while (at < source.size()) {
    if (source.substr(at).starts_with("\\{{")) {
      text.text += "{{";
      at += 3;
    } else if (source.substr(at).starts_with("{{")) {
      const size_t end = source.find("}}", at);
      if (end == std::string_view::npos) return ErrorAt(source, at, "{{ without }}");
      if (!text.text.empty()) tokens.push_back(std::exchange(text, Token()));
      tokens.push_back({true, Trimmed(source.substr(at + 2, end - at - 2)), at});
      at = end + 2;
    } else {
      text.text.push_back(source[at++]);
    }
  }
  if (!text.text.empty()) tokens.push_back(std::move(text));
  return tokens;
}

// Takes away the line that a section's tag stands alone on.
void TrimSectionLines(std::vector<Token>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!IsSection(tokens[i])) continue;
    const bool text_after = i + 1 < tokens.size() && !tokens[i + 1].is_tag;
    const bool starts_line =
        i == 0 ||
        (!tokens[i - 1].is_tag &&
         (tokens[i - 1].text.empty() || tokens[i - 1].text.ends_with('\n'))) ||
        (tokens[i - 1].is_tag && IsSection(tokens[i - 1]) && i >= 2 && tokens[i - 2].text.empty());
    if (starts_line && text_after && tokens[i + 1].text.starts_with('\n')) {
      tokens[i + 1].text.erase(0, 1);
    }
  }
}

class Parser {
 public:
  Parser(std::string_view source, std::vector<Token> tokens, const DeclaredVariables& variables,
         std::set<std::string>& used)
      : source_(source), tokens_(std::move(tokens)), variables_(variables), used_(used) {}

  absl::StatusOr<Nodes> ParseAll() {
    ASSIGN_OR_RETURN(Nodes nodes, ParseUntil({}));
    if (next_ < tokens_.size()) {
      return ErrorAt(source_, tokens_[next_].offset,
                     fmt::format("{{{{{}}}}} closes nothing", tokens_[next_].text));
    }
    return nodes;
  }

 private:
  // Stops before a tag that is one of `ends`, or at the end of the template.
  absl::StatusOr<Nodes> ParseUntil(const std::vector<std::string>& ends) {
    Nodes nodes;
    while (next_ < tokens_.size()) {
      const Token& token = tokens_[next_];
      if (token.is_tag && std::find(ends.begin(), ends.end(), token.text) != ends.end()) break;
      if (token.is_tag && (token.text.starts_with('/') || token.text == "else")) break;
      ++next_;
      auto node = std::make_unique<Node>();
      if (!token.is_tag) {
        node->text = token.text;
      } else if (token.text.starts_with('#')) {
        RETURN_IF_ERROR(ParseSection(token, *node));
      } else {
        node->kind = Node::Kind::kVariable;
        ASSIGN_OR_RETURN(node->name, CheckedName(token, token.text));
      }
      nodes.push_back(std::move(node));
    }
    return nodes;
  }

  absl::Status ParseSection(const Token& token, Node& node) {
    const size_t space = token.text.find(' ');
    const std::string word = token.text.substr(1, space == std::string::npos ? space : space - 1);
    const std::string name =
        space == std::string::npos ? "" : Trimmed(std::string_view(token.text).substr(space));
    if (word != "if" && word != "each") {
      return ErrorAt(source_, token.offset,
                     fmt::format("there is no section '{}': if and each exist", word));
    }
    node.kind = word == "if" ? Node::Kind::kIf : Node::Kind::kEach;
    ASSIGN_OR_RETURN(node.name, CheckedName(token, name));
    RETURN_IF_ERROR(CheckSection(token, node));
    const std::string close = "/" + word;
    ++depth_;
    lists_ += node.kind == Node::Kind::kEach ? 1 : 0;
    ASSIGN_OR_RETURN(node.body, ParseUntil({close, "else"}));
    if (node.kind == Node::Kind::kIf && next_ < tokens_.size() && tokens_[next_].text == "else" &&
        tokens_[next_].is_tag) {
      ++next_;
      ASSIGN_OR_RETURN(node.otherwise, ParseUntil({close}));
    }
    --depth_;
    lists_ -= node.kind == Node::Kind::kEach ? 1 : 0;
    if (next_ >= tokens_.size() || !tokens_[next_].is_tag || tokens_[next_].text != close) {
      return ErrorAt(source_, token.offset, fmt::format("{{{{{}}}}} is not closed", token.text));
    }
    ++next_;
    return absl::OkStatus();
  }

  absl::Status CheckSection(const Token& token, const Node& node) const {
    if (depth_ >= kMaxDepth) {
      return ErrorAt(source_, token.offset,
                     fmt::format("sections nest at most {} deep", kMaxDepth));
    }
    const auto declared = variables_.find(node.name);
    if (node.kind != Node::Kind::kEach || declared == variables_.end() ||
        declared->second.type == VariableType::kList ||
        declared->second.type == VariableType::kAny) {
      return absl::OkStatus();
    }
    return ErrorAt(source_, token.offset,
                   fmt::format("'{}' is declared as {}: each goes through a list", node.name,
                               VariableTypeName(declared->second.type)));
  }

  absl::StatusOr<std::string> CheckedName(const Token& token, const std::string& name) {
    if (lists_ > 0 && (name == "this" || name.starts_with("this."))) return name;
    if (!variables_.contains(name)) {
      return ErrorAt(source_, token.offset, fmt::format("there is no variable '{}'", name));
    }
    used_.insert(name);
    return name;
  }

  std::string_view source_;
  std::vector<Token> tokens_;
  const DeclaredVariables& variables_;
  std::set<std::string>& used_;
  size_t next_ = 0;
  int depth_ = 0;  // sections that are open
  int lists_ = 0;  // those of them that go through a list
};

const Json* Lookup(const std::string& name, const Json& values, const Json* item) {
  static const Json kNull;
  if (name == "this") return item;
  if (name.starts_with("this.")) {
    if (item == nullptr || !item->is_object()) return &kNull;
    const auto found = item->find(name.substr(5));
    return found == item->end() ? &kNull : &*found;
  }
  const auto found = values.find(name);
  return found == values.end() ? &kNull : &*found;
}

bool IsThere(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.is_structured() || !value.empty();
}

void RenderNodes(const Nodes& nodes, const Json& values, const Json* item, std::string& out) {
  for (const auto& node : nodes) {
    if (node->kind == Node::Kind::kText) {
      out += node->text;
      continue;
    }
    const Json& value = *Lookup(node->name, values, item);
    if (node->kind == Node::Kind::kVariable) {
      out += value.is_string() ? value.get<std::string>() : DumpJson(value);
    } else if (node->kind == Node::Kind::kIf) {
      RenderNodes(IsThere(value) ? node->body : node->otherwise, values, item, out);
    } else if (value.is_array()) {
      for (const Json& each : value) RenderNodes(node->body, values, &each, out);
    }
  }
}

}  // namespace

std::string_view VariableTypeName(VariableType type) {
  for (const auto& [known, name] : kTypes) {
    if (known == type) return name;
  }
  return "";
}

std::optional<VariableType> VariableTypeNamed(std::string_view name) {
  for (const auto& [type, known] : kTypes) {
    if (known == name) return type;
  }
  return std::nullopt;
}

PromptTemplate::PromptTemplate() = default;
PromptTemplate::PromptTemplate(PromptTemplate&&) noexcept = default;
PromptTemplate& PromptTemplate::operator=(PromptTemplate&&) noexcept = default;
PromptTemplate::~PromptTemplate() = default;

absl::StatusOr<PromptTemplate> PromptTemplate::Parse(std::string_view text,
                                                     const DeclaredVariables& variables) {
  PromptTemplate parsed;
  parsed.declared_ = variables;
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(text));
  TrimSectionLines(tokens);
  ASSIGN_OR_RETURN(parsed.nodes_,
                   Parser(text, std::move(tokens), variables, parsed.used_).ParseAll());
  return parsed;
}

absl::StatusOr<PromptTemplate> PromptTemplate::Parse(std::string_view text,
                                                     const std::set<std::string>& variables) {
  DeclaredVariables declared;
  for (const std::string& name : variables) declared[name] = {VariableType::kAny};
  return Parse(text, declared);
}

absl::StatusOr<std::string> PromptTemplate::Render(const Json& values) const {
  for (const std::string& name : used_) {
    if (!values.contains(name)) {
      return Error(Reason::kInvalidField, fmt::format("the variable '{}' is not given", name),
                   {{"field", name}});
    }
  }
  for (const auto& [name, value] : values.items()) {
    const auto declared = declared_.find(name);
    if (declared == declared_.end()) {
      return Error(Reason::kInvalidField, fmt::format("there is no variable '{}'", name),
                   {{"field", name}});
    }
    RETURN_IF_ERROR(CheckValue(name, declared->second, value));
  }
  std::string out;
  RenderNodes(nodes_, values, nullptr, out);
  return out;
}

}  // namespace troupe
