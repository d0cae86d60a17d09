#include "agents/workflow/binding.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "agents/runtime/text.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxName = 40;
constexpr size_t kMaxShown = 100;
constexpr int kMaxDepth = 64;

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsMemberLetter(char c) {
  return IsLower(c) || IsDigit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

absl::Status NoReference(std::string_view text, std::string_view why) {
  return Error(
      Reason::kInvalidField,
      fmt::format("'{}' is no reference: {}; write $name, $name.member or $name[0], and $$ "
                  "for a text that begins with a $",
                  Elide(text, kMaxShown), why));
}

// "[3]", "[-1]" or "[\"any key\"]" at the beginning of `rest`, which goes on behind it.
absl::Status TakeBracket(std::string_view text, std::string_view& rest, Reference& reference) {
  if (rest.starts_with("[\"")) {
    size_t end = 2;
    while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
    if (end + 1 >= rest.size() || rest[end + 1] != ']') {
      return NoReference(text, "a key in brackets ends with \"]");
    }
    const auto key = ParseJson(rest.substr(1, end), "the key");
    if (!key.ok() || !key->is_string()) return NoReference(text, "the key in brackets is no text");
    reference.path.emplace_back(key->get<std::string>());
    rest.remove_prefix(end + 2);
    return absl::OkStatus();
  }
  int64_t place = 0;
  const char* const begin = rest.data() + 1;
  const auto [end, error] = std::from_chars(begin, rest.data() + rest.size(), place);
  const auto length = static_cast<size_t>(end - rest.data());
  if (error != std::errc() || length >= rest.size() || *end != ']') {
    return NoReference(text, "in brackets stands a whole number, or a key in quotes");
  }
  reference.path.emplace_back(place);
  rest.remove_prefix(length + 1);
  return absl::OkStatus();
}

std::string TypeNameOf(const Json& value) {
  if (value.is_string()) return "a text";
  if (value.is_number()) return "a number";
  if (value.is_boolean()) return "true or false";
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  return "null";
}

absl::Status NotThere(const Reference& reference, std::string_view why) {
  return Error(Reason::kInvalidField, fmt::format("{} is not there: {}", reference.text, why),
               {{"reference", reference.text}});
}

absl::StatusOr<const Json*> MemberOf(const Reference& reference, const Json& value,
                                     const std::string& member) {
  if (!value.is_object()) {
    return NotThere(reference, fmt::format("what has no '{}' is {}", member, TypeNameOf(value)));
  }
  const auto found = value.find(member);
  if (found != value.end()) return &*found;
  std::vector<std::string> keys;
  for (const auto& [key, each] : value.items()) {
    if (keys.size() < 20) keys.push_back(key);
  }
  return NotThere(reference, fmt::format("it has no '{}' but: {}", member, fmt::join(keys, ", ")));
}

absl::StatusOr<const Json*> ElementOf(const Reference& reference, const Json& value,
                                      int64_t place) {
  if (!value.is_array()) {
    return NotThere(reference, fmt::format("what has no [{}] is {}", place, TypeNameOf(value)));
  }
  const auto size = static_cast<int64_t>(value.size());
  const int64_t index = place < 0 ? size + place : place;
  if (index < 0 || index >= size) {
    return NotThere(reference, fmt::format("the list has {} elements", size));
  }
  return &value[static_cast<size_t>(index)];
}

absl::StatusOr<Json> ValueAt(const Reference& reference, const ValueNamedFn& value_named) {
  const Json* value = value_named(reference.name);
  if (value == nullptr) return NotThere(reference, "no such name is seen here");
  for (const auto& part : reference.path) {
    if (const auto* member = std::get_if<std::string>(&part)) {
      ASSIGN_OR_RETURN(value, MemberOf(reference, *value, *member));
    } else {
      ASSIGN_OR_RETURN(value, ElementOf(reference, *value, std::get<int64_t>(part)));
    }
  }
  return *value;
}

absl::Status Collect(const Json& binding, int depth, std::set<std::string>& seen,
                     std::vector<Reference>& found) {
  if (depth > kMaxDepth) return Error(Reason::kInvalidField, "it is nested over 64 deep");
  if (binding.is_string()) {
    ASSIGN_OR_RETURN(auto reference, ParseReference(binding.get_ref<const std::string&>()));
    if (reference.has_value() && seen.insert(reference->name).second) {
      found.push_back(*std::move(reference));
    }
    return absl::OkStatus();
  }
  if (!binding.is_structured()) return absl::OkStatus();
  for (const Json& each : binding) RETURN_IF_ERROR(Collect(each, depth + 1, seen, found));
  return absl::OkStatus();
}

}  // namespace

bool IsWorkflowName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && IsLower(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return IsLower(c) || IsDigit(c) || c == '_'; });
}

absl::StatusOr<std::optional<Reference>> ParseReference(std::string_view text) {
  std::optional<Reference> none;
  if (!text.starts_with('$') || text.starts_with("$$")) return none;
  std::string_view rest = text.substr(1);
  const size_t name_end = rest.find_first_of(".[");
  Reference reference;
  reference.text = std::string(text);
  reference.name = std::string(rest.substr(0, name_end));
  if (!IsWorkflowName(reference.name)) {
    return NoReference(text, "a name is of lower-case letters, digits and _");
  }
  rest.remove_prefix(reference.name.size());
  while (!rest.empty()) {
    if (rest[0] == '[') {
      RETURN_IF_ERROR(TakeBracket(text, rest, reference));
      continue;
    }
    if (rest[0] != '.') return NoReference(text, "behind ] stands . or [");
    rest.remove_prefix(1);
    const auto* const end = std::find_if_not(rest.begin(), rest.end(), IsMemberLetter);
    const auto length = static_cast<size_t>(end - rest.begin());
    if (length == 0) return NoReference(text, "a member's name is missing, or in need of [\"..\"]");
    reference.path.emplace_back(std::string(rest.substr(0, length)));
    rest.remove_prefix(length);
    if (!rest.empty() && rest[0] != '.' && rest[0] != '[') {
      return NoReference(text, "behind a member stands . or [");
    }
  }
  return std::optional<Reference>(std::move(reference));
}

absl::StatusOr<std::vector<Reference>> ReferencesIn(const Json& binding) {
  std::set<std::string> seen;
  std::vector<Reference> found;
  RETURN_IF_ERROR(Collect(binding, 0, seen, found));
  return found;
}

absl::StatusOr<Json> Bind(const Json& binding, const ValueNamedFn& value_named) {
  if (binding.is_string()) {
    const auto& text = binding.get_ref<const std::string&>();
    ASSIGN_OR_RETURN(const auto reference, ParseReference(text));
    if (reference.has_value()) return ValueAt(*reference, value_named);
    return text.starts_with("$$") ? Json(text.substr(1)) : binding;
  }
  if (!binding.is_structured()) return binding;
  Json bound = binding;
  for (Json& each : bound) {
    ASSIGN_OR_RETURN(each, Bind(each, value_named));
  }
  return bound;
}

}  // namespace troupe
