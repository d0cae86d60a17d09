// StoredPrompts: the prompts that came with the server and the versions that were added since, with
// the record of promotions. Thread-safe; writes block until durable.
#pragma once

#include <absl/base/thread_annotations.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/prompts/prompt_library.h"
#include "server/store/store.h"
#include "tools/base/mutex.h"

namespace troupe {

// One version as it is kept.
struct PromptVersionRecord {
  int version = 1;
  std::string text;
  std::string sha256;
  absl::Time create_time = absl::InfinitePast();  // InfinitePast: came with the server
  int parent_version = 0;
  std::string origin;
  std::string note;
};

struct PromptRecord {
  const PromptDefinition* definition = nullptr;
  int active_version = 1;
  int64_t revision = 1;  // the etag
  std::vector<PromptVersionRecord> versions;
};

class StoredPrompts : public PromptSource {
 public:
  // Both outlive this. Fails if the store cannot be read or holds a template that does not compile.
  static absl::StatusOr<std::unique_ptr<StoredPrompts>> Load(const PromptLibrary* library,
                                                             Store* store);

  absl::StatusOr<PromptVersion> Get(const std::string& name,
                                    const std::string& version) const override;
  absl::StatusOr<PromptTemplate> Compile(const std::string& name,
                                         const std::string& text) const override;
  std::string BriefOf(const std::string& name) const override;
  std::map<std::string, int> ActiveVersions() const override;

  std::vector<PromptRecord> List() const;
  // kNotFound if there is none.
  absl::StatusOr<PromptRecord> Find(const std::string& name) const;
  // kInvalidField if the template does not compile; the version number is set.
  absl::StatusOr<PromptVersionRecord> Add(const std::string& name, PromptVersionRecord version);
  // kEtagMismatch if `etag` is not empty and not the prompt's; kNotFound without the version.
  absl::StatusOr<PromptRecord> Promote(const std::string& name, int version,
                                       const std::string& reason, const std::string& evidence,
                                       const std::string& etag);

 private:
  struct Entry {
    PromptRecord record;
    std::vector<std::shared_ptr<const PromptTemplate>> compiled;  // by version - 1
  };

  explicit StoredPrompts(Store* store) : store_(store) {}
  absl::Status AddCompiled(const std::string& name, PromptVersionRecord version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Store* const store_;
  mutable Mutex mutex_;
  std::map<std::string, Entry> prompts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace troupe
