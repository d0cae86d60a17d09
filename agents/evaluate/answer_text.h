// What of an answer counts: the part that is marked, a number in it, the letter of a choice. By
// fixed rules, so that the same text is always read the same. Stateless functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace troupe {

// Without white space at both ends.
std::string_view Trimmed(std::string_view text);

// What stands between the last <tag> and the </tag> behind it; without the latter, all behind the
// former. None without the tag.
std::optional<std::string> TaggedPart(std::string_view text, std::string_view tag);

// In lower case (ASCII), without ASCII punctuation, runs of white space as one space.
std::string Normalized(std::string_view text);

// Whether `part` stands in `text` as whole words; both normalized.
bool ContainsWords(std::string_view text, std::string_view part);

// The number of an answer: the first behind its last "####"; in its last \boxed{...}; else the last
// number of it. 1,234.5, -3, .5, 2e6 and 3/4 are numbers; signs of money and percent are left out.
std::optional<double> FindNumber(std::string_view text);

// The letter of a choice among the first `choices` from A on: the answer is a letter, in brackets
// or not; the last "answer is (B)", "answer: B"; the last letter in brackets; the letter that the
// last line begins with, before ")", "." or ":".
std::optional<char> FindChoice(std::string_view text, int choices);

// The code of an answer: its last Markdown fence marked as Python or not marked; else all of it.
std::string FindCode(std::string_view text);

}  // namespace troupe
