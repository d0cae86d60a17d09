#include "server/store/prompt_store.h"

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include <algorithm>

#include "server/store/prompt_rows.h"
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

std::string FamilyOf(const std::string& name) { return name.substr(0, name.find('.')); }

absl::Status InTemplate(const absl::Status& status) {
  return Error(Reason::kInvalidField, fmt::format("template: {}", MessageOf(status)),
               {{"field", "template"}});
}

absl::Status CheckEtag(const std::string& name, const PromptRecord& record,
                       const std::string& etag) {
  if (etag.empty() || etag == std::to_string(record.revision)) return absl::OkStatus();
  return Error(Reason::kEtagMismatch,
               fmt::format("the prompt 'prompts/{}' changed meanwhile: read it again", name),
               {{"name", "prompts/" + name}});
}

// The win of `winner` over `loser` among those that a task's result has.
absl::StatusOr<v1::PromptWin> FindWin(const Promotion& promotion, const PromptVersionRecord& winner,
                                      const PromptVersionRecord& loser) {
  const std::string name = "prompts/" + promotion.prompt;
  const std::string way_out =
      "Name a task that compared the two on held-out items and found this one better "
      "(troupe optimize-prompt makes one), or say that there is no evidence (without_evidence)";
  if (promotion.evidence.empty()) {
    return Error(Reason::kNoRecordedWin,
                 fmt::format("nothing shows that version {} of {} is better than version {}, which "
                             "is active. {}",
                             winner.version, name, loser.version, way_out),
                 {{"name", name}});
  }
  for (const v1::PromptWin& win : promotion.wins) {
    if (win.prompt() == name && win.winner_sha256() == winner.sha256 &&
        win.loser_sha256() == loser.sha256 && win.wins() > win.losses()) {
      return win;
    }
  }
  return Error(
      Reason::kNoRecordedWin,
      fmt::format("the result of {} has no win of version {} of {} over version {}, which is "
                  "active. {}",
                  promotion.evidence, winner.version, name, loser.version, way_out),
      {{"name", name}, {"evidence", promotion.evidence}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoredPrompts>> StoredPrompts::Load(const PromptLibrary* library,
                                                                   Store* store) {
  std::unique_ptr<StoredPrompts> prompts(new StoredPrompts(store));
  MutexLock lock(&prompts->mutex_);
  RETURN_IF_ERROR(prompts->AddLibrary(*library));
  RETURN_IF_ERROR(prompts->LoadCustom());
  RETURN_IF_ERROR(prompts->LoadVersions());
  RETURN_IF_ERROR(prompts->LoadPromotions());
  return prompts;
}

absl::Status StoredPrompts::AddLibrary(const PromptLibrary& library) {
  for (const auto& [name, definition] : library.definitions()) {
    prompts_[name].record.definition = &definition;
    reserved_.insert(FamilyOf(name));
    PromptVersionRecord first;
    first.text = definition.text;
    first.sha256 = definition.sha256;
    first.origin = "file";
    RETURN_IF_ERROR(AddCompiled(name, std::move(first)));
  }
  return absl::OkStatus();
}

absl::Status StoredPrompts::LoadCustom() {
  std::vector<PromptDefinition> stored;
  RETURN_IF_ERROR(store_->Read([&stored](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(stored, ReadPrompts(connection));
    return absl::OkStatus();
  }));
  for (PromptDefinition& prompt : stored) {
    const std::string name = prompt.name;
    // A prompt that came with a newer server takes the place of a user's of the same name.
    if (prompts_.contains(name)) continue;
    custom_[name] = std::make_unique<const PromptDefinition>(std::move(prompt));
    prompts_[name].record.definition = custom_[name].get();
    prompts_[name].record.custom = true;
  }
  return absl::OkStatus();
}

absl::Status StoredPrompts::LoadVersions() {
  std::vector<NamedVersion> stored;
  RETURN_IF_ERROR(store_->Read([&stored](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(stored, ReadVersions(connection));
    return absl::OkStatus();
  }));
  for (auto& [name, version] : stored) {
    const auto found = prompts_.find(name);
    // Of a prompt that this program lacks, or a user's whose place another has taken.
    if (found == prompts_.end()) continue;
    if (static_cast<size_t>(version.version) != found->second.compiled.size() + 1) continue;
    const absl::Status compiled = AddCompiled(name, std::move(version));
    if (!compiled.ok()) return Annotate(compiled, fmt::format("the stored prompt {}", name));
  }
  // Written in one change with its first version: without it the store is damaged.
  for (const auto& [name, entry] : prompts_) {
    if (!entry.compiled.empty()) continue;
    return Error(Reason::kStoreFailed, fmt::format("the stored prompt {} has no version", name));
  }
  return absl::OkStatus();
}

absl::Status StoredPrompts::LoadPromotions() {
  std::vector<NamedPromotion> stored;
  RETURN_IF_ERROR(store_->Read([&stored](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(stored, ReadPromotions(connection));
    return absl::OkStatus();
  }));
  for (auto& [name, change] : stored) {
    const auto found = prompts_.find(name);
    if (found == prompts_.end()) continue;
    if (static_cast<size_t>(change.version) > found->second.compiled.size()) continue;
    Apply(found->second, std::move(change));
  }
  return absl::OkStatus();
}

void StoredPrompts::Apply(Entry& entry, PromotionRecord change) {
  PromptRecord& record = entry.record;
  change.previous_version = record.active_version;
  if (!change.rollback) {
    entry.earlier.push_back(record.active_version);
  } else if (!entry.earlier.empty()) {
    entry.earlier.pop_back();
  }
  record.active_version = change.version;
  record.promotions.push_back(std::move(change));
  if (record.promotions.size() > kMaxPromotionsKept) {
    record.promotions.erase(record.promotions.begin());
  }
  if (entry.earlier.size() > kMaxPromotionsKept) entry.earlier.erase(entry.earlier.begin());
  ++record.revision;
}

absl::Status StoredPrompts::AddCompiled(const std::string& name, PromptVersionRecord version) {
  Entry& entry = prompts_.at(name);
  ASSIGN_OR_RETURN(PromptTemplate compiled, CompilePrompt(*entry.record.definition, version.text));
  bytes_ += version.text.size();
  entry.compiled.push_back(std::make_shared<const PromptTemplate>(std::move(compiled)));
  entry.record.versions.push_back(std::move(version));
  ++entry.record.revision;
  return absl::OkStatus();
}

absl::StatusOr<StoredPrompts::Entry*> StoredPrompts::FindEntry(const std::string& name) {
  const auto found = prompts_.find(name);
  if (found == prompts_.end()) return NoSuchPrompt(name);
  return &found->second;
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
  const PromptDefinition* definition = nullptr;
  {
    MutexLock lock(&mutex_);
    const auto found = prompts_.find(name);
    if (found == prompts_.end()) return NoSuchPrompt(name);
    definition = found->second.record.definition;
  }
  auto compiled = CompilePrompt(*definition, text);
  if (!compiled.ok()) return Annotate(compiled.status(), "prompt " + name);
  return compiled;
}

absl::StatusOr<PromptText> StoredPrompts::TextOf(const std::string& name,
                                                 const std::string& version) const {
  ASSIGN_OR_RETURN(const PromptVersion found, Get(name, version));
  MutexLock lock(&mutex_);
  const auto& versions = prompts_.at(name).record.versions;  // none is ever taken away
  return PromptText{found.version, versions[static_cast<size_t>(found.version) - 1].text};
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
  for (const auto& [name, entry] : prompts_) {
    const PromptRecord& whole = entry.record;
    PromptRecord record;
    record.definition = whole.definition;
    record.custom = whole.custom;
    record.active_version = whole.active_version;
    record.revision = whole.revision;
    record.versions.push_back(whole.versions[static_cast<size_t>(whole.active_version) - 1]);
    records.push_back(std::move(record));
  }
  return records;
}

absl::StatusOr<PromptRecord> StoredPrompts::Find(const std::string& name) const {
  MutexLock lock(&mutex_);
  const auto found = prompts_.find(name);
  if (found == prompts_.end()) return NoSuchPrompt(name);
  return found->second.record;
}

void StoredPrompts::Reserve(std::string family) {
  MutexLock lock(&mutex_);
  reserved_.insert(std::move(family));
}

absl::Status StoredPrompts::CheckName(const std::string& name) const {
  if (!IsPromptName(name)) {
    return Error(
        Reason::kInvalidField,
        fmt::format("prompt_id: '{}' is no name of a prompt: give words of [a-z][a-z0-9_]* "
                    "with dots between, at most 64 bytes",
                    name),
        {{"field", "prompt_id"}});
  }
  if (prompts_.contains(name)) {
    return Error(Reason::kAlreadyExists,
                 fmt::format("there is a prompt 'prompts/{}' already", name),
                 {{"name", "prompts/" + name}, {"field", "prompt_id"}});
  }
  if (reserved_.contains(FamilyOf(name))) {
    return Error(Reason::kInvalidField,
                 fmt::format("prompt_id: names that begin with '{}' are kept for the server's own "
                             "prompts: give another first word",
                             FamilyOf(name)),
                 {{"field", "prompt_id"}});
  }
  return absl::OkStatus();
}

absl::Status StoredPrompts::CheckRoom(size_t bytes) const {
  if (bytes_ + bytes <= kMaxBytes) return absl::OkStatus();
  return Error(
      Reason::kLimitReached,
      fmt::format("the templates of all prompts have {} MiB together at most", kMaxBytes >> 20),
      {{"limit", "prompt_bytes"}});
}

absl::StatusOr<PromptRecord> StoredPrompts::Create(PromptDefinition prompt,
                                                   PromptVersionRecord first) {
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(CheckName(prompt.name));
  RETURN_IF_ERROR(CheckVariables(prompt.variables));
  if (const auto compiled = CompilePrompt(prompt, first.text); !compiled.ok()) {
    return InTemplate(compiled.status());
  }
  RETURN_IF_ERROR(CheckRoom(first.text.size()));
  if (custom_.size() >= kMaxCustomPrompts) {
    return Error(Reason::kLimitReached,
                 fmt::format("there are {} prompts of users, which is the limit", custom_.size()),
                 {{"limit", "prompts"}});
  }
  first.version = 1;
  first.parent_version = 0;
  first.sha256 = Sha256Hex(first.text);
  first.create_time = absl::Now();
  const std::string name = prompt.name;
  RETURN_IF_ERROR(store_->WriteAndWait([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(InsertPrompt(connection, prompt, first.create_time));
    return InsertVersion(connection, name, first);
  }));
  custom_[name] = std::make_unique<const PromptDefinition>(std::move(prompt));
  PromptRecord& record = prompts_[name].record;
  record.definition = custom_[name].get();
  record.custom = true;
  RETURN_IF_ERROR(AddCompiled(name, std::move(first)));
  return record;
}

absl::StatusOr<PromptVersionRecord> StoredPrompts::Add(const std::string& name,
                                                       PromptVersionRecord version) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Entry* entry, FindEntry(name));
  const PromptRecord& record = entry->record;
  if (version.parent_version == 0) version.parent_version = record.active_version;
  if (static_cast<size_t>(version.parent_version) > record.versions.size()) {
    return NoSuchVersion(name, std::to_string(version.parent_version));
  }
  if (const auto compiled = CompilePrompt(*record.definition, version.text); !compiled.ok()) {
    return InTemplate(compiled.status());
  }
  version.sha256 = Sha256Hex(version.text);
  for (const PromptVersionRecord& other : record.versions) {
    if (other.sha256 != version.sha256) continue;
    const std::string same = fmt::format("prompts/{}/versions/{}", name, other.version);
    return Error(Reason::kAlreadyExists, fmt::format("the template is that of '{}' already", same),
                 {{"field", "template"}, {"name", same}});
  }
  RETURN_IF_ERROR(CheckRoom(version.text.size()));
  if (record.versions.size() >= kMaxVersions) {
    return Error(Reason::kLimitReached,
                 fmt::format("the prompt 'prompts/{}' has {} versions, which is the limit", name,
                             record.versions.size()),
                 {{"limit", "prompt_versions"}});
  }
  version.version = static_cast<int>(record.versions.size()) + 1;
  version.create_time = absl::Now();
  // Written under the lock, so that versions are numbered in the order of their rows.
  RETURN_IF_ERROR(store_->WriteAndWait(
      [&](Connection& connection) { return InsertVersion(connection, name, version); }));
  RETURN_IF_ERROR(AddCompiled(name, version));
  return version;
}

absl::StatusOr<PromptRecord> StoredPrompts::Activate(const std::string& name, Entry& entry,
                                                     PromotionRecord change) {
  // As exact as it is stored.
  change.time = absl::FromUnixMicros(absl::ToUnixMicros(absl::Now()));
  RETURN_IF_ERROR(store_->WriteAndWait(
      [&](Connection& connection) { return InsertPromotion(connection, name, change); }));
  Apply(entry, std::move(change));
  return entry.record;
}

absl::StatusOr<PromptRecord> StoredPrompts::Promote(const Promotion& promotion) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Entry * entry, FindEntry(promotion.prompt));
  const PromptRecord& record = entry->record;
  if (promotion.version < 1 || static_cast<size_t>(promotion.version) > record.versions.size()) {
    return NoSuchVersion(promotion.prompt, std::to_string(promotion.version));
  }
  RETURN_IF_ERROR(CheckEtag(promotion.prompt, record, promotion.etag));
  if (promotion.version == record.active_version) return record;
  PromotionRecord change;
  change.version = promotion.version;
  change.reason = promotion.reason;
  change.evidence = promotion.evidence;
  change.without_evidence = promotion.without_evidence;
  if (!promotion.without_evidence) {
    const auto at = [&record](int version) -> const PromptVersionRecord& {
      return record.versions[static_cast<size_t>(version) - 1];
    };
    ASSIGN_OR_RETURN(change.win,
                     FindWin(promotion, at(promotion.version), at(record.active_version)));
  }
  return Activate(promotion.prompt, *entry, std::move(change));
}

absl::StatusOr<PromptRecord> StoredPrompts::Rollback(const std::string& name,
                                                     const std::string& reason,
                                                     const std::string& etag) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Entry * entry, FindEntry(name));
  RETURN_IF_ERROR(CheckEtag(name, entry->record, etag));
  if (entry->earlier.empty()) {
    return Error(
        Reason::kNothingToRollBack,
        fmt::format("no promotion of the prompt 'prompts/{}' is left to take back: version "
                    "{} is active",
                    name, entry->record.active_version),
        {{"name", "prompts/" + name}});
  }
  PromotionRecord change;
  change.rollback = true;
  change.version = entry->earlier.back();
  change.reason = reason;
  return Activate(name, *entry, std::move(change));
}

}  // namespace troupe
