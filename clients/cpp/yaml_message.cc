#include "clients/cpp/yaml_message.h"

#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>
#include <vector>

namespace troupe::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxDocument = 16 * 1024 * 1024;
constexpr size_t kMaxErrors = 20;
constexpr int kMaxDepth = 100;

class Reader {
 public:
  Reader(std::string file, DocumentLines* lines) : file_(std::move(file)), lines_(lines) {}

  void Read(const YAML::Node& node, Message& message, const std::string& place);
  void Wrong(const YAML::Mark& mark, std::string_view what) {
    if (errors_.size() < kMaxErrors) {
      errors_.push_back(fmt::format("{}:{}: {}", file_, mark.line + 1, what));
    }
  }
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  void ReadField(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                 const std::string& place);
  void ReadMap(const YAML::Node& node, Message& message, const FieldDescriptor& field,
               const std::string& place);
  void ReadList(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                const std::string& place);
  void ReadOne(const YAML::Node& node, Message& message, const FieldDescriptor& field, bool add,
               const std::string& place);
  void ReadScalar(const YAML::Node& node, Message& message, const FieldDescriptor& field, bool add);
  template <typename T>
  bool ReadNumber(const YAML::Node& node, const FieldDescriptor& field, T& number);
  void ReadValue(const YAML::Node& node, google::protobuf::Value& value, int depth);
  void ReadStruct(const YAML::Node& node, google::protobuf::Struct& value, int depth);

  const std::string file_;
  DocumentLines* const lines_;
  std::vector<std::string> errors_;
  int depth_ = 0;
};

std::string NamesOf(const Descriptor& type) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(type.field_count()));
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// "python" for LANGUAGE_PYTHON of the enum Language.
std::string ShortName(const EnumValueDescriptor& value) {
  return Lower(value.name()).substr(value.type()->name().size() + 1);
}

// The field that gives the same oneof another value; null: none.
const FieldDescriptor* Rival(const Message& message, const FieldDescriptor& field) {
  const auto* const choice = field.real_containing_oneof();
  if (choice == nullptr) return nullptr;
  return message.GetReflection()->GetOneofFieldDescriptor(message, choice);
}

void Reader::Read(const YAML::Node& node, Message& message, const std::string& place) {
  const Descriptor& type = *message.GetDescriptor();
  if (type.full_name() == "google.protobuf.Value") {
    return ReadValue(node, static_cast<google::protobuf::Value&>(message), 0);
  }
  if (type.full_name() == "google.protobuf.Struct") {
    return ReadStruct(node, static_cast<google::protobuf::Struct&>(message), 0);
  }
  if (!node.IsMap()) {
    return Wrong(node.Mark(), fmt::format("{} must have the fields: {}",
                                          place.empty() ? "the document" : place, NamesOf(type)));
  }
  if (++depth_ > kMaxDepth) return Wrong(node.Mark(), "it is nested over 100 deep");
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const FieldDescriptor* field = type.FindFieldByName(name);
    if (field == nullptr) {
      Wrong(entry.first.Mark(),
            fmt::format("there is no field '{}' here; there are {}", name, NamesOf(type)));
      continue;
    }
    if (!seen.insert(name).second) {
      Wrong(entry.first.Mark(), fmt::format("{} is there twice", name));
      continue;
    }
    if (const FieldDescriptor* rival = Rival(message, *field)) {
      Wrong(entry.first.Mark(), fmt::format("give {} or {}, not both", rival->name(), name));
      continue;
    }
    const std::string path = place.empty() ? name : place + "." + name;
    (*lines_)[path] = entry.first.Mark().line + 1;
    ReadField(entry.second, message, *field, path);
  }
  --depth_;
}

void Reader::ReadField(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                       const std::string& place) {
  const bool is_value = field.message_type() != nullptr &&
                        field.message_type()->full_name() == "google.protobuf.Value";
  if (field.is_map()) return ReadMap(node, message, field, place);
  if (field.is_repeated()) return ReadList(node, message, field, place);
  if (node.IsNull() && !is_value) return Wrong(node.Mark(), field.name() + " is empty");
  ReadOne(node, message, field, false, place);
}

void Reader::ReadMap(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                     const std::string& place) {
  if (!node.IsMap()) return Wrong(node.Mark(), field.name() + " must map names to what they are");
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      Wrong(entry.first.Mark(), "a name must be text");
      continue;
    }
    const std::string key = entry.first.Scalar();
    if (!seen.insert(key).second) {
      Wrong(entry.first.Mark(), key + " is there twice");
      continue;
    }
    const std::string path = fmt::format("{}[{}]", place, key);
    (*lines_)[path] = entry.first.Mark().line + 1;
    Message& added = *message.GetReflection()->AddMessage(&message, &field);
    added.GetReflection()->SetString(&added, field.message_type()->map_key(), key);
    ReadOne(entry.second, added, *field.message_type()->map_value(), false, path);
  }
}

void Reader::ReadList(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                      const std::string& place) {
  if (!node.IsSequence()) return Wrong(node.Mark(), field.name() + " must be a list");
  for (size_t i = 0; i < node.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", place, i);
    (*lines_)[path] = node[i].Mark().line + 1;
    ReadOne(node[i], message, field, true, path);
  }
}

void Reader::ReadOne(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                     bool add, const std::string& place) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return ReadScalar(node, message, field, add);
  }
  const Reflection& reflection = *message.GetReflection();
  Read(
      node,
      add ? *reflection.AddMessage(&message, &field) : *reflection.MutableMessage(&message, &field),
      place);
}

template <typename T>
bool Reader::ReadNumber(const YAML::Node& node, const FieldDescriptor& field, T& number) {
  const std::string text = node.Scalar();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return true;
  Wrong(node.Mark(),
        fmt::format("{} must be a number, not '{}'", field.name(), text.substr(0, 40)));
  return false;
}

void Reader::ReadScalar(const YAML::Node& node, Message& message, const FieldDescriptor& field,
                        bool add) {
  if (!node.IsScalar()) {
    return Wrong(node.Mark(), field.name() + " must be one value, no list and no map");
  }
  const Reflection& reflection = *message.GetReflection();
  const std::string text = node.Scalar();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return add ? reflection.AddString(&message, &field, text)
                 : reflection.SetString(&message, &field, text);
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") {
        return Wrong(node.Mark(), field.name() + " must be true or false");
      }
      return reflection.SetBool(&message, &field, text == "true");
    case FieldDescriptor::CPPTYPE_INT32:
      if (int32_t number = 0; ReadNumber(node, field, number)) {
        reflection.SetInt32(&message, &field, number);
      }
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      if (int64_t number = 0; ReadNumber(node, field, number)) {
        reflection.SetInt64(&message, &field, number);
      }
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (double number = 0; ReadNumber(node, field, number)) {
        reflection.SetDouble(&message, &field, number);
      }
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::vector<std::string> names;
      for (int i = 1; i < field.enum_type()->value_count(); ++i) {
        const EnumValueDescriptor& value = *field.enum_type()->value(i);
        names.push_back(ShortName(value));
        if (text == value.name() || text == names.back()) {
          return reflection.SetEnum(&message, &field, &value);
        }
      }
      return Wrong(node.Mark(),
                   fmt::format("{} must be one of {}", field.name(), fmt::join(names, ", ")));
    }
    default:
      return Wrong(node.Mark(), field.name() + " cannot be given in a document");
  }
}

void Reader::ReadStruct(const YAML::Node& node, google::protobuf::Struct& value, int depth) {
  if (!node.IsMap()) return Wrong(node.Mark(), "an object is wanted");
  for (const auto& entry : node) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (value.fields().contains(key)) {
      Wrong(entry.first.Mark(), key + " is there twice");
    } else {
      ReadValue(entry.second, (*value.mutable_fields())[key], depth + 1);
    }
  }
}

// Text that is not in quotes is null, true, false or a number if it looks like one.
void Reader::ReadValue(const YAML::Node& node, google::protobuf::Value& value, int depth) {
  if (depth > kMaxDepth) return Wrong(node.Mark(), "it is nested over 100 deep");
  if (node.IsMap()) return ReadStruct(node, *value.mutable_struct_value(), depth);
  if (node.IsSequence()) {
    auto& list = *value.mutable_list_value();
    for (const auto& each : node) ReadValue(each, *list.add_values(), depth + 1);
    return;
  }
  const bool quoted = node.Tag() == "!";
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!quoted && (node.IsNull() || text == "null")) {
    value.set_null_value(google::protobuf::NULL_VALUE);
  } else if (!quoted && (text == "true" || text == "false")) {
    value.set_bool_value(text == "true");
  } else if (!quoted && error == std::errc() && end == text.data() + text.size()) {
    value.set_number_value(number);
  } else {
    value.set_string_value(text);
  }
}

}  // namespace

absl::Status ReadYamlMessage(const std::string& text, const std::string& file, Message& message,
                             DocumentLines& lines) {
  if (text.size() > kMaxDocument) {
    return absl::InvalidArgumentError(file + ": a document has at most 16 MiB");
  }
  try {
    Reader reader(file, &lines);
    reader.Read(YAML::Load(text), message, "");
    if (reader.errors().empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format("{}", fmt::join(reader.errors(), "\n")));
  } catch (const YAML::Exception& raised) {
    return absl::InvalidArgumentError(
        fmt::format("{}:{}: {}", file, raised.mark.line + 1, raised.msg));
  }
}

int LineOf(const DocumentLines& lines, std::string field) {
  for (;;) {
    const auto found = lines.find(field);
    if (found != lines.end()) return found->second;
    const size_t cut = field.find_last_of(".[");
    if (cut == std::string::npos) return 0;
    field.resize(cut);
  }
}

}  // namespace troupe::client
