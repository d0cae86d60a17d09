#include "agents/workflow/tape.h"

#include <charconv>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxEntries = 100'000;

absl::Status CheckLength(size_t entries) {
  if (entries <= kMaxEntries) return absl::OkStatus();
  return Error(Reason::kLimitReached,
               "the workflow has done over 100,000 things: let its loops do less",
               {{"limit", "operations of a workflow"}});
}

}  // namespace

Json ErrorValue(const std::string& step, const absl::Status& status) {
  const ErrorMetadata metadata = MetadataOf(status);
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  Json error = {{"step", step}, {"message", std::string(MessageOf(status))}};
  const std::string type = text("error_type");
  const auto reason = ReasonOf(status);
  error["type"] = type.empty() && reason.has_value() ? std::string(InfoOf(*reason).name) : type;
  const std::string line = text("error_line");
  int number = 0;
  std::from_chars(line.data(), line.data() + line.size(), number);
  if (number > 0) {
    error["line"] = number;
    error["code"] = text("error_code");
  }
  return {{"error", std::move(error)}};
}

absl::Status WorkflowTape::Add(TapeEntry entry, ValueId& id) {
  RETURN_IF_ERROR(CheckLength(static_cast<size_t>(base_) + entries_.size() + 1));
  entries_.push_back(std::move(entry));
  id = base_ + static_cast<ValueId>(entries_.size());
  return absl::OkStatus();
}

WorkflowTape WorkflowTape::Branch() const {
  WorkflowTape branch;
  branch.base_ = base_ + static_cast<ValueId>(entries_.size());
  return branch;
}

absl::Status WorkflowTape::Append(const WorkflowTape& branch, ValueId& id) {
  const auto own = static_cast<ValueId>(entries_.size());
  RETURN_IF_ERROR(CheckLength(static_cast<size_t>(base_ + own) + branch.entries_.size()));
  const ValueId moved = base_ + own - branch.base_;
  const auto here = [&](ValueId given) { return given > branch.base_ ? given + moved : given; };
  for (TapeEntry entry : branch.entries_) {
    for (auto& [name, input] : entry.inputs) input = here(input);
    entries_.push_back(std::move(entry));
  }
  id = here(id);
  if (failed == 0) failed = here(branch.failed);
  return absl::OkStatus();
}

}  // namespace troupe
