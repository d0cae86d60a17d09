// TomlTable: reads a table of the configuration key by key, and knows which keys nobody asked for.
// Thread-compatible.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace troupe {

class TomlTable {
 public:
  // kInvalidField, with line and column, for text that is not TOML. `file` names it in errors.
  static absl::StatusOr<TomlTable> Parse(const std::string& text, const std::string& file);
  ~TomlTable();
  TomlTable(TomlTable&&) noexcept;
  TomlTable& operator=(TomlTable&&) noexcept;

  // Each reads a key into its target if the key is there; kInvalidField if it has another type or
  // lies outside [least, most].
  absl::Status Read(const std::string& key, std::string& target);
  absl::Status Read(const std::string& key, bool& target);
  absl::Status Read(const std::string& key, double& target);
  absl::Status Read(const std::string& key, int64_t& target, int64_t least, int64_t most);
  absl::Status Read(const std::string& key, int& target, int64_t least, int64_t most);
  absl::Status Read(const std::string& key, std::vector<std::string>& target);
  // A time as a number of seconds, fractions allowed.
  absl::Status ReadSeconds(const std::string& key, absl::Duration& target);
  // One of the words, as its index.
  absl::Status ReadChoice(const std::string& key, const std::vector<std::string>& words,
                          int& target);
  // A table of texts.
  absl::Status Read(const std::string& key, std::map<std::string, std::string>& target);

  // The table at `key`, empty if it is not there; kInvalidField if it is no table.
  absl::StatusOr<TomlTable> Table(const std::string& key);
  // The tables in the list at `key` ([[key]]), none if it is not there; kInvalidField if it is
  // another thing.
  absl::StatusOr<std::vector<TomlTable>> Tables(const std::string& key);
  // The names of the tables in this one.
  std::vector<std::string> TableNames() const;

  // kInvalidField that says what is wrong with a key, with its file and line.
  absl::Status Wrong(const std::string& key, const std::string& what) const;

  // kInvalidField, with line and the keys that exist, if a key was given that nobody read.
  absl::Status CheckAllRead() const;

 private:
  struct Source;
  TomlTable(std::shared_ptr<Source> source, std::string path);

  std::shared_ptr<Source> source_;
  std::string path_;  // of this table, "models.big"
  std::set<std::string> known_;
};

}  // namespace troupe
