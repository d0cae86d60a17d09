// StoredPrompts: the prompts that came with the server, those that users made, the versions that
// were added to both, and the record of which was active when and why. Thread-safe; writes block
// until durable.
#pragma once

#include <absl/base/thread_annotations.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agents/prompts/prompt_library.h"
#include "server/store/store.h"
#include "tools/base/mutex.h"
#include "troupe/v1/task.pb.h"

namespace troupe {

// One version as it is kept.
struct PromptVersionRecord {
  int version = 1;
  std::string text;
  std::string sha256;
  absl::Time create_time = absl::InfinitePast();  // InfinitePast: came with the server
  int parent_version = 0;
  std::string origin;  // who made it, in words
  std::string note;
  std::string task;        // "tasks/{id}" that made it
  std::string evaluation;  // "tasks/{id}" whose result says how good it is
};

// One change of the active version.
struct PromotionRecord {
  bool rollback = false;
  int version = 1;
  int previous_version = 1;
  absl::Time time;
  std::string reason;
  std::string evidence;  // "tasks/{id}"
  std::optional<v1::PromptWin> win;
  bool without_evidence = false;
};

struct PromptRecord {
  const PromptDefinition* definition = nullptr;  // lives as long as the StoredPrompts
  bool custom = false;                           // a user's
  int active_version = 1;
  int64_t revision = 1;  // the etag
  std::vector<PromptVersionRecord> versions;
  std::vector<PromotionRecord> promotions;  // the last kMaxPromotionsKept
};

// What is to be made active and why.
struct Promotion {
  std::string prompt;
  int version = 0;
  std::string reason;
  std::string etag;      // empty: not checked
  std::string evidence;  // "tasks/{id}"; `wins` are those of its result
  std::vector<v1::PromptWin> wins;
  bool without_evidence = false;  // promote it whatever `wins` says
};

class StoredPrompts : public PromptSource {
 public:
  static constexpr size_t kMaxVersions = 1'000;  // of a prompt
  static constexpr size_t kMaxCustomPrompts = 1'000;
  static constexpr size_t kMaxBytes = 256 << 20;       // of all templates together
  static constexpr size_t kMaxPromotionsKept = 1'000;  // of a prompt, in memory

  // Both outlive this. Fails if the store cannot be read or holds a template that does not compile.
  static absl::StatusOr<std::unique_ptr<StoredPrompts>> Load(const PromptLibrary* library,
                                                             Store* store);

  absl::StatusOr<PromptVersion> Get(const std::string& name,
                                    const std::string& version) const override;
  absl::StatusOr<PromptTemplate> Compile(const std::string& name,
                                         const std::string& text) const override;
  absl::StatusOr<PromptText> TextOf(const std::string& name,
                                    const std::string& version) const override;
  std::string BriefOf(const std::string& name) const override;
  std::map<std::string, int> ActiveVersions() const override;

  // All, by name, each with its active version alone: all versions of all prompts are too much.
  std::vector<PromptRecord> List() const;
  // kNotFound if there is none.
  absl::StatusOr<PromptRecord> Find(const std::string& name) const;
  // The first words of names that users may not give to prompts of their own.
  void Reserve(std::string family);

  // A user's prompt with `first` as its version 1. kAlreadyExists; kInvalidField if the name is
  // reserved, a variable's name is wrong or the template does not compile; kLimitReached.
  absl::StatusOr<PromptRecord> Create(PromptDefinition prompt, PromptVersionRecord first);
  // kInvalidField if the template does not compile, kAlreadyExists if it is that of a version
  // already, kLimitReached; the version number is set.
  absl::StatusOr<PromptVersionRecord> Add(const std::string& name, PromptVersionRecord version);
  // kEtagMismatch if the etag is not empty and not the prompt's; kNotFound without the version;
  // kNoRecordedWin if none of the wins is one of this version over the active one. A version that
  // is active already stays so.
  absl::StatusOr<PromptRecord> Promote(const Promotion& promotion);
  // Takes the last promotion back that was not. kEtagMismatch; kNothingToRollBack.
  absl::StatusOr<PromptRecord> Rollback(const std::string& name, const std::string& reason,
                                        const std::string& etag);

 private:
  struct Entry {
    PromptRecord record;
    std::vector<std::shared_ptr<const PromptTemplate>> compiled;  // by version - 1
    std::vector<int> earlier;  // what was active before each promotion that was not taken back
  };

  explicit StoredPrompts(Store* store) : store_(store) {}
  absl::Status AddLibrary(const PromptLibrary& library) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LoadCustom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LoadVersions() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status LoadPromotions() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Entry*> FindEntry(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckName(const std::string& name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckRoom(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AddCompiled(const std::string& name, PromptVersionRecord version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Apply(Entry& entry, PromotionRecord change);
  // Writes the change of the active version and makes it.
  absl::StatusOr<PromptRecord> Activate(const std::string& name, Entry& entry,
                                        PromotionRecord change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Store* const store_;
  mutable Mutex mutex_;
  std::map<std::string, Entry> prompts_ ABSL_GUARDED_BY(mutex_);
  // Definitions of users' prompts; records point into it.
  std::map<std::string, std::unique_ptr<const PromptDefinition>> custom_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> reserved_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace troupe
