#include "clients/cpp/trace/tape.h"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::trace {

std::string AnyNode::error() const {
  const Failure* failure = tape_->FailureOf(id_);
  return failure == nullptr ? "" : fmt::format("({}) {}", failure->type, failure->message);
}

int32_t Tape::AddParameter(std::string_view name, Value value, std::string_view constraint) {
  if (size() >= kMostNodes) Fail(absl::ResourceExhaustedError("a tape keeps at most 50,000 nodes"));
  const std::string base(name.empty() ? "parameter" : name);
  const std::string full = fmt::format("{}:{}", base, names_[base]++);
  parameters_.push_back({full, std::string(constraint), std::move(value)});
  return -static_cast<int32_t>(parameters_.size());
}

int32_t Tape::AddInput(std::string_view name, Value value) {
  Entry entry;
  entry.name = name;
  entry.value = std::move(value);
  return Add(std::move(entry), {});
}

int32_t Tape::Record(const std::shared_ptr<const Operator>& operation,
                     absl::Span<const int32_t> inputs, Value value) {
  Entry entry;
  entry.operation = operation;
  entry.value = std::move(value);
  return Add(std::move(entry), inputs);
}

int32_t Tape::RecordFailure(const std::shared_ptr<const Operator>& operation,
                            absl::Span<const int32_t> inputs, Failure failure) {
  Entry entry;
  entry.operation = operation;
  entry.failure = std::make_unique<Failure>(std::move(failure));
  return Add(std::move(entry), inputs);
}

int32_t Tape::Add(Entry entry, absl::Span<const int32_t> inputs) {
  if (size() >= kMostNodes) {
    Fail(absl::ResourceExhaustedError(
        "a tape keeps at most 50,000 nodes: call clear() before the program runs again"));
    if (!records_.empty()) return static_cast<int32_t>(records_.size()) - 1;
  }
  entry.first_input = static_cast<uint32_t>(inputs_.size());
  entry.inputs = static_cast<uint32_t>(inputs.size());
  inputs_.insert(inputs_.end(), inputs.begin(), inputs.end());
  if (reads_ != nullptr && !reads_->empty()) {
    const std::vector<int32_t> hidden = HiddenParameters(inputs);
    entry.hidden = static_cast<uint32_t>(hidden.size());
    inputs_.insert(inputs_.end(), hidden.begin(), hidden.end());
  }
  records_.push_back(std::move(entry));
  return static_cast<int32_t>(records_.size()) - 1;
}

std::vector<int32_t> Tape::HiddenParameters(absl::Span<const int32_t> inputs) const {
  const std::vector<int32_t> given = Behind({inputs.begin(), inputs.end()});
  std::vector<int32_t> hidden;
  for (const int32_t id : Behind(*reads_)) {
    if (id < 0 && !std::binary_search(given.begin(), given.end(), id)) hidden.push_back(id);
  }
  return hidden;
}

int32_t Tape::IdOf(const AnyNode& node) {
  if (node.tape_ != this) {
    Fail(absl::InvalidArgumentError("a node of another tape was used"));
    return kNone;
  }
  if (node.id_ >= 0 && node.generation_ != generation_) {
    Fail(absl::FailedPreconditionError(
        "a node was used that clear() has forgotten: only parameters stay"));
    return kNone;
  }
  return node.id_;
}

const Value& Tape::ValueOf(int32_t id) const {
  return id < 0 ? parameters_[static_cast<size_t>(-id) - 1].value
                : records_[static_cast<size_t>(id)].value;
}

const Failure* Tape::FailureOf(int32_t id) const {
  return id < 0 || id >= static_cast<int32_t>(records_.size())
             ? nullptr
             : records_[static_cast<size_t>(id)].failure.get();
}

absl::Span<const int32_t> Tape::InputsOf(const Entry& entry, bool hidden) const {
  const int32_t* const first = inputs_.data() + entry.first_input;
  if (hidden) return {first + entry.inputs, entry.hidden};
  return {first, entry.inputs};
}

std::vector<int32_t> Tape::Behind(std::vector<int32_t> outputs) const {
  const auto count = static_cast<int32_t>(parameters_.size());
  std::vector<bool> seen(parameters_.size() + records_.size());
  std::vector<int32_t> reached;
  const auto reach = [&](int32_t id) {
    const auto place = static_cast<size_t>(id + count);
    if (seen[place]) return;
    seen[place] = true;
    reached.push_back(id);
  };
  for (const int32_t id : outputs) reach(id);
  for (size_t next = 0; next < reached.size(); ++next) {
    if (reached[next] < 0) continue;
    const Entry& entry = records_[static_cast<size_t>(reached[next])];
    for (const bool hidden : {false, true}) {
      for (const int32_t id : InputsOf(entry, hidden)) reach(id);
    }
  }
  std::sort(reached.begin(), reached.end());
  return reached;
}

void Tape::backward(const AnyNode& output, std::string feedback, bool retain_graph) {
  const int32_t id = IdOf(output);
  if (id == kNone) return;
  const std::vector<int32_t> behind = Behind({id});
  for (const int32_t each : behind) {
    if (each < 0 || !records_[static_cast<size_t>(each)].gone_through) continue;
    Fail(absl::FailedPreconditionError(
        fmt::format("feedback goes through the operation {} for the second time: say retain_graph "
                    "in the first call to "
                    "allow it",
                    records_[static_cast<size_t>(each)].operation->name)));
    return;
  }
  for (const int32_t each : behind) {
    if (each < 0) continue;
    Entry& entry = records_[static_cast<size_t>(each)];
    entry.gone_through = !retain_graph && entry.operation != nullptr;
  }
  feedback_.push_back({id, std::move(feedback)});
}

void Tape::clear() {
  records_.clear();
  inputs_.clear();
  feedback_.clear();
  ++generation_;
  status_ = absl::OkStatus();
}

}  // namespace troupe::trace
