// Structs that describe their members, so that a tool's arguments are a C++ struct: the JSON Schema
// that agents are told, and the reading of what they send, come from one description.
//
//   struct Throw {
//     int64_t dice = 1;
//     std::optional<int64_t> seed;
//     static void Describe(Described<Throw>& d) {
//       d.Field("dice", &Throw::dice, "How many").Between(1, 10);
//       d.Field("seed", &Throw::seed, "The same seed gives the same eyes");
//     }
//   };
//
// Members may be bool, numbers, std::string, described structs, nlohmann::json (anything), and
// std::optional, std::vector and std::map<std::string, ...> of these. Stands alone: the client
// library uses it as well. Immutable once described; stateless functions.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe {

template <typename T>
class Described;

template <typename T>
concept HasDescription = requires(Described<T>& d) {
  T::Describe(d);
};

namespace described {

using Json = nlohmann::json;

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsList : std::false_type {};
template <typename T>
struct IsList<std::vector<T>> : std::true_type {};
template <typename T>
struct IsMap : std::false_type {};
template <typename T>
struct IsMap<std::map<std::string, T>> : std::true_type {};

template <typename T>
Json SchemaOf();
template <typename T>
void Read(const Json& json, T& value);

}  // namespace described

// What is known of the members of T.
template <typename T>
class Described {
 public:
  using Json = nlohmann::json;

  // Rules for the member that was described last.
  class Rules {
   public:
    explicit Rules(Json& schema, bool& required) : schema_(schema), required_(required) {}
    Rules& Between(double least, double most) { return AtLeast(least).AtMost(most); }
    Rules& AtLeast(double least) { return Set("minimum", Number(least)); }
    Rules& AtMost(double most) { return Set("maximum", Number(most)); }
    Rules& OneOf(std::vector<std::string> words) { return Set("enum", std::move(words)); }
    Rules& LongestText(int letters) { return Set("maxLength", letters); }
    // Need not be given: then it is what the struct begins with.
    Rules& Optional() {
      required_ = false;
      return *this;
    }

   private:
    static Json Number(double value) {
      const auto whole = static_cast<int64_t>(value);
      return static_cast<double>(whole) == value ? Json(whole) : Json(value);
    }
    Rules& Set(const char* key, Json value) {
      schema_[key] = std::move(value);
      return *this;
    }
    Json& schema_;
    bool& required_;
  };

  template <typename Member>
  Rules Field(std::string name, Member T::*member, std::string description) {
    Entry& entry = entries_.emplace_back();
    entry.name = std::move(name);
    entry.schema = described::SchemaOf<Member>();
    entry.schema["description"] = std::move(description);
    entry.required = !described::IsOptional<Member>::value;
    entry.read = [member](const Json& json, T& object) { described::Read(json, object.*member); };
    return Rules(entry.schema, entry.required);
  }

  Json Schema() const {
    Json properties = Json::object();
    Json required = Json::array();
    for (const Entry& entry : entries_) {
      properties[entry.name] = entry.schema;
      if (entry.required) required.push_back(entry.name);
    }
    return {{"type", "object"},
            {"properties", std::move(properties)},
            {"required", std::move(required)},
            {"additionalProperties", false}};
  }

  // Throws std::exception for what does not fit the schema.
  void Read(const Json& json, T& object) const {
    for (const Entry& entry : entries_) {
      const auto found = json.find(entry.name);
      if (found != json.end()) {
        entry.read(*found, object);
      } else if (entry.required) {
        throw std::invalid_argument("'" + entry.name + "' is missing");
      }
    }
  }

 private:
  struct Entry {
    std::string name;
    Json schema;
    bool required = true;
    std::function<void(const Json&, T&)> read;
  };
  std::deque<Entry> entries_;  // Rules refer to entries
};

// The description of T, made once.
template <HasDescription T>
const Described<T>& DescriptionOf() {
  static const Described<T>* const description = [] {
    auto* made = new Described<T>();
    T::Describe(*made);
    return made;
  }();
  return *description;
}

namespace described {

template <typename T>
Json SchemaOf() {
  if constexpr (IsOptional<T>::value) {
    return SchemaOf<typename T::value_type>();
  } else if constexpr (IsList<T>::value) {
    return {{"type", "array"}, {"items", SchemaOf<typename T::value_type>()}};
  } else if constexpr (IsMap<T>::value) {
    return {{"type", "object"}, {"additionalProperties", SchemaOf<typename T::mapped_type>()}};
  } else if constexpr (std::is_same_v<T, Json>) {
    return Json::object();
  } else if constexpr (std::is_same_v<T, bool>) {
    return {{"type", "boolean"}};
  } else if constexpr (std::is_integral_v<T>) {
    return {{"type", "integer"}};
  } else if constexpr (std::is_floating_point_v<T>) {
    return {{"type", "number"}};
  } else if constexpr (std::is_same_v<T, std::string>) {
    return {{"type", "string"}};
  } else {
    static_assert(HasDescription<T>, "give the type a static Describe");
    return DescriptionOf<T>().Schema();
  }
}

template <typename T>
void Read(const Json& json, T& value) {
  if constexpr (IsOptional<T>::value) {
    if (json.is_null()) return value.reset();
    Read(json, value.emplace());
  } else if constexpr (IsList<T>::value) {
    value.clear();
    for (const Json& each : json) Read(each, value.emplace_back());
  } else if constexpr (IsMap<T>::value) {
    value.clear();
    for (const auto& [key, each] : json.items()) Read(each, value[key]);
  } else if constexpr (HasDescription<T>) {
    DescriptionOf<T>().Read(json, value);
  } else {
    value = json.get<T>();
  }
}

}  // namespace described

}  // namespace troupe
