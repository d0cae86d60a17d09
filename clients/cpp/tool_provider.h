// ToolProvider: serves functions of a C++ program as tools to the agents of a server.
//
//   struct City {
//     std::string name;
//     static void Describe(troupe::Described<City>& d) {
//       d.Field("name", &City::name, "The city's name, in English");
//     }
//   };
//
//   int main() {
//     troupe::client::ToolProvider provider("127.0.0.1:7433");
//     provider.Add<City>("population", "How many people live in a city.", {.read_only = true},
//                        [](const City& city, troupe::client::CallContext&) {
//                          return nlohmann::json(PeopleIn(city.name));
//                        });
//     return provider.Serve().ok() ? 0 : 1;
//   }
//
// A function returns a nlohmann::json, a std::string, a ToolOutput, or an absl::StatusOr of one: a
// status of kInvalidArgument, kNotFound or kFailedPrecondition is told to the agent, which may mend
// it; every other, and what is thrown, is a failure of the tool. Functions run side by side on
// threads of the provider. When the stream to the server breaks, the provider attaches again, and
// calls go on.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tools/base/described.h"

namespace troupe::client {

struct OutputImage {
  std::string media_type;  // image/png, image/jpeg
  std::string bytes;
};

struct OutputFile {
  std::string name;  // relative
  std::string bytes;
  std::string description;
};

struct ToolOutput {
  nlohmann::json value;
  std::vector<std::string> texts;  // what agents see; none: the value
  std::vector<OutputImage> images;
  std::vector<OutputFile> files;
};

struct ToolOptions {
  std::string version = "1";  // changes whenever the tool's meaning does
  bool read_only = false;     // changes nothing
  bool idempotent = false;    // repeating a call changes nothing more
  bool destructive = false;
  bool needs_approval = false;
  int max_concurrent = 0;  // 0: as many as the provider takes
  std::chrono::seconds timeout{120};
  nlohmann::json result_schema;  // null: anything
};

struct ProviderOptions {
  std::string id;           // the same whenever the program is started; "": the server makes one up
  int max_concurrent = 16;  // calls at the same time, each on a thread
  // Told, from the thread that serves, when the server took the provider in, refused it, or cannot
  // be reached. Empty: lines on standard error.
  std::function<void(const std::string&)> log;
};

// A call that is under way. Thread-safe.
class CallContext {
 public:
  virtual ~CallContext() = default;
  virtual const std::string& task() const = 0;  // "tasks/{task}"
  virtual const std::string& path() const = 0;  // of the call in the task
  virtual uint64_t seed() const = 0;            // for what is drawn at random
  virtual bool cancelled() const = 0;           // nobody waits any more: return soon
  virtual void Progress(std::string text) = 0;  // a line for watchers
  virtual void Output(std::string text) = 0;    // output so far
};

class ToolProvider {
 public:
  explicit ToolProvider(std::string server, ProviderOptions options = {});
  ~ToolProvider();
  ToolProvider(const ToolProvider&) = delete;
  ToolProvider& operator=(const ToolProvider&) = delete;

  // Before Serve.
  template <HasDescription Args, typename Function>
  ToolProvider& Add(std::string name, std::string description, ToolOptions options,
                    Function function) {
    return AddFunction(
        std::move(name), std::move(description), std::move(options), DescriptionOf<Args>().Schema(),
        [function = std::move(function)](const nlohmann::json& json, CallContext& context) {
          Args args;
          DescriptionOf<Args>().Read(json, args);
          return OutputOf(function(args, context));
        });
  }

  // Serves until Stop, from another thread, or a refusal by the server, which is returned.
  absl::Status Serve();
  // Lets calls end that run, for `grace` at most. Thread-safe.
  void Stop(std::chrono::milliseconds grace = std::chrono::seconds(5));
  // Whether the server has taken the provider in within the time, on a stream that is whole.
  // Thread-safe.
  bool WaitUntilAttached(std::chrono::milliseconds time) const;

 private:
  using Outcome = absl::StatusOr<ToolOutput>;
  using AnyFunction = std::function<Outcome(const nlohmann::json&, CallContext&)>;

  ToolProvider& AddFunction(std::string name, std::string description, ToolOptions options,
                            nlohmann::json arguments_schema, AnyFunction function);

  static Outcome OutputOf(ToolOutput output) { return output; }
  static Outcome OutputOf(nlohmann::json value) {
    ToolOutput output;
    output.value = std::move(value);
    return output;
  }
  static Outcome OutputOf(std::string text) {
    ToolOutput output;
    output.value = text;
    output.texts.push_back(std::move(text));
    return output;
  }
  template <typename T>
  static Outcome OutputOf(absl::StatusOr<T> returned) {
    if (!returned.ok()) return returned.status();
    return OutputOf(*std::move(returned));
  }

  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace troupe::client
