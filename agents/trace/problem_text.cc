#include "agents/trace/problem_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "agents/runtime/text.h"

namespace troupe {
namespace {

// 0: all of it.
std::string Shortened(const std::string& text, size_t bytes) {
  return bytes == 0 ? text : Elide(text, bytes);
}

// A line of a section, and how far from the outputs what it tells of is.
struct Line {
  std::string text;
  int32_t distance = 0;
};

// The lines that a budget allows, in their order; says how many it does not. The nearest are kept.
std::string Join(const std::vector<Line>& lines, size_t budget) {
  std::vector<size_t> order(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&lines](size_t left, size_t right) {
    return lines[left].distance < lines[right].distance;
  });
  std::vector<bool> kept(lines.size());
  size_t bytes = 0;
  size_t left_out = 0;
  for (const size_t index : order) {
    const size_t taken = lines[index].text.size() + 1;
    // Once one did not fit, nothing that is farther away is shown: no gaps.
    if (budget > 0 && (left_out > 0 || bytes + taken > budget)) {
      ++left_out;
      continue;
    }
    bytes += taken;
    kept[index] = true;
  }
  std::string text;
  if (left_out > 0) text = fmt::format("({} farther from the outputs are left out)\n", left_out);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (kept[i]) text += lines[i].text + "\n";
  }
  if (!text.empty()) text.pop_back();
  return text;
}

std::string ValueLine(const ProblemValue& value, size_t bytes) {
  const std::string text = Shortened(PythonText(value.value), bytes);
  if (value.is_code()) return fmt::format("(code) {}:{}", value.name, text);
  return fmt::format("({}) {}={}", value.type, value.name, text);
}

std::vector<Line> ValueLines(const std::vector<ProblemValue>& values, size_t bytes) {
  std::vector<Line> lines;
  lines.reserve(values.size());
  for (const ProblemValue& each : values) lines.push_back({ValueLine(each, bytes), each.distance});
  return lines;
}

std::string CodeText(const Problem& problem, size_t budget) {
  std::vector<Line> lines;
  lines.reserve(problem.code.size());
  for (const CodeLine& each : problem.code) lines.push_back({each.text, each.distance});
  return Join(lines, budget);
}

std::string DocumentationText(const Problem& problem, size_t budget) {
  // An operator is as near as the nearest of its lines.
  std::map<std::string_view, int32_t> nearest;
  for (const CodeLine& line : problem.code) {
    const std::string_view operation = problem.graph->node(line.node).operation;
    const auto [place, added] = nearest.emplace(operation, line.distance);
    place->second = std::min(place->second, line.distance);
  }
  std::vector<Line> lines;
  lines.reserve(problem.documentation.size());
  for (const OperatorText& each : problem.documentation) {
    lines.push_back({each.text, nearest[each.operation]});
  }
  return Join(lines, budget);
}

std::string Constraints(const Problem& problem) {
  std::string text;
  for (const ProblemValue& each : problem.variables) {
    if (each.constraint.empty()) continue;
    if (!text.empty()) text += "\n";
    text +=
        fmt::format("({}) {}: {}", each.is_code() ? "code" : each.type, each.name, each.constraint);
  }
  return text;
}

// A value between tags: text and code as they are, all else as JSON.
std::string TaggedValue(const ProblemValue& value, size_t bytes) {
  const Json json = JsonOf(value.value);
  return Shortened(json.is_string() ? json.get<std::string>() : JsonText(value.value), bytes);
}

std::string TaggedVariable(const ProblemValue& value) {
  std::string text =
      fmt::format("<variable name=\"{}\" type=\"{}\">\n<value>\n{}\n</value>\n", value.name,
                  value.is_code() ? "code" : value.type, TaggedValue(value, 0));
  if (!value.constraint.empty())
    text += fmt::format("<constraint>{}</constraint>\n", value.constraint);
  return text + "</variable>";
}

std::string TaggedValues(const std::vector<ProblemValue>& values, const ProblemLayout& layout) {
  std::vector<Line> lines;
  lines.reserve(values.size());
  for (const ProblemValue& each : values) {
    lines.push_back({fmt::format("<node name=\"{}\" type=\"{}\">{}</node>", each.name, each.type,
                                 TaggedValue(each, layout.value_bytes)),
                     each.distance});
  }
  return Join(lines, layout.section_bytes);
}

}  // namespace

std::string ShownValue(const GraphValue& value, size_t bytes) {
  return Shortened(PythonText(value), bytes);
}

ProblemSections SectionsOf(const Problem& problem, const ProblemLayout& layout) {
  const auto shown = [&layout](Section section) { return !layout.masked.contains(section); };
  ProblemSections sections;
  if (shown(Section::kInstruction)) sections.instruction = problem.instruction;
  if (shown(Section::kCode)) sections.code = CodeText(problem, layout.section_bytes);
  if (shown(Section::kDocumentation)) {
    sections.documentation = DocumentationText(problem, layout.section_bytes);
  }
  if (shown(Section::kVariables)) sections.variables = Join(ValueLines(problem.variables, 0), 0);
  if (shown(Section::kConstraints)) sections.constraints = Constraints(problem);
  if (shown(Section::kInputs)) {
    sections.inputs = Join(ValueLines(problem.inputs, layout.value_bytes), layout.section_bytes);
  }
  if (shown(Section::kOthers)) {
    sections.others = Join(ValueLines(problem.others, layout.value_bytes), layout.section_bytes);
  }
  if (shown(Section::kOutputs)) {
    sections.outputs = Join(ValueLines(problem.outputs, layout.value_bytes), layout.section_bytes);
  }
  if (shown(Section::kFeedback)) sections.feedback = problem.feedback;
  return sections;
}

std::string SectionText(const ProblemSections& sections) {
  return fmt::format(
      "#Instruction\n{}\n\n#Code\n{}\n\n#Documentation\n{}\n\n#Variables\n{}\n\n#Constraints\n{}"
      "\n\n"
      "#Inputs\n{}\n\n#Others\n{}\n\n#Outputs\n{}\n\n#Feedback\n{}\n",
      sections.instruction, sections.code, sections.documentation, sections.variables,
      sections.constraints, sections.inputs, sections.others, sections.outputs, sections.feedback);
}

std::string TaggedText(const Problem& problem, const ProblemLayout& layout) {
  std::string text;
  const auto add = [&](Section section, std::string_view tag, const std::string& inside) {
    if (layout.masked.contains(section) || inside.empty()) return;
    text += fmt::format("<{0}>\n{1}\n</{0}>\n", tag, inside);
  };
  std::string variables;
  for (const ProblemValue& each : problem.variables) {
    if (!variables.empty()) variables += "\n";
    variables += TaggedVariable(each);
  }
  add(Section::kInstruction, "instruction", problem.instruction);
  add(Section::kCode, "code", CodeText(problem, layout.section_bytes));
  add(Section::kDocumentation, "documentation", DocumentationText(problem, layout.section_bytes));
  add(Section::kVariables, "variables", variables);
  add(Section::kInputs, "inputs", TaggedValues(problem.inputs, layout));
  add(Section::kOthers, "others", TaggedValues(problem.others, layout));
  add(Section::kOutputs, "outputs", TaggedValues(problem.outputs, layout));
  add(Section::kFeedback, "feedback", problem.feedback);
  return text;
}

}  // namespace troupe
