#include "server/config/toml_table.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <limits>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {

struct TomlTable::Source {
  std::string file;
  std::shared_ptr<toml::table> document;  // keeps the nodes alive
  const toml::table* table = nullptr;     // null: not given
};

namespace {

const toml::node* Find(const toml::table* table, const std::string& key) {
  return table == nullptr ? nullptr : table->get(key);
}

}  // namespace

TomlTable::TomlTable(std::shared_ptr<Source> source, std::string path)
    : source_(std::move(source)), path_(std::move(path)) {}
TomlTable::~TomlTable() = default;
TomlTable::TomlTable(TomlTable&&) noexcept = default;
TomlTable& TomlTable::operator=(TomlTable&&) noexcept = default;

absl::StatusOr<TomlTable> TomlTable::Parse(const std::string& text, const std::string& file) {
  auto source = std::make_shared<Source>();
  source->file = file;
  try {
    source->document = std::make_shared<toml::table>(toml::parse(text));
  } catch (const toml::parse_error& e) {
    return Error(Reason::kInvalidField,
                 fmt::format("{}:{}:{}: {}", file, e.source().begin.line, e.source().begin.column,
                             std::string(e.description())),
                 {{"file", file}});
  }
  source->table = source->document.get();
  return TomlTable(std::move(source), "");
}

absl::Status TomlTable::Wrong(const std::string& key, const std::string& what) const {
  const toml::node* node = Find(source_->table, key);
  const std::string full = path_.empty() ? key : path_ + "." + key;
  const int64_t line = node == nullptr ? 0 : node->source().begin.line;
  return Error(Reason::kInvalidField, fmt::format("{}:{}: {} {}", source_->file, line, full, what),
               {{"field", full}, {"file", source_->file}});
}

absl::Status TomlTable::Read(const std::string& key, std::string& target) {
  known_.insert(key);
  const toml::node* node = Find(source_->table, key);
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_string()) return Wrong(key, "must be text");
  target = node->as_string()->get();
  return absl::OkStatus();
}

absl::Status TomlTable::Read(const std::string& key, bool& target) {
  known_.insert(key);
  const toml::node* node = Find(source_->table, key);
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_boolean()) return Wrong(key, "must be true or false");
  target = node->as_boolean()->get();
  return absl::OkStatus();
}

absl::Status TomlTable::Read(const std::string& key, double& target) {
  known_.insert(key);
  const toml::node* node = Find(source_->table, key);
  if (node == nullptr) return absl::OkStatus();
  const auto number = node->value<double>();
  if (!node->is_number() || !number.has_value()) return Wrong(key, "must be a number");
  target = *number;
  return absl::OkStatus();
}

absl::Status TomlTable::Read(const std::string& key, int64_t& target, int64_t least, int64_t most) {
  known_.insert(key);
  const toml::node* node = Find(source_->table, key);
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_integer()) return Wrong(key, "must be a whole number");
  const int64_t value = node->as_integer()->get();
  if (value < least || value > most) {
    return Wrong(key, fmt::format("is {}: give {} to {}", value, least, most));
  }
  target = value;
  return absl::OkStatus();
}

absl::Status TomlTable::Read(const std::string& key, int& target, int64_t least, int64_t most) {
  int64_t value = target;
  RETURN_IF_ERROR(Read(key, value, least, most));
  target = static_cast<int>(value);
  return absl::OkStatus();
}

absl::Status TomlTable::Read(const std::string& key, std::vector<std::string>& target) {
  known_.insert(key);
  const toml::node* node = Find(source_->table, key);
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_array()) return Wrong(key, "must be a list of texts");
  target.clear();
  for (const toml::node& item : *node->as_array()) {
    if (!item.is_string()) return Wrong(key, "must be a list of texts");
    target.push_back(item.as_string()->get());
  }
  return absl::OkStatus();
}

absl::Status TomlTable::ReadSeconds(const std::string& key, absl::Duration& target) {
  double seconds = absl::ToDoubleSeconds(target);
  const bool given = Find(source_->table, key) != nullptr;
  RETURN_IF_ERROR(Read(key, seconds));
  if (!given) return absl::OkStatus();
  if (!(seconds >= 0)) return Wrong(key, "must not be negative");
  target = absl::Seconds(seconds);
  return absl::OkStatus();
}

absl::Status TomlTable::ReadChoice(const std::string& key, const std::vector<std::string>& words,
                                   int& target) {
  std::string word;
  RETURN_IF_ERROR(Read(key, word));
  if (word.empty()) return absl::OkStatus();
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == word) {
      target = static_cast<int>(i);
      return absl::OkStatus();
    }
  }
  return Wrong(key, fmt::format("is '{}': give one of {}", word, fmt::join(words, ", ")));
}

absl::Status TomlTable::Read(const std::string& key, std::map<std::string, std::string>& target) {
  known_.insert(key);
  const toml::node* node = Find(source_->table, key);
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_table()) return Wrong(key, "must be a table of texts");
  for (const auto& [name, value] : *node->as_table()) {
    if (!value.is_string()) return Wrong(key, "must be a table of texts");
    target[std::string(name.str())] = value.as_string()->get();
  }
  return absl::OkStatus();
}

absl::StatusOr<TomlTable> TomlTable::Table(const std::string& key) {
  known_.insert(key);
  auto inner = std::make_shared<Source>(*source_);
  const toml::node* node = Find(source_->table, key);
  if (node != nullptr && !node->is_table()) return Wrong(key, "must be a table");
  inner->table = node == nullptr ? nullptr : node->as_table();
  return TomlTable(std::move(inner), path_.empty() ? key : path_ + "." + key);
}

absl::StatusOr<std::vector<TomlTable>> TomlTable::Tables(const std::string& key) {
  known_.insert(key);
  std::vector<TomlTable> tables;
  const toml::node* node = Find(source_->table, key);
  if (node == nullptr) return tables;
  if (!node->is_array()) return Wrong(key, "must be a list of tables");
  const std::string path = path_.empty() ? key : path_ + "." + key;
  for (const toml::node& item : *node->as_array()) {
    if (!item.is_table()) return Wrong(key, "must be a list of tables");
    auto inner = std::make_shared<Source>(*source_);
    inner->table = item.as_table();
    tables.push_back(TomlTable(std::move(inner), fmt::format("{}[{}]", path, tables.size())));
  }
  return tables;
}

std::vector<std::string> TomlTable::TableNames() const {
  std::vector<std::string> names;
  if (source_->table == nullptr) return names;
  for (const auto& [name, value] : *source_->table) {
    if (value.is_table()) names.emplace_back(name.str());
  }
  return names;
}

absl::Status TomlTable::CheckAllRead() const {
  if (source_->table == nullptr) return absl::OkStatus();
  for (const auto& [name, value] : *source_->table) {
    const std::string key(name.str());
    if (!known_.contains(key)) {
      return Wrong(key, fmt::format("is not a key; here are: {}", fmt::join(known_, ", ")));
    }
  }
  return absl::OkStatus();
}

}  // namespace troupe
