#include "server/store/prompt_store.h"

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "tools/base/error.h"
#include "tools/base/hash.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

absl::Status NoSuchPrompt(const std::string& name) {
  return Error(Reason::kNotFound, fmt::format("there is no prompt 'prompts/{}'", name),
               {{"name", "prompts/" + name}});
}

absl::Status NoSuchVersion(const std::string& name, std::string_view version) {
  return Error(Reason::kNotFound,
               fmt::format("there is no version {} of the prompt 'prompts/{}'", version, name),
               {{"name", fmt::format("prompts/{}/versions/{}", name, version)}});
}

std::string Pack(const PromptVersionRecord& version) {
  return DumpJson({{"text", version.text},
                   {"create_time", absl::ToUnixMicros(version.create_time)},
                   {"parent_version", version.parent_version},
                   {"origin", version.origin},
                   {"note", version.note}});
}

absl::StatusOr<PromptVersionRecord> Unpack(int number, const std::string& text) {
  ASSIGN_OR_RETURN(const Json packed, ParseJson(text, "a stored prompt version"));
  PromptVersionRecord version;
  version.version = number;
  version.text = JsonString(packed, "text");
  version.sha256 = Sha256Hex(version.text);
  version.create_time = absl::FromUnixMicros(JsonInt(packed, "create_time"));
  version.parent_version = static_cast<int>(JsonInt(packed, "parent_version"));
  version.origin = JsonString(packed, "origin");
  version.note = JsonString(packed, "note");
  return version;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoredPrompts>> StoredPrompts::Load(const PromptLibrary* library,
                                                                   Store* store) {
  std::unique_ptr<StoredPrompts> prompts(new StoredPrompts(store));
  MutexLock lock(&prompts->mutex_);
  for (const auto& [name, definition] : library->definitions()) {
    prompts->prompts_[name].record.definition = &definition;
    PromptVersionRecord first;
    first.text = definition.text;
    first.sha256 = definition.sha256;
    first.origin = "file";
    RETURN_IF_ERROR(prompts->AddCompiled(name, std::move(first)));
  }
  std::vector<std::pair<std::string, PromptVersionRecord>> added;
  std::vector<std::pair<std::string, int>> promotions;
  RETURN_IF_ERROR(store->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement versions,
                     connection.Prepare("SELECT prompt, version, record FROM prompt_versions "
                                        "ORDER BY prompt, version"));
    for (;;) {
      ASSIGN_OR_RETURN(const bool found, versions.Step());
      if (!found) break;
      ASSIGN_OR_RETURN(PromptVersionRecord version,
                       Unpack(static_cast<int>(versions.Int(1)), versions.Blob(2)));
      added.emplace_back(versions.Text(0), std::move(version));
    }
    ASSIGN_OR_RETURN(
        Statement promoted,
        connection.Prepare("SELECT prompt, version FROM prompt_promotions ORDER BY id"));
    for (;;) {
      ASSIGN_OR_RETURN(const bool found, promoted.Step());
      if (!found) break;
      promotions.emplace_back(promoted.Text(0), static_cast<int>(promoted.Int(1)));
    }
    return absl::OkStatus();
  }));
  for (auto& [name, version] : added) {
    if (!prompts->prompts_.contains(name)) continue;  // of a prompt that this program lacks
    const absl::Status compiled = prompts->AddCompiled(name, std::move(version));
    if (!compiled.ok()) return Annotate(compiled, fmt::format("the stored prompt {}", name));
  }
  for (const auto& [name, version] : promotions) {
    const auto found = prompts->prompts_.find(name);
    if (found == prompts->prompts_.end()) continue;
    found->second.record.active_version = version;
    ++found->second.record.revision;
  }
  return prompts;
}

absl::Status StoredPrompts::AddCompiled(const std::string& name, PromptVersionRecord version) {
  Entry& entry = prompts_.at(name);
  ASSIGN_OR_RETURN(PromptTemplate compiled, CompilePrompt(*entry.record.definition, version.text));
  entry.compiled.push_back(std::make_shared<const PromptTemplate>(std::move(compiled)));
  entry.record.versions.push_back(std::move(version));
  ++entry.record.revision;
  return absl::OkStatus();
}

absl::StatusOr<PromptVersion> StoredPrompts::Get(const std::string& name,
                                                 const std::string& version) const {
  MutexLock lock(&mutex_);
  const auto found = prompts_.find(name);
  if (found == prompts_.end()) return NoSuchPrompt(name);
  int number = found->second.record.active_version;
  if (!version.empty() && !absl::SimpleAtoi(version, &number)) return NoSuchVersion(name, version);
  if (number < 1 || static_cast<size_t>(number) > found->second.compiled.size()) {
    return NoSuchVersion(name, version);
  }
  return PromptVersion{name, number, found->second.compiled[static_cast<size_t>(number) - 1]};
}

absl::StatusOr<PromptTemplate> StoredPrompts::Compile(const std::string& name,
                                                      const std::string& text) const {
  ASSIGN_OR_RETURN(const PromptRecord record, Find(name));
  auto compiled = CompilePrompt(*record.definition, text);
  if (!compiled.ok()) return Annotate(compiled.status(), "prompt " + name);
  return compiled;
}

std::string StoredPrompts::BriefOf(const std::string& name) const {
  MutexLock lock(&mutex_);
  const auto found = prompts_.find(name);
  return found == prompts_.end() ? "" : found->second.record.definition->description;
}

std::map<std::string, int> StoredPrompts::ActiveVersions() const {
  MutexLock lock(&mutex_);
  std::map<std::string, int> active;
  for (const auto& [name, entry] : prompts_) active[name] = entry.record.active_version;
  return active;
}

std::vector<PromptRecord> StoredPrompts::List() const {
  MutexLock lock(&mutex_);
  std::vector<PromptRecord> records;
  for (const auto& [name, entry] : prompts_) records.push_back(entry.record);
  return records;
}

absl::StatusOr<PromptRecord> StoredPrompts::Find(const std::string& name) const {
  MutexLock lock(&mutex_);
  const auto found = prompts_.find(name);
  if (found == prompts_.end()) return NoSuchPrompt(name);
  return found->second.record;
}

absl::StatusOr<PromptVersionRecord> StoredPrompts::Add(const std::string& name,
                                                       PromptVersionRecord version) {
  MutexLock lock(&mutex_);
  const auto found = prompts_.find(name);
  if (found == prompts_.end()) return NoSuchPrompt(name);
  const PromptRecord& record = found->second.record;
  if (version.parent_version == 0) version.parent_version = record.active_version;
  if (static_cast<size_t>(version.parent_version) > record.versions.size()) {
    return NoSuchVersion(name, std::to_string(version.parent_version));
  }
  const auto compiled = CompilePrompt(*record.definition, version.text);
  if (!compiled.ok()) {
    return Error(Reason::kInvalidField, fmt::format("template: {}", MessageOf(compiled.status())),
                 {{"field", "template"}});
  }
  version.version = static_cast<int>(record.versions.size()) + 1;
  version.sha256 = Sha256Hex(version.text);
  version.create_time = absl::Now();
  // Written under the lock, so that versions are numbered in the order of their rows.
  RETURN_IF_ERROR(store_->WriteAndWait([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement insert,
                     connection.Prepare("INSERT INTO prompt_versions (prompt, version, record) "
                                        "VALUES (?, ?, ?)"));
    insert.Bind(name).Bind(static_cast<int64_t>(version.version)).BindBlob(Pack(version));
    return insert.Run();
  }));
  RETURN_IF_ERROR(AddCompiled(name, version));
  return version;
}

absl::StatusOr<PromptRecord> StoredPrompts::Promote(const std::string& name, int version,
                                                    const std::string& reason,
                                                    const std::string& evidence,
                                                    const std::string& etag) {
  MutexLock lock(&mutex_);
  const auto found = prompts_.find(name);
  if (found == prompts_.end()) return NoSuchPrompt(name);
  PromptRecord& record = found->second.record;
  if (version < 1 || static_cast<size_t>(version) > record.versions.size()) {
    return NoSuchVersion(name, std::to_string(version));
  }
  if (!etag.empty() && etag != std::to_string(record.revision)) {
    return Error(Reason::kEtagMismatch,
                 fmt::format("the prompt 'prompts/{}' changed meanwhile: read it again", name),
                 {{"name", "prompts/" + name}});
  }
  RETURN_IF_ERROR(store_->WriteAndWait([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        Statement insert,
        connection.Prepare("INSERT INTO prompt_promotions (prompt, version, time, reason, "
                           "evidence) VALUES (?, ?, ?, ?, ?)"));
    insert.Bind(name).Bind(static_cast<int64_t>(version));
    insert.Bind(absl::ToUnixMicros(absl::Now())).Bind(reason).Bind(evidence);
    return insert.Run();
  }));
  record.active_version = version;
  ++record.revision;
  return record;
}

}  // namespace troupe
