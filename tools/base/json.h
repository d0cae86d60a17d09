// JSON at the edges: parsing and printing that report a status instead of throwing. Stateless.
#pragma once

#include <absl/status/statusor.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace troupe {

// Objects keep their keys sorted, so that equal values print alike and hash alike.
using Json = nlohmann::json;

// Parses one JSON value of at most 128 nested levels; an error names the byte where it broke off.
// `what` names the source in the error ("the model's reply", "file x.json").
absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view what);

// Prints on one line; bytes that are not UTF-8 are replaced.
std::string DumpJson(const Json& value);

// Appends `text` as a JSON string, as DumpJson prints it: for what is printed often.
void AppendJsonText(std::string& out, std::string_view text);

// Prints indented by two spaces.
std::string PrettyJson(const Json& value);

// A member of an object, or the fallback if `object` is no object, lacks it, or has it null or of
// another type. Never throws.
std::string JsonString(const Json& object, std::string_view key, std::string_view fallback = "");
int64_t JsonInt(const Json& object, std::string_view key, int64_t fallback = 0);
double JsonDouble(const Json& object, std::string_view key, double fallback = 0);
bool JsonBool(const Json& object, std::string_view key, bool fallback = false);

// A member, or null if `object` is no object or lacks it. The last two: or an empty object or
// array where it is not one. The reference is into `object` or to a constant. Never throw.
const Json& JsonMember(const Json& object, std::string_view key);
const Json& JsonObject(const Json& object, std::string_view key);
const Json& JsonArray(const Json& object, std::string_view key);

}  // namespace troupe
