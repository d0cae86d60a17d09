#include "clients/cpp/spo_template.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace troupe::client {
namespace {

constexpr size_t kMaxTemplate = 16 * 1024 * 1024;

// Raised inside this file alone, where yaml-cpp's own exceptions come from.
struct WrongTemplate {
  YAML::Mark mark;
  std::string what;
};

std::string TextOf(const YAML::Node& node, const std::string& field) {
  if (!node.IsDefined() || node.IsNull()) return "";
  if (!node.IsScalar()) throw WrongTemplate{node.Mark(), fmt::format("{} must be text", field)};
  std::string text = node.Scalar();
  // A block of text ends with a line break that is not meant.
  while (text.ends_with('\n') || text.ends_with(' ')) text.pop_back();
  return text;
}

void CheckFields(const YAML::Node& map, const std::set<std::string>& known,
                 const std::string& where) {
  std::set<std::string> seen;
  for (const auto& entry : map) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (!known.contains(name)) {
      throw WrongTemplate{entry.first.Mark(), fmt::format("{} has no field '{}'; it has {}", where,
                                                          name, fmt::join(known, ", "))};
    }
    if (!seen.insert(name).second) {
      throw WrongTemplate{entry.first.Mark(), fmt::format("{} is there twice", name)};
    }
  }
}

// "None", as published, or a number.
int CountOf(const YAML::Node& node) {
  const std::string text = TextOf(node, "count");
  if (text.empty() || text == "None" || text == "none" || text == "null") return 0;
  int count = 0;
  const bool number = text.find_first_not_of("0123456789") == std::string::npos && text.size() < 6;
  if (number) count = std::stoi(text);
  if (!number || count < 1 || count > 10'000) {
    throw WrongTemplate{
        node.Mark(),
        fmt::format("count must be None or a number of words from 1 to 10,000, not '{}'",
                    text.substr(0, 40))};
  }
  return count;
}

void AddQuestions(const YAML::Node& qa, v1::SpoSpec& spec) {
  if (!qa.IsDefined() || qa.IsNull()) return;
  if (!qa.IsSequence()) throw WrongTemplate{qa.Mark(), "qa must be a list of questions"};
  for (const YAML::Node& each : qa) {
    if (!each.IsMap()) throw WrongTemplate{each.Mark(), "each of qa must have a question"};
    CheckFields(each, {"question", "answer"}, "an entry of qa");
    const std::string question = TextOf(each["question"], "question");
    if (question.empty()) throw WrongTemplate{each.Mark(), "a question is empty or missing"};
    v1::SpoQuestion& added = *spec.add_questions();
    added.set_question(question);
    added.set_answer(TextOf(each["answer"], "answer"));
  }
}

void Read(const std::string& text, v1::SpoSpec& spec) {
  const YAML::Node root = YAML::Load(text);
  if (!root.IsMap()) {
    throw WrongTemplate{root.Mark(), "it must have prompt, requirements, count and qa"};
  }
  CheckFields(root, {"prompt", "requirements", "count", "qa"}, "a template");
  const std::string prompt = TextOf(root["prompt"], "prompt");
  if (prompt.empty()) throw WrongTemplate{root.Mark(), "the prompt is empty or missing"};
  spec.set_prompt(prompt);
  spec.set_requirements(TextOf(root["requirements"], "requirements"));
  spec.set_max_prompt_words(CountOf(root["count"]));
  AddQuestions(root["qa"], spec);
}

// The first of these fields that says something, as text.
std::string FirstOf(const nlohmann::json& value, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = value.find(name);
    if (found == value.end() || found->is_null()) continue;
    std::string text = found->is_string() ? found->get<std::string>() : found->dump();
    if (!text.empty()) return text;
  }
  return "";
}

absl::Status Wrong(const std::string& file, int line, const std::string& what) {
  return absl::InvalidArgumentError(line > 0 ? fmt::format("{}:{}: {}", file, line, what)
                                             : fmt::format("{}: {}", file, what));
}

}  // namespace

absl::Status ReadSpoTemplate(const std::string& text, const std::string& file, v1::SpoSpec& spec) {
  if (text.size() > kMaxTemplate) return Wrong(file, 0, "a template has at most 16 MiB");
  try {
    Read(text, spec);
  } catch (const WrongTemplate& wrong) {
    return Wrong(file, wrong.mark.line + 1, wrong.what);
  } catch (const YAML::Exception& raised) {
    return Wrong(file, raised.mark.line + 1, raised.msg);
  }
  return absl::OkStatus();
}

absl::Status ReadQuestions(const std::string& text, const std::string& file,
                           google::protobuf::RepeatedPtrField<v1::SpoQuestion>& questions) {
  const int before = questions.size();
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto value = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!value.is_object()) return Wrong(file, number, "each line must be a JSON object");
    const std::string question =
        FirstOf(value, {"question", "input", "prompt", "text", "query", "instruction", "request"});
    if (question.empty()) {
      return Wrong(file, number,
                   "it has no question: none of the fields question, input, prompt, text, query, "
                   "instruction and request says anything");
    }
    v1::SpoQuestion& added = *questions.Add();
    added.set_question(question);
    added.set_answer(
        FirstOf(value, {"answer", "target", "label", "output", "expected", "solution"}));
  }
  if (questions.size() == before) return Wrong(file, 0, "it has no questions");
  return absl::OkStatus();
}

void SelectItems(const std::string& given, const QuestionFields& fields,
                 v1::DatasetSelection& selection) {
  const size_t colon = given.find(':');
  const std::string name = given.substr(0, colon);
  selection.set_dataset(name.starts_with("datasets/") ? name : "datasets/" + name);
  if (colon != std::string::npos) selection.set_split(given.substr(colon + 1));
  selection.set_question_field(fields.question);
  selection.set_answer_field(fields.answer);
  selection.set_limit(fields.limit);
}

}  // namespace troupe::client
