// The journal of a task: spans, their results and the events that watchers follow, appended in
// order and durable in order. Store (the plug "where journals live") keeps them; the runtime only
// knows this interface.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/runtime/usage.h"
#include "tools/base/hash.h"
#include "tools/base/json.h"

namespace troupe {

enum class SpanKind {
  kSpan = 1,   // an inner node: task, step, trial ...
  kModelCall,  // the leaves: effects
  kToolCall,
  kQuestion,
  kClock,
  kCompletionOrder,
  kValue,
  kRandom,
};
bool IsEffect(SpanKind kind);
std::string_view SpanKindName(SpanKind kind);  // "model_call"

// Attributes that the runtime keeps of a span; the others are an algorithm's own.
//
// The span of another task that this one was taken over from by a fork ("tasks/{task}/spans/{n}").
// A fork takes such an effect's result as it stands, whatever is asked there now.
inline constexpr char kInheritedFrom[] = "inherited_from";
// How a tool call was served: by whom, in how many attempts, how long it waited and ran.
inline constexpr char kServed[] = "served";
// Whether the fork asks something else there than the record that it inherited.
inline constexpr char kRequestDiffers[] = "request_differs";
// Whether whoever forked the task put the result in.
inline constexpr char kReplaced[] = "replaced";
// Of a tool call: how the task's permissions decided on it, where a rule or a person had to:
// "allowed", "refused", "approved", "denied", "edited", "granted" (for the rest of the task). Of an
// approval: what the person decided.
inline constexpr char kPermission[] = "permission";
// The bits of a random draw, in decimal digits.
inline constexpr char kDrawnValue[] = "value";

enum class SpanState { kRunning = 1, kOk, kError, kCancelled };
std::string_view SpanStateName(SpanState state);

// One node of a task's tree. `path` identifies it; the sequences tell when it began and ended in
// the task's one dense order of events.
struct SpanRecord {
  std::string path;  // "step:2/trial:1/execute"; the root is ""
  SpanKind kind = SpanKind::kSpan;
  std::string type;   // free: "step", "trial", "chat", "python"
  std::string title;  // for people
  SpanState state = SpanState::kRunning;
  int64_t begin_sequence = 0;
  int64_t end_sequence = 0;  // 0: not ended
  absl::Time begin_time;
  absl::Time end_time;
  Hash request_hash;         // of an effect: names the content that its request starts from
  std::string request_root;  // that content, where it is small: it is kept here alone
  Hash result_hash;          // of a finished effect: names the content of its result
  std::string result_root;   // as request_root
  std::string error;         // StatusToText of an outcome that is an error; empty otherwise
  Json attributes;           // an object, or null: none
  Usage usage;               // of an inner span: of all below it, known when it ends
  std::string model;         // that answered, of a model call
  std::string role;          // of a model call
  std::string tool;          // of a tool call
  std::string search_text;   // what full-text search finds it by; bounded by the runtime
  // Where search_text is no more than what two stored messages say (SearchTextOf): their hashes, so
  // that it need not be stored itself. Else empty.
  Hash asked_hash;
  Hash replied_hash;
};

enum class EventType {
  kState = 1,  // the task's state changed; text is the new state's name
  kProgress,   // a line for watchers
  kQuestion,   // a question was asked; path is the begin sequence of its span
  kAnswer,     // and answered
};

struct EventRecord {
  int64_t sequence = 0;
  absl::Time time;
  EventType type = EventType::kProgress;
  std::string path;
  std::string text;
};

// A value that is stored once, by the SHA-256 of its bytes.
struct Content {
  Hash hash;
  std::string bytes;
};

// What a journal remembers of a chain, to write its entries faster; for the journal alone.
struct ChainNotes {
  virtual ~ChainNotes() = default;
};

// The entries of one life of a task: once one of them could not be written, none behind it is, or
// the record would have a hole. The task then goes on in another life, from what is recorded.
struct EntryChain {
  std::atomic<bool> broken = false;
  bool first = false;                 // no life of the task before this one has written anything
  std::unique_ptr<ChainNotes> notes;  // guarded by the journal; null: none yet
};

// What is appended at once: all of it becomes durable or none.
struct JournalEntry {
  std::string task_id;
  std::shared_ptr<EntryChain> chain;  // null: the entry stands alone
  std::vector<Content> contents;
  std::vector<SpanRecord> begun;  // new rows
  std::vector<SpanRecord> ended;  // rows known by begin_sequence
  std::vector<EventRecord> events;

  bool empty() const {
    return contents.empty() && begun.empty() && ended.empty() && events.empty();
  }
};

using ReadContentFn = std::function<absl::StatusOr<std::string>(const Hash& hash)>;

// Reads what the span keeps itself, and all else by `read`. The span must outlive the result.
ReadContentFn ReadOf(const SpanRecord& span, ReadContentFn read);

class Journal {
 public:
  virtual ~Journal() = default;

  // Queues `entry`; entries become durable in the order of the calls. `done` is called once, from
  // the journal's thread, when it is (or can never be). Never blocks. `done` may be empty.
  virtual void Append(JournalEntry entry, std::function<void(absl::Status)> done) = 0;

  // As Append, for an entry that nothing goes on without: it may be written by the calling thread,
  // which then waits for the disk once, and `done` may be called before this returns.
  virtual void AppendHere(JournalEntry entry, std::function<void(absl::Status)> done) {
    Append(std::move(entry), std::move(done));
  }

  // Everything recorded of a task, in order of begin_sequence. May block on the disk.
  virtual absl::StatusOr<std::vector<SpanRecord>> LoadSpans(const std::string& task_id) = 0;

  // The highest sequence of the task's spans and events; 0 for none. May block.
  virtual absl::StatusOr<int64_t> LastSequence(const std::string& task_id) = 0;

  // kNotFound if no content has the hash. May block.
  virtual absl::StatusOr<std::string> ReadContent(const Hash& hash) = 0;
};

}  // namespace troupe
