#include "clients/cpp/prompt_view.h"

#include <absl/time/time.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>

#include "clients/cpp/render.h"

namespace troupe::client {
namespace {

constexpr size_t kNoteWidth = 100;

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(time.seconds()),
                          absl::LocalTimeZone());
}

std::string TypeText(v1::PromptVariable::Type type) {
  if (type == v1::PromptVariable::TYPE_UNSPECIFIED) return "any";
  std::string name = v1::PromptVariable::Type_Name(type).substr(std::string_view("TYPE_").size());
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

// "command line, from tasks/x, tried in tasks/y"
std::string SourceText(const v1::PromptVersion& version) {
  std::string text = OneLine(version.origin(), kNoteWidth);
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!version.task().empty()) add("made by " + version.task());
  if (!version.evaluation().empty()) add("tried in " + version.evaluation());
  return text;
}

std::string PromotionText(const v1::PromptPromotion& promotion) {
  const bool back = promotion.kind() == v1::PromptPromotion::KIND_ROLLBACK;
  std::string text = fmt::format("  {}  {} {} -> {}: {}\n", TimeText(promotion.time()),
                                 back ? "back    " : "promoted", promotion.previous_version(),
                                 promotion.version(), OneLine(promotion.reason(), kNoteWidth));
  const std::string indent(20, ' ');
  if (promotion.has_win()) {
    text += fmt::format("{}{}: {}\n", indent, promotion.evidence(), WinText(promotion.win()));
  } else if (promotion.without_evidence()) {
    text += indent + "without evidence\n";
  } else if (!promotion.evidence().empty()) {
    text += fmt::format("{}{}\n", indent, OneLine(promotion.evidence(), kNoteWidth));
  }
  return text;
}

bool ColorsDifferences() {
  const char* kind = std::getenv("TERM");
  const char* refused = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && kind != nullptr && std::string_view(kind) != "dumb" &&
         (refused == nullptr || *refused == '\0');
}

const char* ColorOfLine(std::string_view line) {
  if (line.starts_with("---") || line.starts_with("+++")) return "1";
  if (line.starts_with("@@")) return "36";
  if (line.starts_with('-')) return "31";
  return line.starts_with('+') ? "32" : "";
}

}  // namespace

std::string PromptId(const std::string& given) {
  constexpr std::string_view kPrefix = "prompts/";
  std::string id = given.starts_with(kPrefix) ? given.substr(kPrefix.size()) : given;
  // A family and what is of it are often written like a path.
  if (id.find("/versions/") == std::string::npos) std::replace(id.begin(), id.end(), '/', '.');
  return id;
}

std::string VersionName(const std::string& given) {
  const std::string name = "prompts/" + PromptId(given);
  if (const size_t at = name.find('@'); at != std::string::npos) {
    return name.substr(0, at) + "/versions/" + name.substr(at + 1);
  }
  return name.find("/versions/") == std::string::npos ? name + "/versions/active" : name;
}

std::string WinText(const v1::PromptWin& win) {
  const bool one_each = win.comparisons() == 0 || win.comparisons() == win.items();
  const std::string of = one_each ? "" : fmt::format(" {} comparisons on", win.comparisons());
  std::string text = fmt::format("won {}, lost {} of{} {} held-out items", win.wins(), win.losses(),
                                 of, win.items());
  if (win.has_p_value()) text += fmt::format(", p = {:.3g}", win.p_value());
  if (!win.method().empty()) text += fmt::format(" ({})", OneLine(win.method(), kNoteWidth));
  return text;
}

std::string PromptListText(const v1::ListPromptsResponse& prompts) {
  size_t width = 0;
  for (const v1::Prompt& prompt : prompts.prompts()) width = std::max(width, prompt.name().size());
  std::string text;
  for (const v1::Prompt& prompt : prompts.prompts()) {
    text +=
        fmt::format("{:<{}}  version {:<4} {}{}\n", prompt.name(), width, prompt.active_version(),
                    OneLine(prompt.description(), kNoteWidth), prompt.custom() ? " (yours)" : "");
  }
  return text;
}

std::string PromptHistoryText(const v1::Prompt& prompt) {
  std::string text =
      fmt::format("{}: {}\n", prompt.name(), OneLine(prompt.description(), kNoteWidth));
  if (!prompt.variables().empty()) text += "variables\n";
  for (const v1::PromptVariable& variable : prompt.variables()) {
    text += fmt::format("  {:<16} {:<8} {}{}\n", variable.name(), TypeText(variable.type()),
                        OneLine(variable.description(), kNoteWidth),
                        variable.required() ? " (required)" : "");
  }
  text += "versions\n";
  for (const v1::PromptVersion& version : prompt.versions()) {
    const bool active = version.version() == prompt.active_version();
    text +=
        fmt::format("  {} {:<4} {:<16} {:>7} bytes  {}  {}", active ? "*" : " ", version.version(),
                    version.has_create_time() ? TimeText(version.create_time()) : "",
                    version.size_bytes(), version.sha256().substr(0, 8), SourceText(version));
    if (version.parent_version() > 0) text += fmt::format(", from {}", version.parent_version());
    text += "\n";
    if (!version.note().empty()) {
      text += fmt::format("         {}\n", OneLine(version.note(), kNoteWidth));
    }
  }
  if (!prompt.promotions().empty()) text += "promotions\n";
  for (const v1::PromptPromotion& promotion : prompt.promotions()) {
    text += PromotionText(promotion);
  }
  return text;
}

std::string PromptVersionText(const v1::PromptVersion& version) {
  std::string text = fmt::format("--- {}  sha256:{}  {}\n", version.name(),
                                 version.sha256().substr(0, 8), SourceText(version));
  text += Printable(version.template_());
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

std::string PromptDiffText(const v1::DiffPromptVersionsResponse& diff) {
  const std::string plain = Printable(diff.unified());
  if (plain.empty()) return "The templates are equal.\n";
  if (!ColorsDifferences()) return plain;
  std::string text;
  std::string_view left = plain;
  while (!left.empty()) {
    const size_t end = std::min(left.find('\n'), left.size());
    const std::string_view line = left.substr(0, end);
    const char* color = ColorOfLine(line);
    text += *color == '\0' ? std::string(line) : fmt::format("\x1b[{}m{}\x1b[0m", color, line);
    text += '\n';
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return text;
}

}  // namespace troupe::client
