// ToolHost: what a tool may ask of its task in mid-call. What is asked becomes an effect below the
// call's own: it is recorded before the tool sees the answer, counts against the task's budget, and
// is not asked again when a call that was cut off is repeated.
//
// Thread-confined to the task's strand, on which Tool::Call runs; it lives as long as the call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/base/async.h"
#include "tools/base/json.h"

namespace troupe {

// A question to a person.
struct HostQuestion {
  std::string prompt;
  std::vector<std::string> choices;  // the answer must be one of them; empty: any
  Json schema;                       // of the answer; null: a text
  Json detail;                       // what it is about, for people and programs
  bool is_approval = false;          // asks whether something may be done
};

struct HostImage {
  std::string media_type;
  std::string bytes;
};

struct HostMessage {
  bool from_assistant = false;  // or from the user
  std::string text;
  std::vector<HostImage> images;
};

// What a model is to reply to.
struct HostSampleRequest {
  std::string system;
  std::vector<HostMessage> messages;
  int64_t max_tokens = 0;  // 0: the model's own default
  std::optional<double> temperature;
  std::vector<std::string> stop;
};

struct HostSample {
  std::string text;
  std::string model;       // the config's name of the model that answered
  bool cut_short = false;  // max_tokens was reached
};

class ToolHost {
 public:
  virtual ~ToolHost() = default;

  // Asks a person and waits, for days if need be.
  virtual Async<Json> Ask(HostQuestion question) = 0;

  // Has the model reply that serves the role "sampling", under the task's budget.
  virtual Async<HostSample> Sample(HostSampleRequest request) = 0;
};

}  // namespace troupe
